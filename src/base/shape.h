// Shapes of tensors outside torch.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace isthmus {

using Shape = std::vector<int64_t>;

// Number of elements; nullopt if a dimension is negative or the product does not fit 63 bits.
std::optional<int64_t> num_elements(const Shape& shape);
// "[4096, 4096]"
std::string to_string(const Shape& shape);
// Row-major strides in elements.
Shape contiguous_strides(const Shape& shape);

}  // namespace isthmus
