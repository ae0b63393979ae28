#include "server/connection_threads.h"

#include <atomic>

#include <gtest/gtest.h>

#include "running_server.h"

namespace isthmus::server {
namespace {

TEST(ConnectionThreads, AreMadeAsTheyAreNeeded) {
  ConnectionThreads threads(16);
  std::atomic<int> inside = 0;
  std::atomic<bool> leave = false;
  for (int i = 0; i < 16; ++i)
    threads.enqueue([&] {
      ++inside;
      while (!leave) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    });
  EXPECT_TRUE(comes_true([&] { return inside == 16; }));
  leave = true;
  threads.shutdown();
}

TEST(ConnectionThreads, BeyondTheMostConnectionsWait) {
  ConnectionThreads threads(2);
  std::atomic<int> inside = 0, most = 0, done = 0;
  for (int i = 0; i < 8; ++i)
    threads.enqueue([&] {
      most = std::max(most.load(), ++inside);
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
      --inside;
      ++done;
    });
  EXPECT_TRUE(comes_true([&] { return done == 8; }));
  threads.shutdown();
  EXPECT_LE(most, 2);
}

}  // namespace
}  // namespace isthmus::server
