#include "base/mapped_file.h"

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "isthmus/error.h"

namespace isthmus {
namespace {

[[noreturn]] void fail_to_map(const std::filesystem::path& path, const char* what) {
  throw ModelError(fmt::format("{}: {}: {}", path.string(), what, std::strerror(errno)));
}

}  // namespace

std::shared_ptr<const MappedFile> MappedFile::open(const std::filesystem::path& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) fail_to_map(path, "cannot be opened");
  struct stat info {};
  if (::fstat(descriptor, &info) != 0) {
    ::close(descriptor);
    fail_to_map(path, "cannot be examined");
  }
  if (!S_ISREG(info.st_mode)) {
    ::close(descriptor);
    throw ModelError(fmt::format("{}: expected a regular file", path.string()));
  }
  const auto size = static_cast<size_t>(info.st_size);
  void* data = nullptr;
  if (size > 0) {
    data = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, descriptor, 0);
    if (data == MAP_FAILED) {
      ::close(descriptor);
      fail_to_map(path, "cannot be mapped");
    }
  }
  ::close(descriptor);
  return std::shared_ptr<const MappedFile>(
      new MappedFile(path, static_cast<const std::byte*>(data), size));
}

MappedFile::MappedFile(std::filesystem::path path, const std::byte* data, size_t size)
    : path_(std::move(path)), data_(data), size_(size) {}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
}

}  // namespace isthmus
