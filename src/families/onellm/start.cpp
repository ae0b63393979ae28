#include "families/onellm/start.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <set>
#include <utility>

#include <ATen/CPUGeneratorImpl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "base/atomic_file.h"
#include "families/onellm/load.h"
#include "families/onellm/onellm.h"
#include "families/onellm/save.h"
#include "isthmus/error.h"
#include "layout/decoder_names.h"
#include "layout/model_locator.h"
#include "layout/onellm_names.h"
#include "layout/open_clip_config.h"
#include "layout/open_clip_convert.h"
#include "layout/open_clip_names.h"
#include "nn/dense_matrix.h"
#include "weights/bind.h"
#include "weights/tensor_of.h"

namespace isthmus::families::onellm {
namespace {

namespace fs = std::filesystem;
using layout::ModalityConfig;
using layout::OneLlmConfig;
using layout::TokenizerKind;
using Sizes = std::map<std::string, std::vector<int64_t>>;

constexpr std::array<std::pair<std::string_view, std::string_view>, 8> kKeys = {
    {{"image", "image"}, {"video", "video"}, {"audio", "audio"}, {"points", "point"},
     {"depth", "rgbd"}, {"normal", "rgbn"}, {"imu", "imu"}, {"fmri", "fmri"}}};

// As published.                                                      model/LLM/onellm.py
const Sizes& published() {
  static const Sizes sizes = {
      {"resample_tokens", {30}}, {"resampler_heads", {16}},  {"audio_kernel", {16}},
      {"audio_stride", {10}},    {"audio_window", {128, 1024}}, {"imu_kernel", {10}},
      {"imu_stride", {1}},       {"imu_window", {400}},      {"imu_channels", {6}},
      {"fmri_voxels", {15724}},  {"fmri_tokens", {8}},       {"point_groups", {1024}},
      {"point_group_size", {32}}, {"point_channels", {6}},   {"clip_heads", {0}},
      {"max_seq_len", {2048}},   {"router_hidden", {0}}};
  return sizes;
}

class Plan {
 public:
  Plan(const StartOptions& options, const layout::UniversalEncoderConfig& encoder)
      : options_(options), encoder_(encoder), sizes_(published()) {
    for (const auto& [key, value] : options.sizes) {
      if (!sizes_.contains(key)) {
        std::vector<std::string> known;
        for (const auto& [name, unused] : sizes_) known.push_back(name);
        throw UsageError(fmt::format("model.fresh.sizes.{}: unknown; expected one of {}", key,
                                     fmt::join(known, ", ")));
      }
      if (value.empty() || std::ranges::any_of(value, [](int64_t size) { return size < 1; }))
        throw UsageError(fmt::format("model.fresh.sizes.{}: expected numbers above 0", key));
      sizes_[key] = value;
    }
  }

  int64_t one(const std::string& key) const { return sizes_.at(key).front(); }

  Shape all(const std::string& key, size_t dimensions) const {
    const auto& values = sizes_.at(key);
    if (values.size() == 1) return Shape(dimensions, values.front());
    if (values.size() == dimensions) return {values.begin(), values.end()};
    throw UsageError(fmt::format("model.fresh.sizes.{}: expected {} numbers", key, dimensions));
  }

  ModalityConfig modality(const std::string& name) const {
    const auto* found = std::ranges::find(kKeys, name, &decltype(kKeys)::value_type::first);
    if (found == kKeys.end())
      throw UsageError(fmt::format("model.fresh.modalities: \"{}\" is none that is known", name));
    ModalityConfig m{};
    m.key = found->second;
    m.name = name;
    m.tokenizer = TokenizerKind::kVisionPatches;
    m.channels = 3;
    m.num_tokens = encoder_.num_patches();
    m.bias = true;
    m.resample_tokens = one("resample_tokens");
    m.router_hidden = options_.experts == 1        ? 0
                      : one("router_hidden") > 0 ? one("router_hidden")
                                                   : 4 * encoder_.width;
    if (name == "audio") convolution(m, 1, 2);
    if (name == "imu") {
      convolution(m, one("imu_channels"), 1);
      m.bias = false;
    }
    if (name == "fmri") {
      m.tokenizer = TokenizerKind::kLinear;
      m.channels = one("fmri_voxels");
      m.num_tokens = one("fmri_tokens");
    }
    if (name == "points") {
      m.tokenizer = TokenizerKind::kPointGroups;
      m.channels = one("point_channels");
      m.num_tokens = one("point_groups");
      m.group_size = one("point_group_size");
    }
    return m;
  }

  OneLlmConfig config(layout::LlamaConfig language) const {
    OneLlmConfig c{};
    c.language = language;
    c.language.rope_layout = layout::RopeLayout::kPairs;
    c.language.tie_word_embeddings = false;  // Meta's files always have a head
    c.encoder = encoder_;
    c.projection.width = encoder_.width;
    c.projection.hidden_size = language.hidden_size;
    for (int64_t e = 0; e < options_.experts; ++e)
      c.projection.experts.push_back(options_.experts == 1 ? "image" : std::to_string(e));
    c.projection.layers = options_.resampler_layers;
    c.projection.heads = one("resampler_heads");
    if (encoder_.width % c.projection.heads != 0)
      throw UsageError(fmt::format(
          "model.fresh.sizes.resampler_heads: {} heads do not share the encoder's width of {}",
          c.projection.heads, encoder_.width));
    c.projection.intermediate_size =
        options_.resampler_width > 0 ? options_.resampler_width
                                     : (8 * encoder_.width / 3 + 255) / 256 * 256;
    c.projection.rms_norm_eps = language.rms_norm_eps;
    // In the reference's order.
    for (const auto& name : {"image", "video", "audio", "points", "depth", "normal", "fmri", "imu"})
      if (std::ranges::find(options_.modalities, name) != options_.modalities.end())
        c.modalities.push_back(modality(name));
    for (const std::string& name : options_.modalities) modality(name);  // complains
    return c;
  }

  // Only what shapes do not tell.
  nlohmann::json options_json(const OneLlmConfig& config) const {
    nlohmann::json json{{"resample_tokens", one("resample_tokens")},
                        {"resampler_heads", config.projection.heads},
                        {"clip_heads", config.encoder.heads},
                        {"max_seq_len", config.language.max_position_embeddings}};
    for (const ModalityConfig& m : config.modalities) {
      if (m.key == "audio") {
        json["audio_stride"] = m.stride;
        json["audio_window"] = m.window;
      }
      if (m.key == "imu") json["imu_stride"] = m.stride;
      if (m.key == "point") json["point_group_size"] = m.group_size;
    }
    return json;
  }

 private:
  void convolution(ModalityConfig& m, int64_t channels, size_t dimensions) const {
    m.tokenizer = TokenizerKind::kPatchConv;
    m.channels = channels;
    m.kernel = all(m.key + "_kernel", dimensions);
    m.stride = all(m.key + "_stride", dimensions);
    m.window = all(m.key + "_window", dimensions);
    m.num_tokens = 1;
    for (size_t d = 0; d < dimensions; ++d) {
      if (m.window[d] < m.kernel[d])
        throw UsageError(fmt::format("model.fresh.sizes.{}_window: smaller than the kernel", m.key));
      m.num_tokens *= (m.window[d] - m.kernel[d]) / m.stride[d] + 1;
    }
  }

  const StartOptions& options_;
  layout::UniversalEncoderConfig encoder_;
  Sizes sizes_;
};

bool has(std::string_view name, std::string_view part) {
  return name.find(part) != std::string_view::npos;
}

// Everything below `encoder.tokenizers` and `aligner`, and whatever else no file will fill.
void draw(OneLlmModules& modules, const StartOptions& options) {
  at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(options.seed);
  double weight_bound = 0;  // of the linear map a bias belongs to
  for (const nn::Slot& slot : nn::slots_of(modules)) {
    if (slot.name.starts_with("decoder.")) continue;
    if (slot.name.starts_with("encoder.") && !has(slot.name, "tokenizers.")) continue;
    Tensor value = torch::empty(slot.shape);
    if (slot.is_matrix()) {
      const auto in = static_cast<double>(value.numel() / slot.shape[0]);
      const auto out = static_cast<double>(slot.shape[0]);
      weight_bound = has(slot.name, ".experts.") ? std::sqrt(6 / (in + out)) : 1 / std::sqrt(in);
      value.uniform_(-weight_bound, weight_bound, generator);
      slot.set_matrix(std::make_shared<nn::DenseMatrix>(value.flatten(1)));
      continue;
    }
    if (has(slot.name, "resample_tokens") || has(slot.name, "positional_embedding"))
      value.normal_(0, 0.02, generator);
    else if (has(slot.name, "_tag."))
      value.uniform_(0, options.token_scale, generator);
    else if (slot.name.ends_with("weight"))
      value.fill_(has(slot.name, "clip_proj2.") ? options.token_scale : 1);
    else if (has(slot.name, ".1.bias"))
      value.zero_();
    else
      value.uniform_(-weight_bound, weight_bound, generator);
    slot.set_tensor(value);
  }
}

// Hugging Face's files rotate halves of a head, OneLLM's neighbouring pairs.
void pair_up_heads(OneLlmModules& modules, const layout::LlamaConfig& config) {
  for (const nn::Slot& slot : nn::slots_of(*modules.decoder)) {
    const bool is_query = slot.name.ends_with("q_proj.weight");
    if (!is_query && !slot.name.ends_with("k_proj.weight")) continue;
    const int64_t heads = is_query ? config.num_attention_heads : config.num_key_value_heads;
    const Tensor pairs = slot.value()
                             .view({heads, 2, config.head_dim / 2, -1})
                             .transpose(1, 2)
                             .reshape(slot.shape);
    slot.set_matrix(std::make_shared<nn::DenseMatrix>(pairs.contiguous()));
  }
}

void copy_tied_head(OneLlmModules& modules) {
  Tensor embedding;
  for (const nn::Slot& slot : nn::slots_of(*modules.decoder)) {
    if (slot.name == "embed_tokens.weight") embedding = slot.value();
    if (slot.name == "lm_head.weight")
      slot.set_matrix(std::make_shared<nn::DenseMatrix>(embedding.clone()));
  }
}

struct Language {
  layout::LlamaConfig config;
  std::vector<weights::WeightSource> sources;
  fs::path tokenizer_folder;
  bool in_pairs;
};

Language open_language(const fs::path& base, const layout::ModelLocator& locator) {
  if (layout::is_onellm(base)) {
    auto model = layout::OneLlmModel::open(layout::find_onellm(base, "", locator));
    if (!model.config.is_language_model())
      throw ModelError(base.string() + ": is a OneLLM; a language model alone was expected");
    return {model.config.language, weight_sources(model), model.sources.tokenizer_folder, true};
  }
  const JsonView json = JsonView::load(base / "config.json");
  const std::string type = json.string("model_type");
  if (type != "llama" && type != "llava" && type != "llava_llama")
    json.at("model_type").fail(fmt::format("\"{}\": OneLLM stands on a LLaMA", type));
  const layout::DecoderNames names = layout::decoder_names("llama", json);
  return {layout::LlamaConfig::parse(json),
          {{formats::Checkpoint::open(base), names.map(),
            [ignores = names.ignores](std::string_view name) {
              return ignores(name) || name.find("mm_projector") != std::string_view::npos;
            }}},
          base,
          false};
}

struct Vision {
  layout::UniversalEncoderConfig config;
  weights::WeightSource source;
};

Vision open_vision(const fs::path& vision) {
  const bool hugging_face = fs::is_directory(vision) && fs::exists(vision / "config.json");
  formats::Checkpoint checkpoint = formats::Checkpoint::open(vision);
  layout::UniversalEncoderConfig c{};
  if (hugging_face) {
    const auto clip = layout::ClipVisionConfig::parse(JsonView::load(vision / "config.json"));
    if (clip.hidden_act != layout::Activation::kQuickGelu)
      throw ModelError((vision / "config.json").string() +
                       ": hidden_act: OneLLM's encoder is a CLIP with quick_gelu");
    checkpoint = layout::to_open_clip(checkpoint);
    c = {clip.hidden_size,       clip.num_hidden_layers, clip.num_attention_heads,
         clip.intermediate_size, clip.image_size,        clip.patch_size};
  } else {
    const auto clip = layout::OpenClipVisionConfig::read(checkpoint, "");
    c = {clip.width,             clip.layers,     clip.heads,
         clip.intermediate_size, clip.image_size, clip.patch_size};
  }
  layout::OpenClipNames names = layout::open_clip_names(checkpoint);
  auto ignores = [own = names.ignores](std::string_view name) {
    return own(name) || name.ends_with("visual.proj");
  };
  return {c, {std::move(checkpoint), std::move(names.map), std::move(ignores)}};
}

nlohmann::json params_json(const layout::LlamaConfig& c) {
  return {{"dim", c.hidden_size},        {"n_layers", c.num_hidden_layers},
          {"n_heads", c.num_attention_heads}, {"n_kv_heads", c.num_key_value_heads},
          {"norm_eps", c.rms_norm_eps},  {"rope_theta", c.rope_theta},
          {"vocab_size", -1},            {"multiple_of", 256}};
}

// A matrix or a tensor, from a file's.
void put(const nn::Slot& slot, const formats::RawTensor& raw) {
  const Tensor value = weights::float_tensor_of(raw);
  if (value.sizes() != torch::IntArrayRef(slot.shape))
    throw ModelError(fmt::format("{}: {} is {}, expected {}", raw.file, raw.name,
                                 to_string(raw.shape), to_string(slot.shape)));
  if (slot.is_matrix())
    slot.set_matrix(std::make_shared<nn::DenseMatrix>(value.flatten(1)));
  else
    slot.set_tensor(value);
}

void write(OneLlmModules& modules, layout::OneLlmModel model, const Plan& plan,
           const StartOptions& options, const fs::path& folder) {
  fs::create_directories(folder);
  model.sources.params.clear();
  model.sources.options.clear();
  write_file(folder / "params.json", params_json(model.config.language).dump(2) + "\n");
  write_file(folder / "onellm.json", plan.options_json(model.config).dump(2) + "\n");
  save(modules, model, {}, folder, {.dtype = options.dtype});
}

}  // namespace

void write_new(const fs::path& base, const fs::path& vision, const StartOptions& options,
               const fs::path& folder) {
  const auto locator = layout::ModelLocator::from_environment();
  Language language = open_language(base, locator);
  Vision eye = open_vision(vision);
  const Plan plan(options, eye.config);
  layout::OneLlmModel model;
  model.config = plan.config(language.config);
  model.sources.tokenizer_folder = language.tokenizer_folder;
  OneLlmModules modules(model.config);
  draw(modules, options);
  language.sources.push_back(std::move(eye.source));
  weights::BindOptions bind;
  bind.present = "*";
  weights::bind_weights(modules, language.sources, bind);
  if (!language.in_pairs) pair_up_heads(modules, language.config);
  if (language.config.tie_word_embeddings) copy_tied_head(modules);
  write(modules, std::move(model), plan, options, folder);
}

void write_grown(const fs::path& earlier, const fs::path& base, const StartOptions& options,
                 const fs::path& folder) {
  const auto locator = layout::ModelLocator::from_environment();
  layout::OneLlmModel model =
      layout::OneLlmModel::open(layout::find_onellm(earlier, base.string(), locator));
  StartOptions wanted = options;
  for (const ModalityConfig& m : model.config.modalities)
    if (std::ranges::find(wanted.modalities, m.name) == wanted.modalities.end())
      wanted.modalities.push_back(m.name);
  wanted.resampler_layers = model.config.projection.layers;
  wanted.resampler_width = model.config.projection.intermediate_size;
  wanted.sizes.try_emplace("resampler_heads", 1, model.config.projection.heads);
  if (!model.config.modalities.empty())
    wanted.sizes.try_emplace("resample_tokens", 1, model.config.modalities.front().resample_tokens);
  const Plan plan(wanted, model.config.encoder);
  OneLlmConfig config = plan.config(model.config.language);
  // What the earlier stage had stays as it was.
  for (ModalityConfig& m : config.modalities)
    for (const ModalityConfig& old : model.config.modalities)
      if (old.key == m.key) {
        const int64_t router = m.router_hidden;
        m = old;
        if (m.router_hidden == 0) m.router_hidden = router;
      }
  OneLlmModules modules(config);
  draw(modules, wanted);

  const layout::OneLlmNames names = layout::onellm_names("llma.", config.modalities);
  std::map<std::string, nn::Slot> slots;  // by file name
  std::vector<std::string> files, present;
  for (const nn::Slot& slot : nn::slots_of(modules)) {
    const auto file = names.map.to_file(slot.name);
    if (!file) continue;
    slots.emplace(file->name, slot);
    files.push_back(file->name);
  }
  for (const auto& [name, raw] : model.tensors.all()) present.push_back("llma." + name);
  const auto from = init_from_image(files, present);
  for (const auto& [file, slot] : slots)
    if (const auto found = from.find(file); found != from.end())
      put(slot, model.tensors.at(found->second.substr(layout::kOneLlmPrefix.size())));
    else if (slot.name.starts_with("decoder.") ||
             (slot.name.starts_with("encoder.") && !has(slot.name, "tokenizers.")))
      throw ModelError(fmt::format("{}: {} is missing", model.tensors.files(), file));
  model.config = std::move(config);
  write(modules, std::move(model), plan, wanted, folder);
}

std::map<std::string, std::string> init_from_image(std::span<const std::string> wanted,
                                                   std::span<const std::string> present) {
  const std::set<std::string> there(present.begin(), present.end());
  const auto any = [&](const auto& fits) { return std::ranges::any_of(present, fits); };
  const std::string stacks = "llma.resample_layers.";
  constexpr std::array<std::string_view, 5> kTables = {"resample_tokens.", "clip_proj1.",
                                                       "clip_proj2.", "start_tag.", "end_tag."};
  std::map<std::string, std::string> from;
  for (const std::string& name : wanted) {
    if (there.contains(name)) {
      from[name] = name;
      continue;
    }
    if (name.starts_with(stacks)) {
      const size_t dot = name.find('.', stacks.size());
      const std::string stack = name.substr(0, dot + 1);
      const std::string image = stacks + "image" + name.substr(dot);
      if (!any([&](const std::string& n) { return n.starts_with(stack); }) && there.contains(image))
        from[name] = image;
      continue;
    }
    for (const std::string_view table : kTables) {
      const std::string prefix = "llma." + std::string(table);
      if (!name.starts_with(prefix)) continue;
      const std::string rest = name.substr(prefix.size());
      const std::string key = rest.substr(0, rest.find('.'));
      const std::string image = prefix + "image" + rest.substr(key.size());
      // Quirk: the name of the modality anywhere in a name of the file counts.
      if (!any([&](const std::string& n) { return has(n, key); }) && there.contains(image))
        from[name] = image;
    }
  }
  return from;
}

}  // namespace isthmus::families::onellm
