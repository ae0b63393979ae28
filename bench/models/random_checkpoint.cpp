#include "random_checkpoint.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <iostream>

#include "base/rng.h"
#include "formats/torch_checkpoint.h"

namespace isthmus::bench {
namespace {

constexpr size_t kPeriod = size_t{1} << 20;  // elements after which the noise repeats
constexpr size_t kStep = 7919;               // from one tensor's place to the next one's

void store(float value, DType dtype, std::byte* to) {
  const uint16_t narrow = dtype == DType::kF16 ? float_to_half(value) : float_to_bfloat16(value);
  if (dtype == DType::kF32)
    std::memcpy(to, &value, sizeof(value));
  else
    std::memcpy(to, &narrow, sizeof(narrow));
}

}  // namespace

Noise::Noise() : values_(kPeriod) {
  Rng rng(1);
  for (float& value : values_) {
    double sum = -6;
    for (int i = 0; i < 12; ++i) sum += rng.uniform();
    value = static_cast<float>(sum);
  }
}

const Noise::Buffer& Noise::buffer(float scale, float shift, DType dtype, size_t elements) {
  for (const Buffer& known : buffers_)
    if (known.scale == scale && known.shift == shift && known.dtype == dtype &&
        known.bytes.size() >= elements * size_of(dtype))
      return known;
  std::vector<std::byte> bytes(elements * size_of(dtype));
  const size_t period = std::min(kPeriod, elements) * size_of(dtype);
  for (size_t i = 0; i < period / size_of(dtype); ++i)
    store(values_[i] * scale + shift, dtype, &bytes[i * size_of(dtype)]);
  for (size_t at = period; at < bytes.size(); at += period)
    std::memcpy(&bytes[at], bytes.data(), std::min(period, bytes.size() - at));
  return buffers_.emplace_back(Buffer{scale, shift, dtype, std::move(bytes)});
}

std::span<const std::byte> Noise::draw(const Entry& entry, DType dtype) {
  const auto count = static_cast<size_t>(*num_elements(entry.shape));
  const bool matrix = entry.shape.size() > 1;
  const double fan_in = matrix ? static_cast<double>(count) / static_cast<double>(entry.shape[0]) : 1;
  const auto scale = static_cast<float>(matrix ? 1 / std::sqrt(fan_in) : 0.02);
  const float shift = matrix || entry.name.ends_with("bias") ? 0 : 1;
  const Buffer& from = buffer(scale, shift, dtype, count + kPeriod);
  offset_ = (offset_ + kStep) % kPeriod;
  return std::span(from.bytes).subspan(offset_ * size_of(dtype), count * size_of(dtype));
}

void write_random(const std::filesystem::path& file, std::span<const Entry> entries, DType dtype,
                  Noise& noise) {
  std::vector<formats::RawTensor> tensors;
  for (const Entry& entry : entries) {
    formats::RawTensor tensor;
    tensor.name = entry.name;
    tensor.dtype = dtype;
    tensor.shape = entry.shape;
    tensor.strides = contiguous_strides(entry.shape);
    tensor.bytes = noise.draw(entry, dtype);
    tensors.push_back(std::move(tensor));
  }
  formats::write_torch_checkpoint(file, tensors);
  std::cerr << file.filename().string() << "\n";
}

}  // namespace isthmus::bench
