// Folders whose files appear together or not at all.
#pragma once

#include <filesystem>

namespace isthmus {

// Files are written into a temporary folder beside `path`, which `replace()` or `merge()` puts into
// place. Without either it is removed, and whatever stood at `path` stays. Everything throws
// ResourceError (disk full, permissions) naming the folder.
class AtomicFolder {
 public:
  explicit AtomicFolder(std::filesystem::path path);
  ~AtomicFolder();
  AtomicFolder(const AtomicFolder&) = delete;
  AtomicFolder& operator=(const AtomicFolder&) = delete;

  const std::filesystem::path& temporary() const { return temporary_; }
  // A file that lies elsewhere, under the same name; nothing where there is none.
  void copy(const std::filesystem::path& file);

  // The new folder stands at `path`; one that stood there is removed.
  void replace();
  // The new files stand in `path`, over those of the same names; what else lies there stays. All
  // bytes are on the disk by then, so only renaming is left: a full disk changes nothing any more.
  void merge();

 private:
  std::filesystem::path path_, temporary_;
  bool is_done_ = false;
};

// Makes the names in a folder outlast a power cut, as fsync does for the bytes of a file.
void sync_folder(const std::filesystem::path& folder);

}  // namespace isthmus
