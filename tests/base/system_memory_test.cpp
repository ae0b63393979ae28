// How much memory is there, as the kernel's files tell it.
#include "base/system_memory.h"

#include <fstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace isthmus {
namespace {

namespace fs = std::filesystem;

class SystemMemory : public testing::Test {
 protected:
  SystemMemory()
      : root_(fs::path(testing::TempDir()) /
              (std::string("memory_") +
               testing::UnitTest::GetInstance()->current_test_info()->name())) {
    fs::remove_all(root_);
  }

  void put(const std::string& file, const std::string& text) const {
    fs::create_directories((root_ / file).parent_path());
    std::ofstream(root_ / file) << text;
  }

  fs::path root_;
};

TEST_F(SystemMemory, WithoutGroupsItIsWhatTheKernelCallsAvailable) {
  EXPECT_EQ(available_memory(root_), std::nullopt);
  put("proc/meminfo", "MemTotal:  9000 kB\nMemAvailable:   2000 kB\n");
  EXPECT_EQ(available_memory(root_), 2000 * 1024);
}

TEST_F(SystemMemory, TheTightestGroupAboveTheProcessCounts) {
  put("proc/meminfo", "MemAvailable:   2000 kB\n");
  put("proc/self/cgroup", "0::/outer/inner\n");
  put("sys/fs/cgroup/outer/inner/memory.max", "max\n");
  put("sys/fs/cgroup/outer/inner/memory.current", "100\n");
  EXPECT_EQ(available_memory(root_), 2000 * 1024);
  put("sys/fs/cgroup/outer/memory.max", "5000\n");
  put("sys/fs/cgroup/outer/memory.current", "1500\n");
  EXPECT_EQ(available_memory(root_), 3500);
  put("sys/fs/cgroup/outer/memory.current", "9000\n");
  EXPECT_EQ(available_memory(root_), 0);
}

TEST_F(SystemMemory, GroupsOfVersionOneCountToo) {
  put("proc/self/cgroup", "5:cpu:/\n4:memory:/job\n");
  put("sys/fs/cgroup/memory/job/memory.limit_in_bytes", "4096\n");
  put("sys/fs/cgroup/memory/job/memory.usage_in_bytes", "96\n");
  EXPECT_EQ(available_memory(root_), 4000);
}

TEST(ResidentMemory, GrowsWithWhatIsHeld) {
  const int64_t before = resident_memory();
  EXPECT_GT(before, 0);
  const std::vector<char> held(64 << 20, 'x');
  EXPECT_GT(resident_memory(), before + (32 << 20));
  EXPECT_GE(peak_resident_memory(), resident_memory() - (1 << 20));
  EXPECT_EQ(held.back(), 'x');
}

}  // namespace
}  // namespace isthmus
