// One request on its way through the server: its id, and what the log says of it at its end.
#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <string>

#include <httplib.h>

#include "meters.h"
#include "serving/service.h"

namespace isthmus::server {

// How many requests are being handled. Any thread.
class Visits {
 public:
  void begin();
  void end();
  // True when none is left.
  bool wait_until(serving::Clock::time_point until);

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int64_t count_ = 0;  // guarded by mutex_
};

// Lives until the answer is written, or cannot be. Belongs to one thread.
class Visit {
 public:
  // The id is the client's own (X-Request-Id) where it is a plain word, else a new one; it goes
  // back with the answer. `route`: as it is listed, for the meters.
  Visit(const httplib::Request& request, httplib::Response& response, std::string route,
        Meters& meters, Visits& visits);
  ~Visit();
  Visit(const Visit&) = delete;
  Visit& operator=(const Visit&) = delete;

  const std::string& id() const { return id_; }
  double seconds() const;
  serving::Clock::time_point began() const { return began_; }

  int status = 200;
  bool streams = false;
  std::string model;    // its name, once it is known to be here
  std::string outcome;  // "left", "failed", or how the first answer ended
  std::string detail;   // of an error, for the log alone
  int64_t prompt_tokens = 0, reused_tokens = 0, generated_tokens = 0;
  double first_piece = 0;  // seconds

 private:
  std::string id_, client_, method_, path_, route_;
  serving::Clock::time_point began_ = serving::Clock::now();
  Meters& meters_;
  Visits& visits_;
};

}  // namespace isthmus::server
