// Checkpoint files made of names and shapes, filled with zeros.
#pragma once

#include <span>
#include <string>
#include <utility>
#include <vector>

#include "formats/checkpoint.h"
#include "formats/torch_checkpoint.h"
#include "layout/fixtures.h"

namespace isthmus::layout {

using NamedShapes = std::vector<std::pair<std::string, Shape>>;

inline formats::Checkpoint made_checkpoint(const std::string& file_name,
                                           const NamedShapes& tensors) {
  std::vector<formats::RawTensor> raw;
  for (const auto& [name, shape] : tensors) {
    formats::RawTensor tensor;
    tensor.name = name;
    tensor.shape = shape;
    tensor.strides = formats::row_major_strides(shape);
    auto zeros = std::make_shared<std::vector<float>>(
        static_cast<size_t>(num_elements(shape).value_or(0)), 0.0f);
    tensor.bytes = std::as_bytes(std::span(*zeros));
    tensor.owner = zeros;
    raw.push_back(std::move(tensor));
  }
  const auto path = fresh_folder("made_" + file_name) / file_name;
  formats::write_torch_checkpoint(path, raw);
  return formats::Checkpoint::open(path);
}

}  // namespace isthmus::layout
