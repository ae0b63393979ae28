#include "layout/gguf_config.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/dtype.h"
#include "formats/bytes.h"
#include "isthmus/error.h"
#include "layout/config_checks.h"
#include "layout/gguf_keys.h"

namespace isthmus::layout {

namespace {

using formats::GgufFile;
using nlohmann::json;

// What the keys of every language model have in common.
struct Common {
  explicit Common(const GgufKeys& keys)
      : hidden_size(keys.size("embedding_length", kMaxWidth)),
        intermediate_size(keys.size("feed_forward_length", kMaxWidth)),
        num_hidden_layers(keys.size("block_count", kMaxLayers)),
        num_attention_heads(keys.size("attention.head_count", kMaxHeads)),
        context_length(keys.size("context_length", kMaxPositions)),
        vocab_size(keys.shape_of("token_embd.weight", 2).front()) {
    if (const int64_t width = keys.shape_of("token_embd.weight", 2).back(); width != hidden_size)
      keys.fail("embedding_length",
                fmt::format("{}, but token_embd.weight has rows of {}", hidden_size, width));
    require_blocks(keys);
    if (vocab_size < 1 || vocab_size > kMaxVocabulary)
      throw ModelError(fmt::format("{}: token_embd.weight has {} rows, expected 1 to {}",
                                   keys.file().path(), vocab_size, kMaxVocabulary));
    if (keys.size("expert_count", kMaxWidth, 1) > 1)
      keys.unsupported("expert_count", "mixtures of experts are not supported");
  }
  // Heads share the width evenly.
  int64_t head_dim(const GgufKeys& keys) const {
    if (hidden_size % num_attention_heads != 0)
      keys.fail("attention.head_count",
                fmt::format("{} does not divide {} ({})", num_attention_heads,
                            keys.key("embedding_length"), hidden_size));
    return hidden_size / num_attention_heads;
  }

  // Thousands of blocks that are not there would each be missed nine times.
  void require_blocks(const GgufKeys& keys) const {
    int64_t found = 0;
    while (found <= num_hidden_layers &&
           keys.file().find(fmt::format("blk.{}.attn_norm.weight", found)) != nullptr)
      ++found;
    if (found == num_hidden_layers) return;
    keys.fail("block_count", fmt::format("{}, but blk.{}.attn_norm.weight is {}", num_hidden_layers,
                                         found < num_hidden_layers ? found : num_hidden_layers,
                                         found < num_hidden_layers ? "missing" : "there"));
  }

  int64_t hidden_size, intermediate_size, num_hidden_layers, num_attention_heads, context_length,
      vocab_size;
};

// Keys that bend the rotation and are not followed.
void refuse_scaled_rope(const GgufKeys& keys) {
  const std::string type = keys.text("rope.scaling.type", "linear");
  if (type != "none" && type != "linear")
    keys.unsupported("rope.scaling.type",
                     fmt::format("\"{}\" is not supported (none and linear are)", type));
  if (keys.number("rope.scaling.attn_factor", 1) != 1)
    keys.unsupported("rope.scaling.attn_factor", "only 1 is supported");
  for (const char* tensor : {"rope_factors_long.weight", "rope_factors_short.weight"})
    if (keys.file().find(tensor) != nullptr)
      throw UnsupportedError(
          fmt::format("{}: {}: frequencies for two lengths of text (longrope) "
                      "are not supported",
                      keys.file().path(), tensor));
}

// What positions are divided by. As llama.cpp: a factor without a type is linear, and 0 is none.
double linear_factor(const GgufKeys& keys) {
  if (keys.text("rope.scaling.type", "linear") != "linear") return 1;
  // Files of 2023 spell it otherwise.
  const double factor = keys.number("rope.scaling.factor", keys.number("rope.scale_linear", 1));
  if (factor == 0) return 1;
  if (factor < 1) keys.fail("rope.scaling.factor", fmt::format("{}, expected at least 1", factor));
  return factor;
}

double epsilon(const GgufKeys& keys, std::string_view name) {
  const double value = keys.number(name);
  if (value <= 0 || value >= 1)
    keys.fail(name, fmt::format("{}, expected a number in (0, 1)", value));
  return value;
}

// What LLaMA 3.1 and later divide frequencies by: one number for each, as llama.cpp's converter
// makes them of rope_scaling.
json frequency_factors(const GgufFile& file, int64_t head_dim) {
  const formats::RawTensor* tensor = file.find(kGgufRopeFactors);
  if (tensor->shape != Shape{head_dim / 2} || tensor->dtype != DType::kF32 || tensor->blocks)
    throw ModelError(fmt::format(
        "{}: {} is {} of {}, expected float32 of [{}] (half a head)", file.path(), kGgufRopeFactors,
        tensor->blocks ? formats::block_of(*tensor->blocks).name : name_of(tensor->dtype),
        isthmus::to_string(tensor->shape), head_dim / 2));
  const std::vector<float> factors = formats::to_floats(*tensor);
  for (const float factor : factors)
    if (!(factor > 0 && std::isfinite(factor)))
      throw ModelError(fmt::format("{}: {} holds {}, expected numbers above 0", file.path(),
                                   kGgufRopeFactors, factor));
  return factors;
}

// Mistral 3 is LLaMA under a name of its own; Ministral 3 scales with the position, too.
json llama(const GgufFile& file) {
  const GgufKeys keys(file, file.text("general.architecture"));
  if (keys.number("attention.temperature_scale", 0) != 0)
    keys.unsupported("attention.temperature_scale", "attention that is scaled by the position");
  const Common c(keys);
  const int64_t kv_heads = keys.size("attention.head_count_kv", kMaxHeads, c.num_attention_heads);
  if (c.num_attention_heads % kv_heads != 0)
    keys.fail("attention.head_count_kv",
              fmt::format("{} does not divide {} ({})", kv_heads, keys.key("attention.head_count"),
                          c.num_attention_heads));
  const int64_t head_dim = keys.has("attention.key_length")
                               ? keys.size("attention.key_length", kMaxWidth)
                               : c.head_dim(keys);
  if (keys.size("attention.value_length", kMaxWidth, head_dim) != head_dim)
    keys.unsupported("attention.value_length", "values of another width than keys");
  if (head_dim % 2 != 0 || c.num_attention_heads > kMaxWidth / head_dim)
    keys.fail("attention.head_count", fmt::format("{} heads of {} values: no such model exists",
                                                  c.num_attention_heads, head_dim));
  if (keys.size("rope.dimension_count", kMaxWidth, head_dim) != head_dim)
    keys.unsupported("rope.dimension_count",
                     fmt::format("only whole heads of {} values are rotated", head_dim));
  refuse_scaled_rope(keys);
  const double theta = keys.number("rope.freq_base", 10000);
  if (theta <= 0) keys.fail("rope.freq_base", "expected a number above 0");
  json config = {{"model_type", "llama"},
                 {"hidden_size", c.hidden_size},
                 {"intermediate_size", c.intermediate_size},
                 {"num_hidden_layers", c.num_hidden_layers},
                 {"num_attention_heads", c.num_attention_heads},
                 {"num_key_value_heads", kv_heads},
                 {"head_dim", head_dim},
                 {"vocab_size", c.vocab_size},
                 {"max_position_embeddings", c.context_length},
                 {"max_sequence_length", c.context_length},
                 {"rms_norm_eps", epsilon(keys, "attention.layer_norm_rms_epsilon")},
                 {"rope_theta", theta},
                 // The converter reorders the rows of queries and keys for it.
                 {"rope_layout", "pairs"},
                 {"attention_bias", file.find("blk.0.attn_q.bias") != nullptr},
                 {"tie_word_embeddings", file.find("output.weight") == nullptr}};
  if (const double factor = linear_factor(keys); factor != 1)
    config["rope_scaling"] = {{"type", "linear"}, {"factor", factor}};
  if (file.find(kGgufRopeFactors) != nullptr)
    config["rope_frequency_factors"] = frequency_factors(file, head_dim);
  // llama.cpp has one architecture for both; a window is Mistral's.
  if (keys.has("attention.sliding_window")) {
    config["model_type"] = "mistral";
    config["sliding_window"] = keys.size("attention.sliding_window", kMaxPositions);
  }
  return config;
}

json gpt_neox(const GgufFile& file) {
  const GgufKeys keys(file, "gptneox");
  const Common c(keys);
  const int64_t head_dim = c.head_dim(keys);
  const int64_t rotated = keys.size("rope.dimension_count", kMaxWidth, head_dim);
  if (rotated > head_dim || rotated % 2 != 0)
    keys.fail("rope.dimension_count",
              fmt::format("{}, expected an even number up to {}", rotated, head_dim));
  refuse_scaled_rope(keys);
  if (file.find(kGgufRopeFactors) != nullptr)
    throw UnsupportedError(
        fmt::format("{}: {}: frequencies of its own are not supported in GPT-NeoX", file.path(),
                    kGgufRopeFactors));
  if (linear_factor(keys) != 1)
    keys.unsupported("rope.scaling.factor", "scaled rotary angles are not supported in GPT-NeoX");
  // A fraction in the middle between two counts: no rounding can lead to another one.
  const double fraction =
      rotated == head_dim ? 1
                          : (static_cast<double>(rotated) + 0.5) / static_cast<double>(head_dim);
  return {{"model_type", "gpt_neox"},
          {"hidden_size", c.hidden_size},
          {"intermediate_size", c.intermediate_size},
          {"num_hidden_layers", c.num_hidden_layers},
          {"num_attention_heads", c.num_attention_heads},
          {"vocab_size", c.vocab_size},
          {"max_position_embeddings", c.context_length},
          {"layer_norm_eps", epsilon(keys, "attention.layer_norm_epsilon")},
          {"use_parallel_residual", keys.flag("use_parallel_residual")},
          {"rotary_pct", fraction},
          {"rotary_emb_base", keys.number("rope.freq_base", 10000)},
          {"qkv_layout", "by_kind"},
          {"tie_word_embeddings", file.find("output.weight") == nullptr}};
}

json mpt(const GgufFile& file) {
  const GgufKeys keys(file, "mpt");
  const Common c(keys);
  c.head_dim(keys);
  if (c.intermediate_size != 4 * c.hidden_size)
    keys.unsupported("feed_forward_length", fmt::format("{}, only four times {} is supported",
                                                        c.intermediate_size, c.hidden_size));
  if (keys.size("attention.head_count_kv", kMaxHeads, c.num_attention_heads) !=
      c.num_attention_heads)
    keys.unsupported("attention.head_count_kv", "grouped keys are not supported in MPT");
  const double alibi = keys.number("attention.max_alibi_bias", 0);
  if (alibi != static_cast<double>(static_cast<int64_t>(alibi)))
    keys.unsupported("attention.max_alibi_bias", fmt::format("{} is no whole number", alibi));
  json attention = {{"alibi", alibi > 0},
                    {"qk_ln", file.find("blk.0.attn_q_norm.weight") != nullptr}};
  if (alibi > 0) attention["alibi_bias_max"] = static_cast<int64_t>(alibi);
  if (const double clip = keys.number("attention.clamp_kqv", 0); clip > 0)
    attention["clip_qkv"] = clip;
  return {{"model_type", "mpt"},
          {"d_model", c.hidden_size},
          {"n_layers", c.num_hidden_layers},
          {"n_heads", c.num_attention_heads},
          {"vocab_size", c.vocab_size},
          {"max_seq_len", c.context_length},
          {"layer_norm_epsilon", epsilon(keys, "attention.layer_norm_epsilon")},
          {"no_bias", file.find("blk.0.attn_norm.bias") == nullptr},
          {"attn_config", std::move(attention)},
          {"tie_word_embeddings", file.find("output.weight") == nullptr}};
}

struct Architecture {
  std::string_view name;
  json (*config)(const GgufFile& file);
};
constexpr Architecture kArchitectures[] = {
    {"llama", llama}, {"mistral3", llama}, {"gptneox", gpt_neox}, {"mpt", mpt}};

// Linear layers of the projector stand at mm.0, mm.2, … with GELU between them.
std::string projector_type(const GgufFile& file) {
  const std::string type = file.has("clip.vision.projector_type")
                               ? file.text("clip.vision.projector_type")
                           : file.has("clip.projector_type") ? file.text("clip.projector_type")
                                                             : "mlp";
  if (type != "mlp" && type != "linear")
    throw UnsupportedError(
        fmt::format("{}: clip.projector_type: \"{}\" is not supported (mlp and linear are)",
                    file.path(), formats::printable(type)));
  if (file.find("mm.1.weight") != nullptr)
    throw UnsupportedError(
        fmt::format("{}: mm.1.weight: norms in the projector are not supported", file.path()));
  int depth = 0;
  while (file.find(fmt::format("mm.{}.weight", 2 * depth)) != nullptr) ++depth;
  if (depth == 0)
    throw ModelError(fmt::format("{}: the tensor mm.0.weight is missing", file.path()));
  return depth == 1 ? "linear" : fmt::format("mlp{}x_gelu", depth);
}

// Behind which block the features are taken. A file that does not say ends with it, as the first
// converter leaves out what is behind.
int64_t feature_layer(const GgufKeys& keys, int64_t layers) {
  if (!keys.has("feature_layer")) return layers;
  const auto& chosen = keys.file().integers(keys.key("feature_layer"));
  if (chosen.size() != 1)
    keys.unsupported("feature_layer", "features of several layers are not supported");
  if (chosen.front() < 0 || chosen.front() > layers)
    keys.fail("feature_layer", fmt::format("{}, expected 0 to {} ({})", chosen.front(), layers,
                                           keys.key("block_count")));
  return chosen.front();
}

// Three numbers; LLaVA's own where the file has none.
json channels(const GgufKeys& keys, std::string_view name, const std::vector<double>& otherwise) {
  const auto& values = keys.has(name) ? keys.file().numbers(keys.key(name)) : otherwise;
  if (values.size() != 3) keys.fail(name, fmt::format("{} numbers, expected 3", values.size()));
  return values;
}

const char* activation(const GgufFile& file) {
  const bool gelu = file.flag("clip.use_gelu", false), silu = file.flag("clip.use_silu", false);
  if (gelu && silu)
    throw ModelError(fmt::format("{}: clip.use_gelu and clip.use_silu are both true", file.path()));
  return gelu ? "gelu" : silu ? "silu" : "quick_gelu";
}

json grid(const GgufKeys& keys) {
  const auto& flat = keys.file().integers(keys.key("image_grid_pinpoints"));
  if (flat.empty() || flat.size() % 2 != 0)
    keys.fail("image_grid_pinpoints", fmt::format("{} numbers, expected pairs", flat.size()));
  json pairs = json::array();
  for (size_t i = 0; i < flat.size(); i += 2) pairs.push_back({flat[i], flat[i + 1]});
  return pairs;
}

}  // namespace

json gguf_language_config(const GgufFile& file) {
  if (file.integer("split.count", 1) > 1)
    throw UnsupportedError(
        fmt::format("{}: split.count: one of {} parts; join them with llama-gguf-split --merge",
                    file.path(), file.integer("split.count")));
  const std::string& name = file.text("general.architecture");
  std::string known;
  for (const Architecture& architecture : kArchitectures) {
    if (architecture.name == name) return architecture.config(file);
    known += fmt::format("{}{}", known.empty() ? "" : ", ", architecture.name);
  }
  throw UnsupportedError(fmt::format("{}: general.architecture: \"{}\" is not supported ({} are)",
                                     file.path(), formats::printable(name), known));
}

bool has_swapped_feed_forward(const GgufFile& projector) {
  const formats::RawTensor* down = projector.find("v.blk.0.ffn_down.weight");
  return down != nullptr && down->shape.size() == 2 &&
         down->shape.back() == projector.integer("clip.vision.embedding_length");
}

GgufVision gguf_vision_config(const GgufFile& file) {
  if (!file.flag("clip.has_vision_encoder", true))
    throw UnsupportedError(fmt::format(
        "{}: clip.has_vision_encoder: false; only pictures are supported", file.path()));
  const GgufKeys keys(file, "clip.vision");
  GgufVision vision;
  const int64_t layers = keys.size("block_count", kMaxLayers);
  const int64_t image_size = keys.size("image_size", kMaxImageSize);
  const int64_t width = keys.size("embedding_length", kMaxWidth);
  const int64_t heads = keys.size("attention.head_count", kMaxHeads);
  if (width % heads != 0)
    keys.fail("attention.head_count", fmt::format("{} does not divide {} ({})", heads,
                                                  keys.key("embedding_length"), width));
  const int64_t patch_size = keys.size("patch_size", image_size);
  vision.tower = {{"hidden_size", width},
                  {"intermediate_size", keys.size("feed_forward_length", kMaxWidth)},
                  {"num_hidden_layers", layers},
                  {"num_attention_heads", heads},
                  {"image_size", image_size},
                  {"patch_size", patch_size},
                  {"layer_norm_eps", epsilon(keys, "attention.layer_norm_epsilon")},
                  {"hidden_act", activation(file)},
                  {"post_layernorm", file.find("v.post_ln.weight") != nullptr}};
  vision.preprocessor = {
      {"do_resize", true},
      {"size", {{"shortest_edge", image_size}}},
      {"do_center_crop", true},
      {"crop_size", {{"height", image_size}, {"width", image_size}}},
      {"do_normalize", true},
      {"image_mean", channels(keys, "image_mean", {0.48145466, 0.4578275, 0.40821073})},
      {"image_std", channels(keys, "image_std", {0.26862954, 0.26130258, 0.27577711})}};
  const bool tiled = keys.has("image_grid_pinpoints");
  vision.llava = {{"mm_vision_tower", file.path()},
                  {"mm_hidden_size", width},
                  {"mm_projector_type", projector_type(file)},
                  {"mm_vision_select_layer", feature_layer(keys, layers)},
                  {"mm_vision_select_feature", "patch"},
                  {"mm_patch_merge_type", keys.text("mm_patch_merge_type", "flat")},
                  // What LLaVA-1.5 does with a picture that is not square.
                  {"image_aspect_ratio", keys.text("image_aspect_ratio", tiled ? "anyres" : "pad")},
                  {"mm_use_im_start_end", false},
                  {"mm_use_im_patch_token", false}};
  if (tiled) vision.llava["image_grid_pinpoints"] = grid(keys);
  return vision;
}

}  // namespace isthmus::layout
