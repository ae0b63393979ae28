#include "base/atomic_file.h"

#include <cerrno>
#include <cstring>
#include <string>

#include <unistd.h>

#include <fmt/format.h>

#include "isthmus/error.h"

namespace isthmus {
namespace {

[[noreturn]] void fail_file(const std::filesystem::path& path, const char* what) {
  throw ResourceError(fmt::format("{}: {}: {}", path.string(), what, std::strerror(errno)));
}

}  // namespace

AtomicFile::AtomicFile(std::filesystem::path path) : path_(std::move(path)) {
  temporary_ = path_;
  temporary_ += fmt::format(".{}.tmp", ::getpid());
  file_ = std::fopen(temporary_.c_str(), "wb");
  if (file_ == nullptr) fail_file(path_, "cannot be written");
}

AtomicFile::~AtomicFile() {
  if (file_ == nullptr) return;
  std::fclose(file_);
  std::error_code ignored;
  std::filesystem::remove(temporary_, ignored);
}

void AtomicFile::write(std::span<const std::byte> bytes) {
  if (!bytes.empty() && std::fwrite(bytes.data(), 1, bytes.size(), file_) != bytes.size())
    fail_file(path_, "cannot be written");
  position_ += bytes.size();
}

void AtomicFile::write(std::string_view text) {
  write(std::as_bytes(std::span(text.data(), text.size())));
}

void AtomicFile::commit() {
  if (std::fflush(file_) != 0 || ::fsync(::fileno(file_)) != 0)
    fail_file(path_, "cannot be written");
  std::FILE* file = file_;
  file_ = nullptr;
  if (std::fclose(file) != 0 || ::rename(temporary_.c_str(), path_.c_str()) != 0) {
    const int cause = errno;
    ::unlink(temporary_.c_str());
    errno = cause;
    fail_file(path_, "cannot be written");
  }
}

void write_file(const std::filesystem::path& path, std::string_view content) {
  AtomicFile file(path);
  file.write(content);
  file.commit();
}

std::string read_file(const std::filesystem::path& path, size_t limit) {
  std::FILE* file = std::fopen(path.c_str(), "rb");
  if (file == nullptr)
    throw InputError(fmt::format("{}: cannot be opened: {}", path.string(), std::strerror(errno)));
  std::string content;
  char buffer[1 << 16];
  size_t count = 0;
  while (content.size() <= limit && (count = std::fread(buffer, 1, sizeof buffer, file)) > 0)
    content.append(buffer, count);
  const bool failed = std::ferror(file) != 0;
  std::fclose(file);
  if (failed) throw InputError(fmt::format("{}: cannot be read", path.string()));
  if (content.size() > limit)
    throw InputError(
        fmt::format("{}: larger than the {} bytes allowed here", path.string(), limit));
  return content;
}

}  // namespace isthmus
