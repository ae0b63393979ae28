#include "base/shape.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace isthmus {

std::optional<int64_t> num_elements(const Shape& shape) {
  int64_t product = 1;
  bool overflow = false;
  bool empty = false;
  for (const int64_t dimension : shape) {
    if (dimension < 0) return std::nullopt;
    empty = empty || dimension == 0;
    overflow = overflow || __builtin_mul_overflow(product, dimension, &product);
  }
  if (empty) return 0;
  if (overflow) return std::nullopt;
  return product;
}

std::string to_string(const Shape& shape) { return fmt::format("[{}]", fmt::join(shape, ", ")); }

Shape contiguous_strides(const Shape& shape) {
  Shape strides(shape.size(), 1);
  for (size_t i = shape.size(); i-- > 1;) strides[i - 1] = strides[i] * shape[i];
  return strides;
}

}  // namespace isthmus
