// Progress of long work on stderr: a bar with rate and time left on a terminal, a plain line now
// and then elsewhere.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace isthmus::cli {

class Progress {
 public:
  Progress(std::string label, int64_t total);
  void advance(int64_t count = 1);
  void finish();

 private:
  void draw();

  std::string label_;
  int64_t total_, done_ = 0;
  bool terminal_;
  std::chrono::steady_clock::time_point start_, drawn_;
};

}  // namespace isthmus::cli
