#include "layout/llava_config.h"

#include <cctype>
#include <charconv>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "isthmus/error.h"
#include "layout/config_checks.h"

namespace isthmus::layout {

namespace {

[[noreturn]] void unsupported(const JsonView& json, std::string_view key, const std::string& what) {
  throw UnsupportedError(fmt::format("{}: {}", key_path(json, key), what));
}

LlavaLayout decide_layout(const JsonView& json) {
  const std::string model_type = json.string("model_type", "llama");
  if (model_type == "llava_next") return LlavaLayout::kHuggingFaceNext;
  // "llava" names the Hugging Face layout and the first original checkpoints; the former nest the
  // language model.
  if (model_type == "llava" && !json.contains("mm_vision_tower") &&
      (json.contains("text_config") || json.contains("vision_config")))
    return LlavaLayout::kHuggingFace;
  if (model_type == "llava_mpt" || model_type == "mpt")
    unsupported(json, "model_type", "MPT decoders are not supported with LLaVA");
  return LlavaLayout::kOriginal;
}

DecoderKind decoder_of(const JsonView& text) {
  const std::string model_type = text.string("model_type", "llama");
  return model_type.find("mistral") == std::string::npos ? DecoderKind::kLlama
                                                         : DecoderKind::kMistral;
}

void parse_projector_type(const JsonView& json, LlavaConfig& c) {
  const std::string name = json.string("mm_projector_type", "linear");
  c.projector_bias = true;
  if (name == "linear") {
    c.projector_type = ProjectorType::kLinear;
    c.projector_depth = 1;
  } else if (name == "identity") {
    c.projector_type = ProjectorType::kIdentity;
    c.projector_depth = 0;
  } else {
    constexpr std::string_view kPrefix = "mlp", kSuffix = "x_gelu";
    int64_t depth = 0;
    if (name.starts_with(kPrefix) && name.ends_with(kSuffix) &&
        name.size() > kPrefix.size() + kSuffix.size()) {
      const char* first = name.data() + kPrefix.size();
      const char* last = name.data() + name.size() - kSuffix.size();
      const auto parsed = std::from_chars(first, last, depth);
      if (parsed.ec != std::errc() || parsed.ptr != last) depth = 0;
    }
    constexpr int64_t kMaxDepth = 64;
    if (depth < 1 || depth > kMaxDepth)
      unsupported(json, "mm_projector_type",
                  fmt::format("\"{}\" is not linear, identity or mlpNx_gelu", name));
    c.projector_type = ProjectorType::kMlp;
    c.projector_depth = depth;
  }
}

void parse_aspect_ratio(const JsonView& json, LlavaConfig& c) {
  const std::string name = json.string("image_aspect_ratio", "square");
  // Later models cut larger grids and pool them; taking those for plain anyres would answer
  // wrongly.
  if (name.starts_with("anyres_"))
    unsupported(json, "image_aspect_ratio",
                fmt::format("\"{}\" is not supported (anyres is)", name));
  c.image_aspect_ratio = name == "pad"      ? ImageAspectRatio::kPad
                         : name == "anyres" ? ImageAspectRatio::kAnyres
                                            : ImageAspectRatio::kCrop;
  if (const auto grid = json.find("image_grid_pinpoints"))
    c.grid_pinpoints = parse_grid_pinpoints(*grid, /*height_first=*/false);
  json.require(c.image_aspect_ratio != ImageAspectRatio::kAnyres || !c.grid_pinpoints.empty(),
               "image_grid_pinpoints", "missing, but image_aspect_ratio is anyres");
}

void parse_merge_type(const JsonView& json, LlavaConfig& c) {
  const std::string name = json.string("mm_patch_merge_type", "flat");
  if (name == "flat") {
    c.patch_merge_type = PatchMergeType::kFlat;
  } else if (name == "spatial") {
    c.patch_merge_type = PatchMergeType::kSpatial;
  } else if (name == "spatial_unpad") {
    c.patch_merge_type = PatchMergeType::kSpatialUnpad;
  } else {
    unsupported(json, "mm_patch_merge_type",
                fmt::format("\"{}\" is not flat, spatial or spatial_unpad", name));
  }
  c.has_image_newline = c.patch_merge_type == PatchMergeType::kSpatialUnpad;
}

void parse_original(const JsonView& json, LlavaConfig& c) {
  c.vision_tower = json.string("mm_vision_tower", json.string("vision_tower", ""));
  c.mm_hidden_size = c.has_vision() ? bounded(json, "mm_hidden_size", kMaxWidth) : 0;
  c.select_layer = json.integer("mm_vision_select_layer", -2);
  const std::string feature = json.string("mm_vision_select_feature", "patch");
  if (feature == "patch") {
    c.select_feature = SelectFeature::kPatch;
  } else if (feature == "cls_patch") {
    c.select_feature = SelectFeature::kClsPatch;
  } else {
    unsupported(json, "mm_vision_select_feature",
                fmt::format("\"{}\" is not patch or cls_patch", feature));
  }
  c.unfreeze_mm_vision_tower = json.boolean("unfreeze_mm_vision_tower", false);
  parse_projector_type(json, c);
  json.require(c.projector_type != ProjectorType::kIdentity || !c.has_vision() ||
                   c.mm_hidden_size == c.text.hidden_size,
               "mm_hidden_size",
               fmt::format("{} differs from hidden_size ({}), but the projector is the identity",
                           c.mm_hidden_size, c.text.hidden_size));
  parse_aspect_ratio(json, c);
  parse_merge_type(json, c);
  c.mm_use_im_start_end = json.boolean("mm_use_im_start_end", false);
  // Quirk: absent means true (`builder.py`), although every released config writes it down.
  c.mm_use_im_patch_token = c.has_vision() && json.boolean("mm_use_im_patch_token", true);
  c.context_len = bounded(json, "max_sequence_length", kMaxPositions, 2048);

  if (json.boolean("s2", false))
    unsupported(json, "s2", "multi-scale (S2) towers are not supported");
  if (json.contains("mm_resampler_type"))
    unsupported(json, "mm_resampler_type",
                fmt::format("resampler \"{}\" is not supported", json.string("mm_resampler_type")));
}

void parse_hugging_face(const JsonView& json, LlavaConfig& c) {
  const bool next = c.layout == LlavaLayout::kHuggingFaceNext;
  // LlavaConfig's default tower: CLIP ViT-L/14 at 336 pixels.
  const auto tower = json.find("vision_config");
  c.vision = ClipVisionConfig::parse(tower ? *tower
                                           : JsonView::parse(R"({
      "hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24,
      "num_attention_heads": 16, "image_size": 336, "patch_size": 14})",
                                                             "LlavaConfig"));
  c.mm_hidden_size = c.vision->hidden_size;
  if (const auto layer = json.find("vision_feature_layer"); layer && layer->is_array())
    unsupported(json, "vision_feature_layer", "features of several layers are not supported");
  c.select_layer = json.integer("vision_feature_layer", -2);
  const std::string strategy = json.string("vision_feature_select_strategy", "default");
  if (strategy != "default" && strategy != "full")
    unsupported(json, "vision_feature_select_strategy",
                fmt::format("\"{}\" is not default or full", strategy));
  c.select_feature = strategy == "full" ? SelectFeature::kClsPatch : SelectFeature::kPatch;
  if (parse_activation(json, "projector_hidden_act", "gelu") != Activation::kGelu)
    unsupported(
        json, "projector_hidden_act",
        fmt::format("\"{}\" is not supported (gelu is)", json.string("projector_hidden_act")));
  c.projector_type = ProjectorType::kMlp;
  c.projector_depth = 2;
  c.projector_bias = json.boolean("multimodal_projector_bias", true);
  c.image_aspect_ratio = next ? ImageAspectRatio::kAnyres : ImageAspectRatio::kCrop;
  c.patch_merge_type = next ? PatchMergeType::kSpatialUnpad : PatchMergeType::kFlat;
  c.has_image_newline = next;
  if (next) {
    // LlavaNextConfig's default; unlike the original code it reads each pair as height, width.
    const auto grid = json.find("image_grid_pinpoints");
    c.grid_pinpoints = parse_grid_pinpoints(
        grid ? *grid
             : JsonView::parse("[[336,672],[672,336],[672,672],[1008,336],[336,1008]]",
                               "LlavaNextConfig"),
        /*height_first=*/true);
  }
  c.image_token_index = json.integer("image_token_index", json.integer("image_token_id", 32000));
  json.require(
      *c.image_token_index >= 0 && *c.image_token_index < c.text.vocab_size, "image_token_index",
      fmt::format("{} is outside the vocabulary of {}", *c.image_token_index, c.text.vocab_size));
  c.context_len = c.text.max_position_embeddings;
}

std::vector<int64_t> parse_ids(const JsonView& json, std::string_view key,
                               std::vector<int64_t> fallback) {
  const auto value = json.find(key);
  if (!value) return fallback;
  if (!value->is_array()) return {value->as_integer()};
  std::vector<int64_t> ids;
  for (const JsonView& element : value->elements()) ids.push_back(element.as_integer());
  return ids;
}

std::optional<int64_t> optional_integer(const JsonView& json, std::string_view key) {
  if (const auto value = json.find(key)) return value->as_integer();
  return std::nullopt;
}

// Numbers of "[(336, 672), [672, 336]]"; any other character than those of nested lists is an
// error.
std::vector<PixelSize> parse_python_pairs(const JsonView& json) {
  const std::string text = json.as_string();
  std::vector<int64_t> numbers;
  int depth = 0;
  for (size_t i = 0; i < text.size();) {
    const char ch = text[i];
    if (std::isdigit(static_cast<unsigned char>(ch))) {
      int64_t number = 0;
      const auto parsed = std::from_chars(text.data() + i, text.data() + text.size(), number);
      if (parsed.ec != std::errc()) json.fail("a number is out of range");
      if (depth != 2) json.fail("expected a list of pairs");
      numbers.push_back(number);
      i = static_cast<size_t>(parsed.ptr - text.data());
      continue;
    }
    if (ch == '[' || ch == '(') {
      ++depth;
    } else if (ch == ']' || ch == ')') {
      --depth;
      if (numbers.size() % 2 != 0) json.fail("expected a list of pairs");
    } else if (ch != ',' && ch != ' ') {
      json.fail(fmt::format("expected a list of pairs such as [[336, 672]], found \"{}\"",
                            text.substr(0, 60)));
    }
    if (depth < 0 || depth > 2) json.fail("expected a list of pairs");
    ++i;
  }
  if (depth != 0) json.fail("the list is not closed");
  std::vector<PixelSize> sizes;
  for (size_t i = 0; i < numbers.size(); i += 2) sizes.push_back({numbers[i], numbers[i + 1]});
  return sizes;
}

}  // namespace

std::vector<PixelSize> parse_grid_pinpoints(const JsonView& json, bool height_first) {
  std::vector<PixelSize> sizes;
  if (json.is_string()) {
    sizes = parse_python_pairs(json);
  } else {
    for (const JsonView& pair : json.elements()) {
      const auto values = pair.elements();
      if (values.size() != 2) pair.fail("expected a pair of pixels");
      sizes.push_back({values[0].as_integer(), values[1].as_integer()});
    }
  }
  if (sizes.empty()) json.fail("expected at least one pair of pixels");
  constexpr size_t kMaxCandidates = 1024;
  if (sizes.size() > kMaxCandidates) json.fail("more than 1024 candidates: no such model exists");
  for (PixelSize& size : sizes) {
    if (height_first) std::swap(size.width, size.height);
    if (size.width < 1 || size.height < 1 || size.width > kMaxImageSize ||
        size.height > kMaxImageSize)
      json.fail(fmt::format("a grid of {}x{} pixels is out of range", size.width, size.height));
  }
  return sizes;
}

LlavaConfig LlavaConfig::parse(const JsonView& json) {
  if (json.contains("quantization_config"))
    unsupported(json, "quantization_config",
                "checkpoints stored in another library's quantisation are not supported");
  LlavaConfig c{};
  c.layout = decide_layout(json);
  c.model_type = json.string("model_type", "llama");
  c.torch_dtype = json.string("torch_dtype", json.string("dtype", ""));
  // An absent text_config means LlamaConfig's defaults.
  const JsonView text =
      c.layout == LlavaLayout::kOriginal
          ? json
          : json.find("text_config").value_or(JsonView::parse("{}", json.where()));
  c.decoder = decoder_of(text);
  c.text = LlamaConfig::parse(text);

  c.tokenizer_padding_side = PaddingSide::kRight;
  const std::string side = json.string("tokenizer_padding_side", "right");
  if (side == "left") c.tokenizer_padding_side = PaddingSide::kLeft;
  json.require(side == "left" || side == "right", "tokenizer_padding_side",
               fmt::format("expected left or right, found \"{}\"", side));
  if (json.contains("tokenizer_model_max_length"))
    c.tokenizer_model_max_length = bounded(json, "tokenizer_model_max_length", INT64_MAX);
  c.bos_token_id = optional_integer(json, "bos_token_id");
  if (!c.bos_token_id) c.bos_token_id = optional_integer(text, "bos_token_id").value_or(1);
  c.pad_token_id = optional_integer(json, "pad_token_id");
  c.embedding_padding_idx = optional_integer(text, "pad_token_id");
  c.eos_token_ids = parse_ids(json, "eos_token_id", parse_ids(text, "eos_token_id", {2}));

  if (c.layout == LlavaLayout::kOriginal) {
    parse_original(json, c);
  } else {
    parse_hugging_face(json, c);
  }
  return c;
}

std::string LlavaConfig::projector_name() const {
  if (projector_type == ProjectorType::kLinear) return "linear";
  if (projector_type == ProjectorType::kIdentity) return "identity";
  return fmt::format("mlp{}x_gelu", projector_depth);
}

int64_t LlavaConfig::features_per_tile(const ClipVisionConfig& tower) const {
  return tower.num_patches() + (select_feature == SelectFeature::kClsPatch ? 1 : 0);
}

void LlavaConfig::check_tower(const ClipVisionConfig& tower, const std::string& source) const {
  if (tower.hidden_size != mm_hidden_size)
    throw ModelError(
        fmt::format("{}: hidden_size is {}, config.json of the model needs {} (mm_hidden_size). Is "
                    "this the vision tower of another checkpoint?",
                    source, tower.hidden_size, mm_hidden_size));
  // Hidden state 0 is the embedding, L the output of the last layer.
  if (select_layer > tower.num_hidden_layers || select_layer < -tower.num_hidden_layers - 1)
    throw ModelError(
        fmt::format("{}: the tower has {} layers, config.json asks for hidden state {}", source,
                    tower.num_hidden_layers, select_layer));
  for (const PixelSize& size : grid_pinpoints)
    if (image_aspect_ratio == ImageAspectRatio::kAnyres &&
        (size.width % tower.image_size != 0 || size.height % tower.image_size != 0))
      throw ModelError(
          fmt::format("config.json: image_grid_pinpoints: {}x{} cannot be cut into tiles of {} "
                      "pixels ({}: image_size)",
                      size.width, size.height, tower.image_size, source));
  if (patch_merge_type != PatchMergeType::kFlat && select_feature == SelectFeature::kClsPatch)
    throw UnsupportedError(
        "config.json: mm_patch_merge_type: tiles cannot be joined when features keep the class "
        "token");
}

}  // namespace isthmus::layout
