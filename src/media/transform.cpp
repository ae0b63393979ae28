#include "media/transform.h"

#include <algorithm>

namespace isthmus::media {

Canvas bare_canvas(const Image& image) { return {image, image.width, image.height, 0, 0, {}}; }

Canvas square_canvas(const Image& image, const Rgb& colour) {
  const int64_t side = std::max(image.width, image.height);
  return {image, side, side, (side - image.width) / 2, (side - image.height) / 2, colour};
}

Image paste(const Canvas& canvas) {
  Image out = filled_image(canvas.width, canvas.height, canvas.colour);
  const int64_t row_bytes = canvas.image.width * 3;
  for (int64_t y = 0; y < canvas.image.height; ++y)
    std::copy_n(canvas.image.row(y), row_bytes, out.row(canvas.top + y) + canvas.left * 3);
  return out;
}

Image crop(const Image& image, const Box& box) {
  Image out = filled_image(box.width, box.height, {0, 0, 0});
  const int64_t x0 = std::max<int64_t>(box.left, 0),
                x1 = std::min(box.left + box.width, image.width);
  const int64_t y0 = std::max<int64_t>(box.top, 0),
                y1 = std::min(box.top + box.height, image.height);
  if (x0 >= x1) return out;
  for (int64_t y = y0; y < y1; ++y)
    std::copy_n(image.row(y) + x0 * 3, (x1 - x0) * 3, out.row(y - box.top) + (x0 - box.left) * 3);
  return out;
}

Box centre_box(int64_t image_width, int64_t image_height, int64_t width, int64_t height) {
  const auto start = [](int64_t size, int64_t wanted) {
    return size >= wanted ? (size - wanted) / 2 : -((wanted - size + 1) / 2);
  };
  return {start(image_width, width), start(image_height, height), width, height};
}

Image centre_crop(const Image& image, int64_t width, int64_t height) {
  return crop(image, centre_box(image.width, image.height, width, height));
}

}  // namespace isthmus::media
