#include "aligners/universal_projection.h"

#include <memory>
#include <utility>

#include "base/check.h"
#include "nn/ops.h"

namespace isthmus::aligners {
namespace {

constexpr double kProjectionNormEps = layout::UniversalEncoderConfig::kLayerNormEps;

// A table with one entry of the same shape for each modality.
template <typename ShapeOf>
nn::ParameterDict table(const std::vector<layout::ModalityConfig>& modalities, ShapeOf shape_of) {
  std::map<std::string, Shape> shapes;
  for (const layout::ModalityConfig& modality : modalities)
    shapes.emplace(modality.key, shape_of(modality));
  return nn::ParameterDict(std::move(shapes));
}

void show(const nn::ForwardContext& context, std::string_view name, const Tensor& value) {
  if (context.probe != nullptr && context.probe->wants(name)) context.probe->see(name, value);
}

}  // namespace

NormedLinearImpl::NormedLinearImpl(int64_t in_features, int64_t out_features)
    : linear_(register_module("0", nn::Linear(in_features, out_features))),
      norm_(register_module("1", nn::LayerNorm(out_features, kProjectionNormEps))) {}

Tensor NormedLinearImpl::forward(const Tensor& x) { return norm_(linear_(x)); }

RouterImpl::RouterImpl(int64_t width, int64_t hidden_size, int64_t num_experts)
    : fc1_(register_module("fc1", nn::Linear(width, hidden_size))),
      fc2_(register_module("fc2", nn::Linear(hidden_size, num_experts))) {}

Tensor RouterImpl::logits(const Tensor& rows) { return fc2_(nn::ops::gelu(fc1_(rows))); }

Tensor RouterImpl::weights(const Tensor& logits) {
  const Tensor gates = torch::sigmoid(logits);
  return gates / gates.sum(-1, /*keepdim=*/true);
}

UniversalProjection::UniversalProjection(const layout::ProjectionConfig& config,
                                         const std::vector<layout::ModalityConfig>& modalities)
    : resample_tokens_(table(modalities,
                             [&](const layout::ModalityConfig& modality) {
                               return Shape{1, modality.resample_tokens, config.width};
                             })),
      start_tag_(table(modalities,
                       [&](const auto&) {
                         return Shape{1, 1, config.hidden_size};
                       })),
      end_tag_(table(modalities, [&](const auto&) {
        return Shape{1, 1, config.hidden_size};
      })) {
  const auto dict = [this](const std::string& name) {
    return register_module(name, std::make_shared<torch::nn::Module>("ModuleDict"));
  };
  auto stacks = dict("experts");
  for (const std::string& expert : config.experts) {
    auto stack = stacks->register_module(expert, std::make_shared<torch::nn::Module>("ModuleList"));
    std::vector<ExpertBlock>& blocks = experts_.emplace_back();
    for (int64_t i = 0; i < config.layers; ++i)
      blocks.push_back(stack->register_module(std::to_string(i), ExpertBlock(config)));
  }
  register_module("resample_tokens", resample_tokens_);
  auto proj1 = dict("clip_proj1"), proj2 = dict("clip_proj2"), routers = dict("routers");
  const auto num_experts = static_cast<int64_t>(config.experts.size());
  for (const layout::ModalityConfig& modality : modalities) {
    const std::string& key = modality.key;
    clip_proj1_.emplace(key, proj1->register_module(key, NormedLinear(config.width, config.width)));
    clip_proj2_.emplace(
        key, proj2->register_module(key, NormedLinear(config.width, config.hidden_size)));
    if (modality.router_hidden > 0)
      routers_.emplace(key, routers->register_module(
                                key, Router(config.width, modality.router_hidden, num_experts)));
  }
  register_module("start_tag", start_tag_);
  register_module("end_tag", end_tag_);
}

Tensor UniversalProjection::router_logits(const std::string& key) {
  const auto router = routers_.find(key);
  if (router == routers_.end()) return {};
  return router->second->logits(resample_tokens_->at(key).squeeze(0));
}

Tensor UniversalProjection::routing(const std::string& key) {
  if (const Tensor logits = router_logits(key); logits.defined())
    return RouterImpl::weights(logits);
  const auto count = static_cast<int64_t>(experts_.size());
  return torch::full({resample_tokens_->at(key).size(1), count}, 1.0 / static_cast<double>(count));
}

// [items, rows of z, width] -> [items, experts, rows, width]. What the last block would make of the
// other rows is used by nobody.
Tensor UniversalProjection::experts(const Tensor& z, int64_t rows,
                                    const nn::ForwardContext& context) {
  std::vector<Tensor> results;
  for (std::vector<ExpertBlock>& blocks : experts_) {
    Tensor x = z;
    for (size_t i = 0; i < blocks.size(); ++i) {
      x = blocks[i](x, i + 1 < blocks.size() ? x.size(1) : rows);
      nn::between_blocks(context.probe);
    }
    results.push_back(x);
  }
  return torch::stack(results, 1);
}

Alignment UniversalProjection::align(const nn::Features& features,
                                     const nn::ForwardContext& context) {
  const std::string& key = features.modality;
  const int64_t items = features.values.size(0);
  const Tensor h = clip_proj1_.at(key)(features.values);
  show(context, "aligner.proj1", h);
  const Tensor& learned = resample_tokens_->at(key);
  const int64_t rows = learned.size(1);
  const Tensor z = torch::cat({learned.expand({items, -1, -1}), h}, 1);
  const Tensor expert_rows = experts(z, rows, context);
  show(context, "aligner.experts", expert_rows);
  // [R, experts] -> [experts, R, 1]
  const Tensor mixed = (expert_rows * routing(key).transpose(0, 1).unsqueeze(-1)).sum(1);
  show(context, "aligner.mixed", mixed);
  const Tensor tokens = clip_proj2_.at(key)(mixed);
  show(context, "aligner.modality_tokens", tokens);
  const auto tag = [&](const nn::ParameterDict& table) {
    return table->at(key).expand({items, -1, -1});
  };
  return {.tokens = torch::cat({tag(start_tag_), tokens, tag(end_tag_)}, 1), .memory = {}};
}

}  // namespace isthmus::aligners
