// A tensor on its way into a file.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "formats/raw_tensor.h"

namespace isthmus::formats {

// Its values are made when they are written and dropped behind that, so a conversion on the way
// needs memory for one tensor, not for all of them.
struct OutgoingTensor {
  std::string name;
  DType dtype = DType::kF32;
  Shape shape;
  std::function<RawTensor()> values;  // of this dtype and shape, with any strides
  // Torch files: an earlier tensor of the file whose storage this one shares, as tied weights do.
  std::string same_as = {};

  size_t contiguous_size() const;
  // Hands the values to `sink` in row-major order, in pieces.
  void write_to(const std::function<void(std::span<const std::byte>)>& sink) const;
};

OutgoingTensor outgoing(RawTensor raw);
std::vector<OutgoingTensor> outgoing(std::span<const RawTensor> tensors);

}  // namespace isthmus::formats
