// What a preprocessor hands to an encoder.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "base/shape.h"
#include "modalities/geometry.h"
#include "modalities/modality.h"

namespace isthmus::modalities {

// `values` is row-major of `shape`; for pictures [tiles, 3, height, width]. `geometry` tells where
// they came from.
struct Prepared {
  std::vector<float> values;
  Shape shape;
  Geometry geometry;
  std::string modality{Modality::kImage};  // as requests name it
  // Of pictures: channel c of a sample x of 0 to 1 became (x - mean[c]) / deviation[c]. Deviations
  // of 0: it is no picture.
  std::array<float, 3> mean{}, deviation{};
  std::vector<std::string> notes;  // what was changed on the way, for people to read
};

}  // namespace isthmus::modalities
