// The zip container of torch checkpoints: stored entries only, with zip64.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/atomic_file.h"
#include "base/mapped_file.h"

namespace isthmus::formats {

struct ZipEntry {
  std::string name;
  std::span<const std::byte> stored;  // into the mapping
  uint16_t method = 0;                // 0: stored as it is
  uint64_t size = 0;                  // unpacked, as the directory claims
};

class ZipArchive {
 public:
  // True for a file that begins like a zip file with entries.
  static bool looks_like_zip(std::span<const std::byte> bytes);
  // False when the directory at the end of the file is missing: the file was cut short.
  static bool has_directory(std::span<const std::byte> bytes);

  // Throws ModelError (broken directory, entry outside the file, name used twice) or
  // UnsupportedError (an encrypted or multi-volume archive), naming file and entry. Checksums are
  // not verified: that would read every weight once more.
  static ZipArchive open(const std::shared_ptr<const MappedFile>& file);

  const std::vector<ZipEntry>& entries() const { return entries_; }
  bool contains(std::string_view name) const { return index_.contains(name); }
  // Content of an entry, nullopt when absent. Nothing is ever unpacked: UnsupportedError for a
  // compressed one.
  std::optional<std::span<const std::byte>> find(std::string_view name) const;

 private:
  std::string file_;
  std::vector<ZipEntry> entries_;
  std::map<std::string, size_t, std::less<>> index_;
};

// Writes stored entries whose data begins at multiples of 64, as torch.save does.
class ZipWriter {
 public:
  using Sink = std::function<void(std::span<const std::byte>)>;

  explicit ZipWriter(const std::filesystem::path& path) : file_(path) {}
  // `produce` hands exactly `size` bytes to its sink, in any number of pieces.
  void add(const std::string& name, uint64_t size, const std::function<void(const Sink&)>& produce);
  void add(const std::string& name, std::string_view content);
  // Writes the directory and puts the file into place.
  void finish();

 private:
  struct Written {
    std::string name;
    uint64_t size, header_offset;
    uint32_t crc;
  };
  AtomicFile file_;
  std::vector<Written> written_;
};

}  // namespace isthmus::formats
