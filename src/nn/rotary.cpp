#include "nn/rotary.h"

#include <cmath>

#include "base/check.h"

namespace isthmus::nn {

Rotary::Rotary(const layout::LlamaConfig& config)
    : head_dim_(config.head_dim),
      max_position_embeddings_(config.max_position_embeddings),
      theta_(config.rope_theta),
      factor_(config.rope_factor),
      scaling_(config.rope_scaling),
      inverse_frequencies_(inverse_frequencies(config.rope_theta)) {
  ISTHMUS_CHECK(head_dim_ % 2 == 0, "rotary angles need an even head_dim");
}

Tensor Rotary::inverse_frequencies(double theta) const {
  Tensor out = torch::empty({head_dim_ / 2}, torch::kFloat);
  for (int64_t i = 0; i < head_dim_ / 2; ++i) {
    const double exponent = static_cast<double>(2 * i) / static_cast<double>(head_dim_);
    out.data_ptr<float>()[i] = static_cast<float>(1.0 / std::pow(theta, exponent));
  }
  return out;
}

RotaryAngles Rotary::angles(const Tensor& positions, int64_t total_length) const {
  Tensor scaled = positions.to(torch::kFloat);
  Tensor frequencies = inverse_frequencies_;
  if (scaling_ == layout::RopeScaling::kLinear) {
    scaled = scaled / factor_;
  } else if (scaling_ == layout::RopeScaling::kDynamic && total_length > max_position_embeddings_) {
    // The base grows with the sequence, so keys cached earlier were rotated with a smaller one; the
    // reference (transformers 4.37, LlamaDynamicNTKScalingRotaryEmbedding) leaves them so. Unlike
    // there, a long sequence does not change the angles of the next short one.
    const double ratio =
        static_cast<double>(total_length) / static_cast<double>(max_position_embeddings_);
    const double dim = static_cast<double>(head_dim_);
    frequencies = inverse_frequencies(
        theta_ * std::pow(factor_ * ratio - (factor_ - 1.0), dim / (dim - 2.0)));
  }
  const Tensor angle = scaled.unsqueeze(-1) * frequencies;
  return {angle.cos(), angle.sin()};
}

}  // namespace isthmus::nn
