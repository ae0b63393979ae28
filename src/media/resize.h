// Resampling, bit for bit as Pillow 10.4 does it for eight-bit pictures.
#pragma once

#include <cstdint>

#include "media/image.h"
#include "media/transform.h"

namespace isthmus::media {

enum class Filter { kNearest, kBilinear, kBicubic };

// The picture at width x height pixels (both at least 1). kBilinear and kBicubic (a = -0.5) widen
// their kernel when they shrink, in fixed point with 22 fractional bits: first all rows, rounded to
// bytes, then all columns. Later Pillow versions (13.0) choose the order of the passes by size and
// give other bytes. Every channel is resized by itself.
Image resize(const Image& image, int64_t width, int64_t height, Filter filter);

// Of `image` resized to width x height, only the pixels inside `window` (which must lie within),
// without ever forming the rest.
Image resize(const Image& image, int64_t width, int64_t height, Filter filter, const Box& window);

// Of `canvas` resized to width x height, only the pixels inside `window`. kBilinear and kBicubic
// only.
Image resize(const Canvas& canvas, int64_t width, int64_t height, Filter filter, const Box& window);

}  // namespace isthmus::media
