#include "media/thinning.h"

namespace isthmus::media {

bool Thinning::keep() {
  const bool kept = wanted_ == left_ ||
                    rng_.uniform() * static_cast<double>(left_) < static_cast<double>(wanted_);
  --left_;
  if (kept) --wanted_;
  return kept;
}

}  // namespace isthmus::media
