#include "layout/clip_vision_config.h"

#include <array>

#include <fmt/format.h>

#include "isthmus/error.h"
#include "layout/config_checks.h"

namespace isthmus::layout {

Activation parse_activation(const JsonView& json, std::string_view key, std::string_view fallback) {
  struct Name {
    std::string_view published;
    Activation activation;
  };
  static constexpr std::array kNames = {
      Name{"quick_gelu", Activation::kQuickGelu},
      Name{"gelu", Activation::kGelu},
      Name{"gelu_new", Activation::kGeluTanh},
      Name{"gelu_fast", Activation::kGeluTanh},  // the same formula, factored differently
      Name{"gelu_pytorch_tanh", Activation::kGeluTanh},
      Name{"silu", Activation::kSilu},
      Name{"swish", Activation::kSilu},
      Name{"relu", Activation::kRelu},
  };
  const std::string value = json.string(key, fallback);
  for (const Name& name : kNames)
    if (name.published == value) return name.activation;
  throw UnsupportedError(
      fmt::format("{}: activation \"{}\" is not one of quick_gelu, gelu, gelu_new, "
                  "gelu_fast, gelu_pytorch_tanh, silu, swish, relu",
                  key_path(json, key), value));
}

ClipVisionConfig ClipVisionConfig::parse(const JsonView& whole) {
  const JsonView json = whole.find("vision_config").value_or(whole);
  const std::string model_type = json.string("model_type", "clip_vision_model");
  // Some published `vision_config` objects carry the type of the whole CLIP.
  if (model_type != "clip_vision_model" && model_type != "clip")
    throw UnsupportedError(
        fmt::format("{}: model_type \"{}\" is not a CLIP vision tower (clip_vision_model)",
                    json.where(), model_type));

  // The defaults are those of Hugging Face's CLIPVisionConfig, i.e. ViT-B/32.
  ClipVisionConfig c{};
  c.hidden_size = bounded(json, "hidden_size", kMaxWidth, 768);
  c.intermediate_size = bounded(json, "intermediate_size", kMaxWidth, 3072);
  c.num_hidden_layers = bounded(json, "num_hidden_layers", kMaxLayers, 12);
  c.num_attention_heads = bounded(json, "num_attention_heads", kMaxHeads, 12);
  c.image_size = bounded(json, "image_size", kMaxImageSize, 224);
  c.patch_size = bounded(json, "patch_size", kMaxImageSize, 32);
  c.num_channels = bounded(json, "num_channels", 16, 3);
  c.layer_norm_eps = json.number("layer_norm_eps", 1e-5);
  c.hidden_act = parse_activation(json, "hidden_act", "quick_gelu");
  c.post_layernorm = json.boolean("post_layernorm", true);  // false is said of GGUF files alone

  json.require(c.hidden_size % c.num_attention_heads == 0, "hidden_size",
               fmt::format("{} is not a multiple of num_attention_heads ({})", c.hidden_size,
                           c.num_attention_heads));
  json.require(c.patch_size <= c.image_size, "patch_size",
               fmt::format("{} is larger than image_size ({})", c.patch_size, c.image_size));
  json.require(c.layer_norm_eps > 0 && c.layer_norm_eps < 1, "layer_norm_eps",
               fmt::format("expected a number in (0, 1), found {}", c.layer_norm_eps));
  return c;
}

}  // namespace isthmus::layout
