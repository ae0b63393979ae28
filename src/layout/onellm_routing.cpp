#include "layout/onellm_routing.h"

#include <cmath>
#include <numbers>
#include <optional>
#include <span>

namespace isthmus::layout {
namespace {

struct Linear {
  std::vector<float> weight, bias;  // [out, in], [out]

  std::vector<float> apply(std::span<const float> x) const {
    std::vector<float> y = bias;
    for (size_t o = 0; o < y.size(); ++o) {
      constexpr size_t kLanes = 8;  // partial sums, so that the compiler may use vectors
      const float* row = weight.data() + o * x.size();
      float sums[kLanes] = {};
      size_t i = 0;
      for (; i + kLanes <= x.size(); i += kLanes)
        for (size_t l = 0; l < kLanes; ++l) sums[l] += row[i + l] * x[i + l];
      for (; i < x.size(); ++i) sums[0] += row[i] * x[i];
      for (const float sum : sums) y[o] += sum;
    }
    return y;
  }
};

std::optional<Linear> read_linear(const OneLlmTensors& tensors, const std::string& name,
                                  size_t in) {
  const auto* weight = tensors.find(name + ".weight");
  const auto* bias = tensors.find(name + ".bias");
  if (weight == nullptr || bias == nullptr || weight->shape.size() != 2 ||
      bias->shape != Shape{weight->shape[0]} || static_cast<size_t>(weight->shape[1]) != in ||
      !is_floating_point(weight->dtype) || !is_floating_point(bias->dtype))
    return std::nullopt;
  return Linear{formats::to_floats(*weight), formats::to_floats(*bias)};
}

float gelu(float x) { return 0.5f * x * (1 + std::erf(x / std::numbers::sqrt2_v<float>)); }

}  // namespace

std::vector<std::vector<float>> routing_weights(const OneLlmTensors& tensors,
                                                const std::string& key) {
  const auto* learned = tensors.find("resample_tokens." + key);
  if (learned == nullptr || learned->shape.size() != 3 || !is_floating_point(learned->dtype))
    return {};
  const std::vector<float> rows = formats::to_floats(*learned);
  const auto width = static_cast<size_t>(learned->shape[2]);
  const auto fc1 = read_linear(tensors, "routers." + key + ".fc1", width);
  const auto fc2 =
      fc1 ? read_linear(tensors, "routers." + key + ".fc2", fc1->bias.size()) : std::nullopt;
  if (!fc2) return {};
  std::vector<std::vector<float>> weights;
  for (size_t begin = 0; begin + width <= rows.size(); begin += width) {
    std::vector<float> hidden = fc1->apply(std::span(rows).subspan(begin, width));
    for (float& value : hidden) value = gelu(value);
    std::vector<float>& gates = weights.emplace_back(fc2->apply(hidden));
    float sum = 0;
    for (float& gate : gates) sum += gate = 1 / (1 + std::exp(-gate));
    for (float& gate : gates) gate /= sum;
  }
  return weights;
}

}  // namespace isthmus::layout
