#include "aligners/flamingo_aligner.h"

#include <cmath>
#include <string>

#include <ATen/CPUGeneratorImpl.h>

#include "base/check.h"
#include "nn/dense_matrix.h"

namespace isthmus::aligners {

FlamingoAligner::FlamingoAligner(const layout::FlamingoConfig& config)
    : config_(config),
      resampler_(register_module("resampler", PerceiverResampler(config.resampler))) {
  auto blocks =
      register_module("cross_attention", std::make_shared<torch::nn::Module>("ModuleList"));
  for (int64_t i = 0; i < config.num_blocks; ++i) {
    const int64_t layer = (i + 1) * config.cross_attn_every_n_layers - 1;
    blocks_.push_back(blocks->register_module(
        std::to_string(layer), GatedCrossAttentionBlock(config.cross_attention, layer)));
  }
}

Alignment FlamingoAligner::align(const nn::Features& features, const nn::ForwardContext& context) {
  const Tensor memory = resampler_(features.values.unsqueeze(1), context);
  if (context.probe != nullptr && context.probe->wants("aligner.memory"))
    context.probe->see("aligner.memory", memory);
  return {.tokens = {}, .memory = memory};
}

std::shared_ptr<const nn::MediaMemory> FlamingoAligner::remember(const Tensor& latents) {
  ISTHMUS_CHECK(latents.dim() == 2 && latents.size(1) == config_.vis_dim(),
                "latents must be [num_latents, vis_dim]");
  auto memory = std::make_shared<nn::MediaMemory>();
  memory->latents = latents.clone();  // not a view that keeps the media of a whole call alive
  const int64_t every = config_.cross_attn_every_n_layers;
  memory->layers.resize(static_cast<size_t>(config_.num_blocks * every));
  for (int64_t i = 0; i < config_.num_blocks; ++i) {
    const auto layer = static_cast<size_t>((i + 1) * every - 1);
    const nn::MediaKeyValue read = blocks_[static_cast<size_t>(i)]->project(memory->latents);
    memory->layers[layer] = {read.key.contiguous(), read.value.contiguous()};
  }
  return memory;
}

Tensor FlamingoAligner::before_block(int64_t layer, const Tensor& hidden,
                                     const nn::ForwardContext& context) {
  if (!config_.has_block(layer)) return hidden;
  const int64_t block = (layer + 1) / config_.cross_attn_every_n_layers - 1;
  return blocks_[static_cast<size_t>(block)](hidden, context);
}

void initialise(FlamingoAligner& aligner, uint64_t seed) {
  at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(seed);
  for (const nn::Slot& slot : nn::slots_of(aligner)) {
    Tensor value = torch::empty(slot.shape);
    if (slot.is_matrix()) {
      // kaiming_uniform_ with a = sqrt(5), as torch.nn.Linear resets itself.
      const double bound = 1.0 / std::sqrt(static_cast<double>(slot.shape.back()));
      slot.set_matrix(std::make_shared<nn::DenseMatrix>(value.uniform_(-bound, bound, generator)));
    } else if (slot.name.ends_with("latents") || slot.name.ends_with("_embs")) {
      slot.set_tensor(value.normal_(0, 1, generator));
    } else {
      slot.set_tensor(value.fill_(slot.name.ends_with(".weight") ? 1 : 0));
    }
  }
}

}  // namespace isthmus::aligners
