// A bounded folder of contents that would cost time to make anew.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "base/content_hash.h"

namespace isthmus {

// Contents by key, each in a file of its own: "isthmus kept 1\n", the key, the length of the
// content (64 bits) and the hash of key and content, then the content; little endian. A file
// appears whole under its name, so programs may share a folder; of what they keep, what nobody read
// for the longest time is removed when there is no room left, and nothing else that lies in the
// folder.
//
// What goes wrong costs what was kept, never the one who asked: a damaged file is removed with a
// warning, a full disk is told once, and both count as contents that are not there. Nothing is
// synced: what a loss of power leaves half written is found damaged. Only the user can read the
// files. Any thread may call; writing happens in a thread of its own.
class DiskCache {
 public:
  // Makes the folder. Throws ResourceError where it cannot be made or written to.
  DiskCache(std::filesystem::path folder, uint64_t capacity_bytes);
  // Writes what still waits.
  ~DiskCache();
  DiskCache(const DiskCache&) = delete;
  DiskCache& operator=(const DiskCache&) = delete;

  std::optional<std::string> find(const ContentHash& key);
  // `content` is called later, in another thread; it is about `bytes` long. While more waits to be
  // written than a disk takes in seconds, nothing is taken in.
  void keep(const ContentHash& key, size_t bytes, std::function<std::string()> content);
  // Returns when all that was taken in is written.
  void flush();

  const std::filesystem::path& folder() const { return folder_; }
  std::filesystem::path file_of(const ContentHash& key) const;

 private:
  struct Job {
    ContentHash key;
    size_t bytes;
    std::function<std::string()> content;
  };

  void run();
  void write(const Job& job);
  // Removes what was not read for long, until `bytes` more fit, and looks how much there is.
  void make_room(uint64_t bytes);
  void tell_of_failure(const std::filesystem::path& path, const char* cause);

  const std::filesystem::path folder_;
  const uint64_t capacity_bytes_;

  // Of the writing thread alone.
  uint64_t used_bytes_ = 0;  // as of the last look, and what was written since
  int writes_until_look_ = 0;
  bool told_of_failure_ = false;

  std::mutex mutex_;
  std::condition_variable wake_, idle_;
  // Guarded by mutex_:
  std::deque<Job> waiting_;  // the first is being written
  size_t waiting_bytes_ = 0;
  bool ends_ = false;

  std::thread thread_;  // last: it uses all of the above
};

}  // namespace isthmus
