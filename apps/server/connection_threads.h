// Threads for connections: one each while it is open, made when they are needed.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include <httplib.h>

namespace isthmus::server {

// A connection holds its thread for as long as it is open, streams for minutes, so a pool of a
// fixed, small size would let a few idle clients keep out all others. Threads stay once made.
class ConnectionThreads : public httplib::TaskQueue {
 public:
  explicit ConnectionThreads(size_t most) : most_(most) {}
  void enqueue(std::function<void()> connection) override;
  // Waits for the connections that are open.
  void shutdown() override;

 private:
  void serve();
  void add_thread();  // with mutex_

  const size_t most_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> waiting_;  // guarded by mutex_
  std::vector<std::thread> threads_;           // guarded by mutex_
  size_t idle_ = 0;                            // guarded by mutex_
  bool closed_ = false;                        // guarded by mutex_
};

}  // namespace isthmus::server
