// Tensors of files that tests write.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "formats/outgoing_tensor.h"

namespace isthmus {

// float32; `value(i)`: element i of the rows one after the other.
template <class Value>
formats::OutgoingTensor made_tensor(const std::string& name, const Shape& shape, Value value) {
  formats::OutgoingTensor tensor{name, DType::kF32, shape, {}};
  tensor.values = [shape, name, value] {
    auto values = std::make_shared<std::vector<float>>(static_cast<size_t>(*num_elements(shape)));
    for (size_t i = 0; i < values->size(); ++i) (*values)[i] = value(i);
    formats::RawTensor raw;
    raw.name = name;
    raw.shape = shape;
    raw.strides = formats::row_major_strides(shape);
    raw.bytes = std::as_bytes(std::span(*values));
    raw.owner = values;
    return raw;
  };
  return tensor;
}

}  // namespace isthmus
