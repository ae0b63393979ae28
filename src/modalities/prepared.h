// What a preprocessor hands to an encoder.
#pragma once

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
  Modality modality = Modality::kImage;
  std::vector<std::string> notes;  // what was changed on the way, for people to read
};

}  // namespace isthmus::modalities
