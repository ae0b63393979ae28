#include "base/atomic_folder.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/atomic_file.h"
#include "base/mapped_file.h"
#include "isthmus/error.h"

namespace isthmus {

namespace fs = std::filesystem;

namespace {

[[noreturn]] void fail_folder(const fs::path& path, const std::string& what) {
  throw ResourceError(fmt::format("{}: cannot be written: {}", path.string(), what));
}

void require_done(const fs::path& path, const std::error_code& error) {
  if (error) fail_folder(path, error.message());
}

void rename_over(const fs::path& from, const fs::path& to) {
  std::error_code error;
  fs::rename(from, to, error);
  require_done(to, error);
}

// Both at once where the file system can; false where it cannot.
bool exchange(const fs::path& a, const fs::path& b) {
  return ::renameat2(AT_FDCWD, a.c_str(), AT_FDCWD, b.c_str(), RENAME_EXCHANGE) == 0;
}

}  // namespace

void sync_folder(const fs::path& folder) {
  const int descriptor = ::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY);
  if (descriptor < 0) fail_folder(folder, std::strerror(errno));
  const bool synced = ::fsync(descriptor) == 0 || errno == EINVAL;  // some file systems have none
  const int cause = errno;
  ::close(descriptor);
  if (!synced) fail_folder(folder, std::strerror(cause));
}

AtomicFolder::AtomicFolder(fs::path path)
    : path_(path.has_filename() ? std::move(path) : path.parent_path()) {
  temporary_ = path_;
  temporary_ += fmt::format(".{}.tmp", ::getpid());
  std::error_code error;
  fs::remove_all(temporary_, error);  // of a process that had this number before
  fs::create_directories(temporary_, error);
  require_done(temporary_, error);
}

AtomicFolder::~AtomicFolder() {
  std::error_code ignored;
  if (!is_done_) fs::remove_all(temporary_, ignored);
}

void AtomicFolder::copy(const fs::path& file) {
  std::error_code ignored;
  if (!fs::is_regular_file(file, ignored)) return;
  AtomicFile out(temporary_ / file.filename());
  out.write(MappedFile::open(file)->bytes());
  out.commit();
}

void AtomicFolder::replace() {
  sync_folder(temporary_);
  std::error_code error;
  if (!fs::exists(path_, error)) {
    rename_over(temporary_, path_);
  } else if (exchange(temporary_, path_)) {
    fs::remove_all(temporary_, error);
  } else {
    fs::path old = path_;
    old += fmt::format(".{}.old", ::getpid());
    rename_over(path_, old);
    rename_over(temporary_, path_);
    fs::remove_all(old, error);
  }
  is_done_ = true;
  sync_folder(path_.parent_path());
}

void AtomicFolder::merge() {
  std::error_code error;
  if (!fs::exists(path_, error)) return replace();
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(temporary_))
    if (entry.is_directory())
      fs::create_directories(path_ / entry.path().lexically_relative(temporary_), error);
    else
      files.push_back(entry.path().lexically_relative(temporary_));
  require_done(path_, error);
  for (const fs::path& file : files) rename_over(temporary_ / file, path_ / file);
  sync_folder(path_);
  fs::remove_all(temporary_, error);
  is_done_ = true;
}

}  // namespace isthmus
