#include "training/fresh_start.h"

#include <cmath>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/atomic_file.h"
#include "base/json_view.h"
#include "base/ordered_json.h"
#include "base/rng.h"
#include "families/flamingo/start.h"
#include "families/onellm/start.h"
#include "formats/torch_checkpoint.h"
#include "isthmus/error.h"
#include "layout/llava_folder.h"
#include "layout/model_locator.h"
#include "training/fresh_parts.h"

namespace isthmus::training {
namespace {

namespace fs = std::filesystem;

// How many linear layers "linear" and "mlp2x_gelu" have.
int64_t depth_of(const std::string& projector) {
  if (projector == "linear") return 1;
  if (projector.size() == 10 && projector.starts_with("mlp") && projector.ends_with("x_gelu") &&
      projector[3] >= '2' && projector[3] <= '9')
    return projector[3] - '0';
  throw UsageError(fmt::format(
      "model.fresh.projector \"{}\": expected linear, or mlp2x_gelu to mlp9x_gelu", projector));
}

formats::RawTensor drawn(const std::string& name, Shape shape, int64_t fan_in, double scale,
                         Rng& rng) {
  int64_t count = 1;
  for (const int64_t size : shape) count *= size;
  const double bound = scale / std::sqrt(static_cast<double>(fan_in));
  const auto values = std::make_shared<std::vector<float>>(static_cast<size_t>(count));
  for (float& value : *values) value = static_cast<float>((2 * rng.uniform() - 1) * bound);
  formats::RawTensor tensor;
  tensor.name = name;
  tensor.dtype = DType::kF32;
  tensor.strides = shape.size() == 2 ? Shape{shape[1], 1} : Shape{1};
  tensor.shape = std::move(shape);
  tensor.bytes = std::as_bytes(std::span(*values));
  tensor.owner = values;
  return tensor;
}

void write_llava(const recipe::FreshAligner& aligner, const fs::path& base, const fs::path& vision,
                 uint64_t seed, const fs::path& folder) {
  const int64_t depth = depth_of(aligner.projector);
  const int64_t width = layout::load_tower_config(vision).hidden_size;
  nlohmann::json config = JsonView::load(base / "config.json").raw();
  const int64_t hidden =
      JsonView::of(config, (base / "config.json").string()).positive("hidden_size");
  config.update({{"model_type", "llava_llama"},
                 {"architectures", {"LlavaLlamaForCausalLM"}},
                 {"use_mm_proj", true},
                 {"mm_vision_tower", aligner.tower ? "vision" : fs::absolute(vision).string()},
                 {"mm_hidden_size", width},
                 {"mm_projector_type", aligner.projector},
                 {"mm_vision_select_layer", aligner.select_layer},
                 {"mm_vision_select_feature", aligner.select_feature},
                 {"image_aspect_ratio", aligner.aspect_ratio},
                 {"mm_use_im_start_end", false},
                 {"mm_use_im_patch_token", false}});
  Rng rng(seed);
  std::vector<formats::RawTensor> tensors;
  for (int64_t layer = 0; layer < depth; ++layer) {
    const int64_t in = layer == 0 ? width : hidden;
    // nn.Sequential counts the activations between the layers.
    const std::string prefix =
        depth == 1 ? "model.mm_projector." : fmt::format("model.mm_projector.{}.", 2 * layer);
    const double scale = layer + 1 == depth ? aligner.token_scale : 1;
    tensors.push_back(drawn(prefix + "weight", {hidden, in}, in, scale, rng));
    tensors.push_back(drawn(prefix + "bias", {hidden}, in, scale, rng));
  }
  fs::create_directories(folder);
  formats::write_torch_checkpoint(folder / "mm_projector.bin", tensors);
  write_file(folder / "config.json", config.dump(2) + "\n");
}

template <typename T>
void take(T& option, T given) {
  if (given != 0) option = given;
}

families::flamingo::StartOptions flamingo_options(const recipe::FreshAligner& fresh,
                                                  uint64_t seed) {
  families::flamingo::StartOptions options;
  options.cross_attn_every_n_layers = fresh.cross_attn_every_n_layers;
  take(options.resampler_layers, fresh.resampler_layers);
  take(options.resampler_heads, fresh.resampler_heads);
  take(options.latents, fresh.latents);
  take(options.cross_attention_heads, fresh.cross_attention_heads);
  take(options.feed_forward, fresh.feed_forward);
  options.gate = fresh.gate;
  options.seed = seed;
  return options;
}

families::onellm::StartOptions onellm_options(const recipe::FreshAligner& fresh, uint64_t seed,
                                              const std::string& dtype) {
  families::onellm::StartOptions options;
  options.modalities = fresh.modalities;
  options.experts = fresh.experts;
  take(options.resampler_layers, fresh.resampler_layers);
  options.resampler_width = fresh.resampler_width;
  options.sizes = fresh.sizes;
  options.token_scale = fresh.token_scale;
  options.seed = seed;
  options.dtype = dtype == "reference" || dtype == "stored" ? "bf16" : dtype;
  return options;
}

}  // namespace

void write_fresh(const recipe::Recipe& recipe, uint64_t seed, const fs::path& folder) {
  const recipe::ModelSource& model = recipe.model;
  const recipe::FreshAligner& fresh = *model.fresh;
  const auto locator = layout::ModelLocator::from_environment();
  const fs::path beside = recipe.file.parent_path();
  if (fresh.kind == "language_model") {
    write_language_model(fresh.language_model, seed, folder);
    return;
  }
  if (fresh.kind == "gated_cross_attention") {
    families::flamingo::write_new(model.base, model.vision, flamingo_options(fresh, seed), folder);
    return;
  }
  if (fresh.kind == "universal_projection") {
    const auto options = onellm_options(fresh, seed, recipe.stages.front().dtype);
    if (model.path.empty())
      families::onellm::write_new(locator.find_model(model.base),
                                  locator.find_clip(model.vision, beside, "model.vision", ""),
                                  options, folder);
    else
      families::onellm::write_grown(locator.find_model(model.path), model.base, options, folder);
    return;
  }
  fs::path vision = folder / "vision";
  if (fresh.tower)
    write_vision_tower(*fresh.tower, seed, vision);
  else
    vision = locator.find_piece(model.vision, beside, "model.vision", "");
  write_llava(fresh, locator.find_model(model.base), vision, seed, folder);
}

}  // namespace isthmus::training
