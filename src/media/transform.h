// Cropping and padding.
#pragma once

#include <cstdint>

#include "media/image.h"

namespace isthmus::media {

struct Box {
  int64_t left, top, width, height;
};

// A picture lying on a canvas of one colour, as a view: pixels are only copied where they are used.
// 0 <= left, left + image.width <= width; likewise vertically.
struct Canvas {
  const Image& image;
  int64_t width, height;
  int64_t left, top;
  Rgb colour;
};

// The picture by itself.
Canvas bare_canvas(const Image& image);
// The picture in the middle of a square as wide as its longer side (LLaVA, expand2square; odd
// margins put the extra row or column at the end).
Canvas square_canvas(const Image& image, const Rgb& colour);

// The canvas as a picture of its own.
Image paste(const Canvas& canvas);
inline Image pad_to_square(const Image& image, const Rgb& colour) {
  return paste(square_canvas(image, colour));
}
// What lies inside `box`; black outside the picture.
Image crop(const Image& image, const Box& box);
// Where transformers' center_crop cuts a crop of width x height from a picture: the middle, and
// around a picture that is too small the missing rows and columns, the larger half of them before
// it.
Box centre_box(int64_t image_width, int64_t image_height, int64_t width, int64_t height);
Image centre_crop(const Image& image, int64_t width, int64_t height);

}  // namespace isthmus::media
