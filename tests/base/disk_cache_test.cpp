// What a folder of kept contents promises, also when it is damaged, full, or shared.
#include "base/disk_cache.h"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include <sys/resource.h>
#include <sys/stat.h>

#include <gtest/gtest.h>

#include "base/atomic_file.h"
#include "isthmus/error.h"
#include "new_folder.h"

namespace isthmus {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kRoom = uint64_t{1} << 20;

ContentHash key_of(int number) { return hash_text(std::to_string(number)); }

void keep(DiskCache& cache, int number, const std::string& content) {
  cache.keep(key_of(number), content.size(), [content] { return content; });
  cache.flush();
  // Times of files tell who was used last; some file systems count in steps of a few milliseconds.
  std::this_thread::sleep_for(std::chrono::milliseconds(15));
}

uint64_t bytes_in(const fs::path& folder) {
  uint64_t all = 0;
  for (const auto& entry : fs::directory_iterator(folder)) all += entry.file_size();
  return all;
}

TEST(DiskCache, WhatWasKeptIsFoundAfterARestart) {
  const fs::path folder = new_folder("disk_cache") / "not" / "there" / "yet";
  const std::string content("with\0zero and\xff", 15);
  {
    DiskCache cache(folder, kRoom);
    EXPECT_FALSE(cache.find(key_of(1)));
    keep(cache, 1, content);
    keep(cache, 2, "");
    EXPECT_EQ(cache.find(key_of(1)), content);
  }
  DiskCache cache(folder, kRoom);
  EXPECT_EQ(cache.find(key_of(1)), content);
  EXPECT_EQ(cache.find(key_of(2)), "");
  EXPECT_FALSE(cache.find(key_of(3)));
}

TEST(DiskCache, TheLastWordIsWrittenBeforeItEnds) {
  const fs::path folder = new_folder("disk_cache");
  {
    DiskCache cache(folder, kRoom);
    for (int i = 0; i < 50; ++i) cache.keep(key_of(i), 1, [i] { return std::to_string(i); });
  }
  DiskCache cache(folder, kRoom);
  for (int i = 0; i < 50; ++i) EXPECT_EQ(cache.find(key_of(i)), std::to_string(i));
}

TEST(DiskCache, OnlyTheUserReadsTheFiles) {
  DiskCache cache(new_folder("disk_cache"), kRoom);
  keep(cache, 1, "content");
  struct stat status {};
  ASSERT_EQ(::stat(cache.file_of(key_of(1)).c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
}

TEST(DiskCache, DamagedFilesAreToldOnceAndRemoved) {
  DiskCache cache(new_folder("disk_cache"), kRoom);
  const std::string content(300, 'x');
  keep(cache, 1, content);
  const fs::path file = cache.file_of(key_of(1));
  const std::string whole = read_file(file);
  for (size_t length = 0; length < whole.size(); length += 7) {
    std::ofstream(file, std::ios::binary) << whole.substr(0, length);
    testing::internal::CaptureStderr();
    EXPECT_FALSE(cache.find(key_of(1))) << length;
    EXPECT_FALSE(cache.find(key_of(1)));
    const std::string told = testing::internal::GetCapturedStderr();
    EXPECT_NE(told.find(file.string()), std::string::npos);
    EXPECT_EQ(std::count(told.begin(), told.end(), '\n'), 1) << told;
    EXPECT_FALSE(fs::exists(file));
  }
  testing::internal::CaptureStderr();
  for (size_t at = 0; at < whole.size(); ++at) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 4);
    std::ofstream(file, std::ios::binary) << damaged;
    EXPECT_FALSE(cache.find(key_of(1))) << at;
    EXPECT_FALSE(fs::exists(file)) << at;
  }
  std::ofstream(file, std::ios::binary) << whole + "more";
  EXPECT_FALSE(cache.find(key_of(1)));
  testing::internal::GetCapturedStderr();
  keep(cache, 1, content);
  EXPECT_EQ(cache.find(key_of(1)), content);
}

TEST(DiskCache, AFileUnderAnothersNameIsNotTaken) {
  DiskCache cache(new_folder("disk_cache"), kRoom);
  keep(cache, 1, "one");
  fs::rename(cache.file_of(key_of(1)), cache.file_of(key_of(2)));
  testing::internal::CaptureStderr();
  EXPECT_FALSE(cache.find(key_of(2)));
  testing::internal::GetCapturedStderr();
}

TEST(DiskCache, WhatWasNotReadForLongestGoesFirst) {
  const fs::path folder = new_folder("disk_cache");
  std::ofstream(folder / "isthmus-notes.txt") << std::string(3000, 'n');  // nobody's but the user's
  DiskCache cache(folder, 4096);
  const std::string content(1000 - 56, 'x');
  for (int i = 0; i < 4; ++i) keep(cache, i, content);
  EXPECT_TRUE(cache.find(key_of(0)));
  std::this_thread::sleep_for(std::chrono::milliseconds(15));
  keep(cache, 4, content);
  EXPECT_TRUE(cache.find(key_of(0)));
  EXPECT_FALSE(cache.find(key_of(1)));
  EXPECT_TRUE(cache.find(key_of(4)));
  for (int i = 5; i < 40; ++i) {
    keep(cache, i, content);
    EXPECT_LE(bytes_in(folder), 4096u + 3000);
  }
  EXPECT_TRUE(fs::exists(folder / "isthmus-notes.txt"));
  keep(cache, 99, std::string(5000, 'x'));  // more than there is room for
  EXPECT_FALSE(cache.find(key_of(99)));
  EXPECT_TRUE(cache.find(key_of(39)));
}

TEST(DiskCache, WhatAKilledProgramLeftIsRemovedLater) {
  const fs::path folder = new_folder("disk_cache");
  DiskCache cache(folder, kRoom);
  const fs::path old = cache.file_of(key_of(1)).string() + ".unfinishedAbCdEf";
  const fs::path fresh = cache.file_of(key_of(2)).string() + ".unfinishedAbCdEf";
  for (const fs::path& file : {old, fresh}) std::ofstream(file) << "half";
  fs::last_write_time(old, fs::file_time_type::clock::now() - std::chrono::hours(2));
  keep(cache, 3, "content");
  EXPECT_FALSE(fs::exists(old));
  EXPECT_TRUE(fs::exists(fresh)) << "another program may be writing it";
}

// In a process of its own, for which files may not grow: as good as a full disk.
[[noreturn]] void fill_disk(const fs::path& folder) {
  DiskCache cache(folder, kRoom);
  std::signal(SIGXFSZ, SIG_IGN);
  const rlimit limit{600, 600};  // enough for what is told
  ::setrlimit(RLIMIT_FSIZE, &limit);
  for (int i = 0; i < 3; ++i) keep(cache, i, std::string(1000, 'x'));
  const bool nothing = !cache.find(key_of(0)) && fs::is_empty(folder);
  keep(cache, 4, "fits");
  std::_Exit(nothing && cache.find(key_of(4)) == "fits" ? 0 : 1);
}

TEST(DiskCache, AFullDiskIsToldOnce) {
  const fs::path folder = new_folder("disk_cache");
  EXPECT_EXIT(fill_disk(folder), testing::ExitedWithCode(0),
              "^isthmus: warning: [^\n]*File too large[^\n]*\n$");
}

TEST(DiskCache, ContentThatCannotBeMadeIsNotKept) {
  DiskCache cache(new_folder("disk_cache"), kRoom);
  testing::internal::CaptureStderr();
  cache.keep(key_of(1), 1, []() -> std::string { throw std::bad_alloc(); });
  cache.flush();
  EXPECT_NE(testing::internal::GetCapturedStderr().find("cannot be written"), std::string::npos);
  EXPECT_FALSE(cache.find(key_of(1)));
}

TEST(DiskCache, AFolderThatCannotBeUsedIsAnError) {
  const fs::path file = new_folder("disk_cache") / "file";
  std::ofstream(file) << "x";
  EXPECT_THROW(DiskCache(file, kRoom), ResourceError);
  EXPECT_THROW(DiskCache(file / "below", kRoom), ResourceError);
}

TEST(DiskCache, SeveralShareAFolder) {
  const fs::path folder = new_folder("disk_cache");
  constexpr int kPrograms = 4, kContents = 60;
  const auto content = [](int number) {
    return std::string(200, static_cast<char>('a' + number % 26));
  };
  testing::internal::CaptureStderr();
  std::vector<std::thread> programs;
  for (int p = 0; p < kPrograms; ++p)
    programs.emplace_back([&, p] {
      DiskCache cache(folder, 5000);  // a third of what all keep
      for (int i = 0; i < kContents; ++i) {
        const int number = (i * 7 + p) % kContents;
        cache.keep(key_of(number), 200, [&content, number] { return content(number); });
        for (int j = 0; j < kContents; ++j)
          EXPECT_EQ(cache.find(key_of(j)).value_or(content(j)), content(j));
      }
    });
  for (std::thread& program : programs) program.join();
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  for (const auto& entry : fs::directory_iterator(folder))
    EXPECT_EQ(entry.path().extension(), ".kept");
}

}  // namespace
}  // namespace isthmus
