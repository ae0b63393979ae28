#include "alignment/attention.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>

#include "alignment/dense.h"
#include "base/check.h"

namespace isthmus::alignment {
namespace {

Vector relative_sizes(const Matrix& hidden, int64_t row) {
  const double rms = hidden.row(row).norm() / std::sqrt(static_cast<double>(hidden.cols()));
  if (rms <= 0) return Vector::Zero(hidden.cols());
  return hidden.row(row).cwiseAbs() / rms;
}

Matrix mean_of(std::span<const Rows> heads) {
  ISTHMUS_CHECK(!heads.empty(), "attention without heads");
  Matrix sum = Matrix::Zero(heads[0].rows(), heads[0].cols());
  for (const Rows& head : heads) {
    ISTHMUS_CHECK(head.rows() == sum.rows() && head.cols() == sum.cols(),
                  "heads of one layer are of one shape");
    sum += dense(head);
  }
  return sum / static_cast<double>(heads.size());
}

OwnedRows owned(const Matrix& x) { return {{x.data(), x.data() + x.size()}, x.rows(), x.cols()}; }

void check_range(RowRange range, int64_t rows) {
  ISTHMUS_CHECK(range.begin >= 0 && range.begin < range.end && range.end <= rows,
                "rows outside the sequence");
}

}  // namespace

std::vector<int64_t> sink_dimensions(const Rows& hidden, int64_t count, double tau) {
  const Vector sizes = relative_sizes(dense(hidden.slice(0, 1)), 0);
  std::vector<int64_t> order(static_cast<size_t>(sizes.size()));
  std::iota(order.begin(), order.end(), int64_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](int64_t a, int64_t b) { return sizes(a) > sizes(b); });
  order.resize(static_cast<size_t>(std::min(count, sizes.size())));
  if (order.empty() || sizes(order.front()) < tau) return {};
  std::sort(order.begin(), order.end());
  return order;
}

std::vector<int64_t> sink_rows(const Rows& hidden, RowRange media,
                               std::span<const int64_t> dimensions, double tau) {
  check_range(media, hidden.rows());
  const Matrix rows = dense(hidden.slice(media.begin, media.size()));
  std::vector<int64_t> sinks;
  for (int64_t r = 0; r < rows.rows(); ++r) {
    const Vector sizes = relative_sizes(rows, r);
    if (std::any_of(dimensions.begin(), dimensions.end(),
                    [&](int64_t d) { return sizes(d) >= tau; }))
      sinks.push_back(media.begin + r);
  }
  return sinks;
}

MediaAttention media_attention(std::span<const Rows> heads, RowRange media, RowRange queries,
                               std::span<const int64_t> sinks) {
  MediaAttention result;
  const double count = static_cast<double>(queries.size());
  for (int64_t q = queries.begin; q < queries.end; ++q)
    result.uniform_mass += static_cast<double>(media.size()) / static_cast<double>(q + 1) / count;
  const double most = std::log(static_cast<double>(media.size()));
  for (const Rows& head : heads) {
    check_range(media, head.cols());
    check_range(queries, head.rows());
    double mass = 0, sink_mass = 0, entropy = 0;
    for (int64_t q = queries.begin; q < queries.end; ++q) {
      double of_query = 0, nats = 0;
      for (int64_t j = media.begin; j < media.end; ++j) of_query += head.at(q, j);
      for (int64_t j = media.begin; j < media.end; ++j) {
        const double share = of_query > 0 ? head.at(q, j) / of_query : 0;
        if (share > 0) nats -= share * std::log(share);
      }
      for (const int64_t j : sinks) sink_mass += head.at(q, j) / count;
      mass += of_query / count;
      entropy += most > 0 ? nats / most / count : 0;
    }
    result.mass.push_back(mass);
    result.sink_mass.push_back(sink_mass);
    result.media_mass_without_sinks.push_back(mass - sink_mass);
    result.spatial_entropy.push_back(entropy);
  }
  return result;
}

OwnedRows attention_rollout(std::span<const std::vector<Rows>> layers, double residual) {
  ISTHMUS_CHECK(!layers.empty(), "a rollout of no layer");
  Matrix joined;
  for (const auto& heads : layers) {
    Matrix step = (1 - residual) * mean_of(heads);
    ISTHMUS_CHECK(step.rows() == step.cols(), "attention among the same rows is square");
    step.diagonal().array() += residual;
    joined = joined.size() == 0 ? step : Matrix(step * joined);
  }
  return owned(joined);
}

LatentsToPatches latents_to_patches(std::span<const std::vector<Rows>> resampler,
                                    std::span<const std::vector<Rows>> cross,
                                    std::span<const double> attn_gates, int64_t num_patches) {
  ISTHMUS_CHECK(!resampler.empty() && !cross.empty() && cross.size() == attn_gates.size(),
                "every gated block has a gate");
  Matrix from_patches;  // P; learned latents hold no picture, so it starts at 0
  for (const auto& heads : resampler) {
    const Matrix attention = mean_of(heads);
    const int64_t latents = attention.cols() - num_patches;
    ISTHMUS_CHECK(attention.rows() == latents, "keys are the patches, then the latents");
    if (from_patches.size() == 0) from_patches = Matrix::Zero(latents, num_patches);
    from_patches = 0.5 * from_patches + 0.5 * (attention.leftCols(num_patches) +
                                               attention.rightCols(latents) * from_patches);
  }
  double all_gates = 0;
  for (const double gate : attn_gates) all_gates += std::abs(std::tanh(gate));
  Matrix to_latents = Matrix::Zero(cross[0].at(0).rows(), from_patches.rows());
  for (size_t l = 0; l < cross.size(); ++l) {
    const Matrix attention = mean_of(cross[l]);
    ISTHMUS_CHECK(attention.rows() == to_latents.rows() && attention.cols() == to_latents.cols(),
                  "gated blocks read the same latents");
    // Gates as they start, all closed: nothing of the picture reaches the words.
    if (all_gates > 0) to_latents += std::abs(std::tanh(attn_gates[l])) / all_gates * attention;
  }
  const Vector prior = Vector::Ones(from_patches.rows()) - Vector(from_patches.rowwise().sum());
  return {owned(from_patches), {prior.begin(), prior.end()}, owned(to_latents * from_patches)};
}

}  // namespace isthmus::alignment
