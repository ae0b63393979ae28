#include "base/disk_cache.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/log.h"
#include "isthmus/error.h"

namespace isthmus {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kMagic = "isthmus kept 1\n";
constexpr std::string_view kBegin = "isthmus-", kEnd = ".kept", kUnfinished = ".unfinished";
constexpr size_t kMostWaiting = size_t{256} << 20;
// Others may write to the folder, too.
constexpr int kWritesBetweenLooks = 64;
// Left behind by a program that was killed.
constexpr auto kAbandoned = std::chrono::hours(1);

struct Header {
  char magic[16];  // kMagic and its terminating zero
  ContentHash key;
  uint64_t length;
  ContentHash check;
};
static_assert(sizeof(Header) == 56);

ContentHash check_of(const ContentHash& key, std::string_view content) {
  ContentHasher hasher;
  hasher.add({reinterpret_cast<const char*>(&key), sizeof key});
  hasher.add(content);
  return hasher.hash();
}

class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return number_; }
  bool open() const { return number_ >= 0; }

 private:
  int number_;
};

bool read_all(int file, void* to, size_t count) {
  auto* at = static_cast<char*>(to);
  while (count > 0) {
    const ssize_t got = ::read(file, at, count);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    at += got;
    count -= static_cast<size_t>(got);
  }
  return true;
}

bool write_all(int file, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t put = ::write(file, bytes.data(), bytes.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return false;
    bytes.remove_prefix(static_cast<size_t>(put));
  }
  return true;
}

// What is wrong with an open file; empty: `content` is what was kept.
std::string read_content(int file, const ContentHash& key, std::string& content) {
  struct stat status {};
  if (::fstat(file, &status) != 0) return std::strerror(errno);
  Header header{};
  if (!read_all(file, &header, sizeof header)) return "it is cut off";
  if (std::memcmp(header.magic, kMagic.data(), kMagic.size() + 1) != 0)
    return "its head is not ours";
  if (header.key != key) return "it was kept under another key";
  if (static_cast<uint64_t>(status.st_size) != sizeof header + header.length)
    return fmt::format("it has {} bytes, its head says {}", status.st_size,
                       sizeof header + header.length);
  content.resize(header.length);
  if (!read_all(file, content.data(), content.size())) return "it cannot be read to its end";
  if (check_of(key, content) != header.check) return "its bytes are not those that were written";
  return {};
}

enum class Kind { kOthers, kKept, kUnfinished };

Kind kind_of(const std::string& name) {
  constexpr size_t kDigits = 32;
  constexpr size_t kLength = kBegin.size() + kDigits + kEnd.size();
  if (!name.starts_with(kBegin) || name.size() < kLength ||
      std::string_view(name).substr(kBegin.size() + kDigits, kEnd.size()) != kEnd)
    return Kind::kOthers;
  const std::string_view rest = std::string_view(name).substr(kLength);
  if (rest.empty()) return Kind::kKept;
  return rest.starts_with(kUnfinished) ? Kind::kUnfinished : Kind::kOthers;
}

}  // namespace

DiskCache::DiskCache(fs::path folder, uint64_t capacity_bytes)
    : folder_(std::move(folder)), capacity_bytes_(capacity_bytes) {
  std::error_code error;
  fs::create_directories(folder_, error);
  if (error || ::access(folder_.c_str(), R_OK | W_OK | X_OK) != 0)
    throw ResourceError(fmt::format("{}: nothing can be kept there: {}", folder_.string(),
                                    error ? error.message() : std::strerror(errno)));
  thread_ = std::thread([this] { run(); });
}

DiskCache::~DiskCache() {
  {
    const std::lock_guard lock(mutex_);
    ends_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

fs::path DiskCache::file_of(const ContentHash& key) const {
  return folder_ / fmt::format("{}{}{}", kBegin, key.hex(), kEnd);
}

std::optional<std::string> DiskCache::find(const ContentHash& key) {
  const fs::path path = file_of(key);
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!file.open()) return std::nullopt;
  std::string content;
  if (const std::string wrong = read_content(file.get(), key, content); !wrong.empty()) {
    ::unlink(path.c_str());
    log::warn(fmt::format("{}: {}; it is removed", path.string(), wrong));
    return std::nullopt;
  }
  ::futimens(file.get(), nullptr);  // it was of use: others go first
  return content;
}

void DiskCache::keep(const ContentHash& key, size_t bytes, std::function<std::string()> content) {
  if (bytes > capacity_bytes_) return;
  {
    const std::lock_guard lock(mutex_);
    if (!waiting_.empty() && waiting_bytes_ + bytes > kMostWaiting) return;
    waiting_bytes_ += bytes;
    waiting_.push_back({key, bytes, std::move(content)});
  }
  wake_.notify_all();
}

void DiskCache::flush() {
  std::unique_lock lock(mutex_);
  idle_.wait(lock, [&] { return waiting_.empty(); });
}

void DiskCache::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [&] { return ends_ || !waiting_.empty(); });
    if (waiting_.empty()) return;
    const Job& job = waiting_.front();  // stays where it is while others are added behind it
    lock.unlock();
    try {
      write(job);
    } catch (const std::exception& error) {  // out of memory
      tell_of_failure(file_of(job.key), error.what());
    }
    lock.lock();
    waiting_bytes_ -= job.bytes;
    waiting_.pop_front();
    if (waiting_.empty()) idle_.notify_all();
  }
}

void DiskCache::write(const Job& job) {
  const std::string content = job.content();
  Header header{{}, job.key, content.size(), check_of(job.key, content)};
  std::memcpy(header.magic, kMagic.data(), kMagic.size());
  const uint64_t size = sizeof header + content.size();
  if (size > capacity_bytes_) return;
  if (--writes_until_look_ < 0 || used_bytes_ + size > capacity_bytes_) make_room(size);

  const fs::path path = file_of(job.key);
  std::string unfinished = path.string() + std::string(kUnfinished) + "XXXXXX";
  const Descriptor file(::mkostemp(unfinished.data(), O_CLOEXEC));
  if (file.open() &&
      write_all(file.get(), {reinterpret_cast<const char*>(&header), sizeof header}) &&
      write_all(file.get(), content) && ::rename(unfinished.c_str(), path.c_str()) == 0) {
    used_bytes_ += size;
    return;
  }
  const int cause = errno;
  if (file.open()) ::unlink(unfinished.c_str());
  tell_of_failure(path, std::strerror(cause));
}

void DiskCache::tell_of_failure(const fs::path& path, const char* cause) {
  if (told_of_failure_) return;
  told_of_failure_ = true;
  log::warn(
      fmt::format("{}: cannot be written: {}; what cannot be kept is made anew, and this is "
                  "not said again",
                  path.string(), cause));
}

void DiskCache::make_room(uint64_t bytes) {
  struct Kept {
    fs::path path;
    uint64_t size;
    fs::file_time_type used;
  };
  std::vector<Kept> all;
  const auto now = fs::file_time_type::clock::now();
  std::error_code ended;
  used_bytes_ = 0;
  for (fs::directory_iterator it(folder_, ended); !ended && it != fs::directory_iterator();
       it.increment(ended)) {
    const Kind kind = kind_of(it->path().filename().string());
    std::error_code gone;  // others remove files, too
    if (kind == Kind::kOthers || !it->is_regular_file(gone)) continue;
    Kept kept{it->path(), it->file_size(gone), it->last_write_time(gone)};
    if (gone) continue;
    if (kind == Kind::kUnfinished) {
      if (now - kept.used > kAbandoned) fs::remove(kept.path, gone);
      continue;
    }
    used_bytes_ += kept.size;
    all.push_back(std::move(kept));
  }
  writes_until_look_ = kWritesBetweenLooks;
  if (used_bytes_ + bytes <= capacity_bytes_) return;
  // A tenth more than is needed, so that not every file makes somebody look.
  const uint64_t most = capacity_bytes_ - std::min(capacity_bytes_, capacity_bytes_ / 10 + bytes);
  std::ranges::sort(all, {}, &Kept::used);
  for (const Kept& kept : all) {
    if (used_bytes_ <= most) break;
    std::error_code gone;
    fs::remove(kept.path, gone);
    used_bytes_ -= kept.size;
  }
}

}  // namespace isthmus
