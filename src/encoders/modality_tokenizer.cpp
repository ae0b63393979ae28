#include "encoders/modality_tokenizer.h"

#include <algorithm>
#include <span>

#include "base/check.h"
#include "modalities/point_cloud.h"

namespace isthmus::encoders {
namespace {

using layout::TokenizerKind;

int64_t piece_size(const layout::ModalityConfig& config) {
  int64_t size = config.channels;
  if (config.tokenizer == TokenizerKind::kPatchConv)
    for (const int64_t extent : config.kernel) size *= extent;
  return size;
}

}  // namespace

ModalityTokenizerImpl::ModalityTokenizerImpl(const layout::ModalityConfig& config, int64_t width)
    : LinearImpl(piece_size(config),
                 config.tokenizer == TokenizerKind::kLinear ? config.num_tokens * width : width,
                 config.bias),
      config_(config),
      width_(width) {}

Tensor ModalityTokenizerImpl::forward(const Tensor& input) {
  switch (config_.tokenizer) {
    case TokenizerKind::kPatchConv: return LinearImpl::forward(patches(input));
    case TokenizerKind::kLinear:
      return LinearImpl::forward(input.flatten(1))
          .unflatten(-1, {width_, config_.num_tokens})
          .transpose(1, 2);
    case TokenizerKind::kPointGroups: {
      std::vector<Tensor> clouds;
      for (const Tensor& points : input.unbind(0)) clouds.push_back(largest_of_groups(points));
      return torch::stack(clouds);
    }
    case TokenizerKind::kVisionPatches: break;
  }
  fail_check("a tokenizer of its own", __FILE__, __LINE__, config_.key);
}

// [n, channels, window…] -> [n, tokens, channels · kernel]
Tensor ModalityTokenizerImpl::patches(const Tensor& input) const {
  const auto dimensions = static_cast<int64_t>(config_.kernel.size());
  Tensor pieces = input;
  for (int64_t d = 0; d < dimensions; ++d)
    pieces = pieces.unfold(2 + d, config_.kernel[static_cast<size_t>(d)],
                           config_.stride[static_cast<size_t>(d)]);
  // [n, channels, places…, kernel…]: the channels move between places and kernel.
  pieces = pieces.movedim(1, dimensions + 1);
  return pieces.flatten(dimensions + 1).flatten(1, dimensions);
}

// [points, channels] -> [num_tokens, width]. The map of a point does not depend on its group, so
// it is applied once to every point.
Tensor ModalityTokenizerImpl::largest_of_groups(const Tensor& points) {
  const Tensor rows = points.detach().contiguous();
  const modalities::PointGroupingConfig grouping{config_.num_tokens, config_.group_size,
                                                 config_.metric};
  const modalities::PointGroups groups = modalities::group_points(
      std::span(rows.data_ptr<float>(), static_cast<size_t>(rows.numel())), grouping);
  const Tensor members = torch::tensor(at::ArrayRef<int32_t>(groups.members)).to(torch::kInt64);
  const Tensor mapped = LinearImpl::forward(points);
  constexpr int64_t kGroupsAtOnce = 64;  // 8 MB of gathered rows
  std::vector<Tensor> tokens;
  for (int64_t begin = 0; begin < config_.num_tokens; begin += kGroupsAtOnce) {
    const int64_t count = std::min(kGroupsAtOnce, config_.num_tokens - begin);
    const Tensor gathered = mapped
                                .index_select(0, members.narrow(0, begin * config_.group_size,
                                                                count * config_.group_size))
                                .unflatten(0, {count, config_.group_size});
    tokens.push_back(std::get<0>(gathered.max(1)));
  }
  return torch::cat(tokens, 0);
}

std::vector<nn::Slot> ModalityTokenizerImpl::slots() {
  Shape published = {out_features(), config_.channels};
  if (config_.tokenizer == TokenizerKind::kPatchConv)
    published.insert(published.end(), config_.kernel.begin(), config_.kernel.end());
  if (config_.tokenizer == TokenizerKind::kPointGroups) published.insert(published.end(), {1, 1});
  std::vector<nn::Slot> slots = LinearImpl::slots();
  slots.front() = weight_slot(std::move(published));
  slots.push_back(
      tensor_slot("positional_embedding", positional_embedding_, {config_.num_tokens + 1, width_}));
  return slots;
}

}  // namespace isthmus::encoders
