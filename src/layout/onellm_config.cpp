#include "layout/onellm_config.h"

#include <algorithm>
#include <optional>
#include <set>

#include <fmt/format.h>

#include "isthmus/error.h"
#include "layout/config_checks.h"
#include "layout/onellm_modalities.h"

namespace isthmus::layout {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kLlamaHeadDim = 128, kClipHeadDim = 64;
constexpr int64_t kResamplerHeads = 16;  // model/LLM/onellm.py

// The first file that speaks of a model of this width. A folder of configs holds one for each size.
std::optional<JsonView> find_params(std::span<const fs::path> files, int64_t dim) {
  std::optional<JsonView> other;
  for (const fs::path& file : files) {
    const JsonView json = JsonView::load(file);
    if (!json.is_object() || !json.contains("dim")) continue;
    if (json.positive("dim") == dim) return json;
    if (!other) other = json;
  }
  if (other)
    other->at("dim").fail(fmt::format(
        "is {}, but the checkpoint's embedding is {} wide. Are these the params of another size?",
        other->positive("dim"), dim));
  return std::nullopt;
}

int64_t head_count(const OneLlmTensors& tensors, const std::optional<JsonView>& params,
                   int64_t dim) {
  if (params && params->contains("n_heads")) {
    const int64_t heads = bounded(*params, "n_heads", kMaxHeads);
    params->require(dim % heads == 0 && dim / heads % 2 == 0, "n_heads",
                    fmt::format("{} heads do not share a width of {}", heads, dim));
    return heads;
  }
  if (dim % kLlamaHeadDim == 0) return dim / kLlamaHeadDim;
  throw ModelError(fmt::format(
      "{}: a language model {} wide has no heads of {}; put its params.json (dim, n_heads, "
      "norm_eps) beside the weights",
      tensors.files(), dim, kLlamaHeadDim));
}

LlamaConfig read_language(const OneLlmTensors& tensors, std::span<const fs::path> files) {
  const Shape& embedding = tensors.shape("tok_embeddings.weight", 2);
  const auto params = find_params(files, embedding[1]);
  LlamaConfig c{};
  c.vocab_size = embedding[0];
  c.hidden_size = embedding[1];
  c.intermediate_size = tensors.shape("layers.0.feed_forward.w1.weight", 2)[0];
  c.num_hidden_layers = tensors.count("layers.");
  c.num_attention_heads = head_count(tensors, params, c.hidden_size);
  c.head_dim = c.hidden_size / c.num_attention_heads;
  c.num_key_value_heads = tensors.shape("layers.0.attention.wk.weight", 2)[0] / c.head_dim;
  if (c.num_key_value_heads < 1 || c.num_attention_heads % c.num_key_value_heads != 0)
    throw ModelError(fmt::format(
        "{}: layers.0.attention.wk.weight has {} rows, which are no whole number of heads of {}",
        tensors.files(), tensors.at("layers.0.attention.wk.weight").shape[0], c.head_dim));
  c.rms_norm_eps = params ? norm_epsilon(*params, "norm_eps", 1e-5) : 1e-5;
  c.rope_theta = params ? above_zero(*params, "rope_theta", 10000.0) : 10000.0;
  c.max_position_embeddings = params ? bounded(*params, "max_seq_len", kMaxPositions, 2048) : 2048;
  c.rope_layout = RopeLayout::kPairs;
  c.rope_scaling = RopeScaling::kNone;
  c.rope_factor = 1;
  if (params && params->contains("n_layers"))
    params->require(params->positive("n_layers") == c.num_hidden_layers, "n_layers",
                    fmt::format("is {}, the checkpoint has {} layers", params->positive("n_layers"),
                                c.num_hidden_layers));
  return c;
}

UniversalEncoderConfig read_encoder(const OneLlmTensors& tensors, const OneLlmOptions& options) {
  const std::string clip = "clip.visual.", blocks = clip + "transformer.resblocks.";
  UniversalEncoderConfig c{};
  c.width = tensors.shape(clip + "class_embedding", 1)[0];
  c.layers = tensors.count(blocks);
  c.intermediate_size = tensors.shape(blocks + "0.mlp.c_fc.weight", 2)[0];
  c.patch_size = tensors.shape(clip + "conv1.weight", 4)[3];
  const int64_t patches = tensors.shape(clip + "positional_embedding", 2)[0] - 1;
  int64_t side = 1;
  while ((side + 1) * (side + 1) <= patches) ++side;
  if (side * side != patches)
    throw ModelError(
        fmt::format("{}: clip.visual.positional_embedding has {} rows, which is no "
                    "square of patches and a class token",
                    tensors.files(), patches + 1));
  c.image_size = side * c.patch_size;
  c.heads = options.number("clip_heads", std::max<int64_t>(c.width / kClipHeadDim, 1));
  options.require(c.width % c.heads == 0, "clip_heads",
                  fmt::format("{} heads do not share a width of {}", c.heads, c.width));
  options.expect("image_size", c.image_size, tensors.files());
  options.expect("patch_size", c.patch_size, tensors.files());
  return c;
}

ProjectionConfig read_projection(const OneLlmTensors& tensors, const OneLlmOptions& options,
                                 const UniversalEncoderConfig& encoder,
                                 const LlamaConfig& language) {
  const std::string stacks = "resample_layers.";
  ProjectionConfig c{};
  c.width = encoder.width;
  c.hidden_size = language.hidden_size;
  c.experts = tensors.children(stacks);
  if (c.experts.empty())
    throw ModelError(fmt::format("{}: {}resample_layers.0 is missing: there is no projection",
                                 tensors.files(), kOneLlmPrefix));
  std::set<int64_t> depths;
  for (const std::string& expert : c.experts) depths.insert(tensors.count(stacks + expert + "."));
  c.layers = *depths.rbegin();
  c.intermediate_size =
      tensors.shape(fmt::format("{}{}.0.feed_forward.w1.weight", stacks, c.experts.front()), 2)[0];
  c.heads = options.number("resampler_heads", kResamplerHeads);
  options.require(c.width % c.heads == 0, "resampler_heads",
                  fmt::format("{} heads do not share a width of {}", c.heads, c.width));
  c.rms_norm_eps = language.rms_norm_eps;
  options.expect("num_experts", static_cast<int64_t>(c.experts.size()), tensors.files());
  options.expect("resampler_layers", c.layers, tensors.files());
  return c;
}

ClipLeftovers read_leftovers(const OneLlmTensors& tensors) {
  ClipLeftovers left;
  const auto has = [&](const char* name, size_t dimensions) {
    const auto* tensor = tensors.find(name);
    return tensor != nullptr && tensor->shape.size() == dimensions;
  };
  if (has("clip.token_embedding.weight", 2)) {
    left.vocab_size = tensors.at("clip.token_embedding.weight").shape[0];
    left.width = tensors.at("clip.token_embedding.weight").shape[1];
  }
  if (has("clip.positional_embedding", 2))
    left.positions = tensors.at("clip.positional_embedding").shape[0];
  if (has("clip.visual.proj", 2)) left.embed_dim = tensors.at("clip.visual.proj").shape[1];
  return left;
}

}  // namespace

OneLlmConfig read_onellm_config(const OneLlmTensors& tensors, const OneLlmConfigFiles& files) {
  const OneLlmOptions options(files.options);
  OneLlmConfig config{};
  config.language = read_language(tensors, files.params);
  config.language.max_position_embeddings =
      options.number("max_seq_len", config.language.max_position_embeddings);
  if (tensors.children("resample_tokens.").empty() && tensors.children("clip.").empty())
    return config;
  config.encoder = read_encoder(tensors, options);
  config.projection = read_projection(tensors, options, config.encoder, config.language);
  config.modalities = read_modalities(tensors, options, config.encoder);
  config.leftovers = read_leftovers(tensors);
  if (const auto offset = options.find("decode_offset_ignores_tags"))
    config.decode_offset_ignores_tags = offset->as_boolean();
  return config;
}

}  // namespace isthmus::layout
