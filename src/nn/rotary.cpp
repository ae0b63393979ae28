#include "nn/rotary.h"

#include <cmath>

#include "base/check.h"

namespace isthmus::nn {

Rotary::Rotary(const RotaryOptions& options)
    : options_(options) {
  ISTHMUS_CHECK(options.dims > 0 && options.dims % 2 == 0, "an even number of elements is rotated");
  ISTHMUS_CHECK(options.frequency_factors.empty() ||
                    static_cast<int64_t>(options.frequency_factors.size()) == options.dims / 2,
                "a factor for each frequency");
  inverse_frequencies_ = inverse_frequencies(options.theta);
}

Tensor Rotary::inverse_frequencies(double theta) const {
  Tensor out = torch::empty({options_.dims / 2}, torch::kFloat);
  for (int64_t i = 0; i < options_.dims / 2; ++i) {
    const double exponent = static_cast<double>(2 * i) / static_cast<double>(options_.dims);
    const auto& factors = options_.frequency_factors;
    const double factor = factors.empty() ? 1.0 : factors[static_cast<size_t>(i)];
    out.data_ptr<float>()[i] = static_cast<float>(1.0 / (std::pow(theta, exponent) * factor));
  }
  return out;
}

RotaryAngles Rotary::angles(const Tensor& positions, int64_t total_length) const {
  Tensor scaled = positions.to(torch::kFloat);
  Tensor frequencies = inverse_frequencies_;
  const double factor = options_.factor;
  if (options_.scaling == layout::RopeScaling::kLinear) {
    scaled = scaled / factor;
  } else if (options_.scaling == layout::RopeScaling::kDynamic &&
             total_length > options_.max_position_embeddings) {
    // The base grows with the sequence, so keys cached earlier were rotated with a smaller one; the
    // reference (transformers 4.37, LlamaDynamicNTKScalingRotaryEmbedding) leaves them so. Unlike
    // there, a long sequence does not change the angles of the next short one.
    const double ratio =
        static_cast<double>(total_length) / static_cast<double>(options_.max_position_embeddings);
    const double dim = static_cast<double>(options_.dims);
    frequencies = inverse_frequencies(
        options_.theta * std::pow(factor * ratio - (factor - 1.0), dim / (dim - 2.0)));
  }
  const Tensor angle = scaled.unsqueeze(-1) * frequencies;
  return {angle.cos(), angle.sin()};
}

}  // namespace isthmus::nn
