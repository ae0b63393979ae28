// Choosing some of many, evenly at random.
#pragma once

#include <cstdint>

#include "base/rng.h"

namespace isthmus::media {

// Of `total` things that come one after the other, keeps `most`, every choice as likely as any
// other (Knuth, The Art of Computer Programming 3.4.2, algorithm S); all if there are no more.
// The same things are chosen every time.
class Thinning {
 public:
  Thinning(int64_t total, int64_t most) : left_(total), wanted_(total < most ? total : most) {}
  // Whether the next thing is kept. Called at most `total` times.
  bool keep();

 private:
  int64_t left_, wanted_;
  Rng rng_{0};
};

}  // namespace isthmus::media
