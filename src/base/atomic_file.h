// Files that appear whole or not at all.
#pragma once

#include <cstddef>
#include <cstdio>
#include <filesystem>
#include <span>
#include <string_view>

namespace isthmus {

// Writes to a temporary name beside `path`; `commit()` syncs and renames it into place. Without a
// commit the temporary file is removed and whatever stood at `path` stays. Throws ResourceError
// (disk full, permissions) naming the file.
class AtomicFile {
 public:
  explicit AtomicFile(std::filesystem::path path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(std::span<const std::byte> bytes);
  void write(std::string_view text);
  uint64_t position() const { return position_; }
  void commit();

 private:
  std::filesystem::path path_, temporary_;
  std::FILE* file_ = nullptr;
  uint64_t position_ = 0;
};

void write_file(const std::filesystem::path& path, std::string_view content);
// Throws InputError if the file cannot be read or is larger than `limit` bytes.
std::string read_file(const std::filesystem::path& path, size_t limit = size_t{1} << 30);

}  // namespace isthmus
