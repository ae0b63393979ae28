// Checkpoint files of noise, for measuring speed and memory.
#pragma once

#include <cstddef>
#include <deque>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "base/dtype.h"
#include "base/shape.h"

namespace isthmus::bench {

struct Entry {
  std::string name;
  Shape shape;
};

// Normal-looking noise. Tensors are read from shifting places of a few buffers, so that a file of
// many gigabytes needs the memory of its largest tensor.
class Noise {
 public:
  Noise();
  // Matrices keep the variance of what they multiply, norms are near one, biases near zero. Valid
  // as long as this.
  std::span<const std::byte> draw(const Entry& entry, DType dtype);

 private:
  struct Buffer {
    float scale, shift;
    DType dtype;
    std::vector<std::byte> bytes;
  };
  const Buffer& buffer(float scale, float shift, DType dtype, size_t elements);

  std::vector<float> values_;
  std::deque<Buffer> buffers_;
  size_t offset_ = 0;  // in values_
};

// As torch.save writes it; reports the file's name to stderr.
void write_random(const std::filesystem::path& file, std::span<const Entry> entries, DType dtype,
                  Noise& noise);

}  // namespace isthmus::bench
