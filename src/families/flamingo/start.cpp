#include "families/flamingo/start.h"

#include <cmath>
#include <memory>
#include <utility>

#include "families/flamingo/load.h"
#include "families/flamingo/save.h"
#include "isthmus/error.h"
#include "layout/flamingo_model.h"
#include "layout/model_locator.h"
#include "nn/slots.h"

namespace isthmus::families::flamingo {

void write_new(const std::string& base, const std::string& vision, const StartOptions& options,
               const std::filesystem::path& folder) {
  for (const int64_t size :
       {options.cross_attn_every_n_layers, options.resampler_layers, options.resampler_heads,
        options.latents, options.cross_attention_heads, options.feed_forward})
    if (size < 1) throw UsageError("model.fresh: sizes of an aligner are above 0");
  const auto locator = layout::ModelLocator::from_environment();
  layout::FlamingoSources sources = layout::assemble_flamingo(
      {vision, base, "", "", options.cross_attn_every_n_layers}, locator);
  layout::FlamingoModel model = layout::FlamingoModel::open(std::move(sources));
  layout::FlamingoConfig& config = model.config;
  config.resampler.depth = options.resampler_layers;
  config.resampler.heads = options.resampler_heads;
  config.resampler.num_latents = options.latents;
  config.resampler.intermediate_size = options.feed_forward * config.resampler.dim;
  config.cross_attention.heads = options.cross_attention_heads;
  config.cross_attention.intermediate_size = options.feed_forward * config.cross_attention.lang_dim;

  const auto modules = bind(model, {}, options.seed);
  for (const nn::Slot& slot : nn::slots_of(*modules->aligner))
    if (slot.name.ends_with("attn_gate") || slot.name.ends_with("ff_gate"))
      slot.set_tensor(torch::full(slot.shape, options.gate));
  const auto weights = weight_sources(model);
  save(*modules, model, weights, folder, {});
}

}  // namespace isthmus::families::flamingo
