// Progress of long work on stderr: a bar with rate and time left on a terminal, a plain line now
// and then elsewhere.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <utility>

namespace isthmus::cli {

class Progress {
 public:
  Progress(std::string label, int64_t total);
  void advance(int64_t count = 1);
  void finish();
  // Shown behind the rate: "loss 1.234".
  void set_detail(std::string detail) { detail_ = std::move(detail); }

 private:
  void draw();

  std::string label_, detail_;
  int64_t total_, done_ = 0;
  bool terminal_;
  std::chrono::steady_clock::time_point start_, drawn_;
};

}  // namespace isthmus::cli
