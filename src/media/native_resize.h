// Resampling of pictures in their own mode, bit for bit as Pillow 10.4 does it.
#pragma once

#include <cstdint>

#include "media/native_image.h"
#include "media/resize.h"

namespace isthmus::media {

// Of `image` resized to width x height (both at least 1), only the pixels inside `window`, which
// must lie within. Indices and bilevel samples are always picked by kNearest; colours with alpha
// are multiplied by it before and divided after, except at equal size. Throws UnsupportedError for
// 16-bit grey, which Pillow refuses too unless the size stays or the filter is kNearest.
NativeImage resize(const NativeImage& image, int64_t width, int64_t height, Filter filter,
                   const Box& window);

}  // namespace isthmus::media
