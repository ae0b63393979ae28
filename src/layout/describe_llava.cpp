#include "layout/describe_llava.h"

#include <fmt/format.h>

#include "formats/checkpoint.h"
#include "layout/llava_module_tree.h"
#include "layout/llava_names.h"
#include "text/conversation.h"

namespace isthmus::layout {

namespace fs = std::filesystem;

namespace {

void read_headers(const formats::Checkpoint& checkpoint, const LlavaNames& names,
                  std::span<const std::string> names_to_map, const fs::path& source,
                  StoredTensors& into) {
  for (size_t i = 0; i < checkpoint.names().size(); ++i) {
    if (names.ignores(names_to_map[i])) continue;
    const auto mapped = names.map.to_module(names_to_map[i]);
    if (!mapped) continue;
    const formats::RawTensor& tensor = checkpoint.at(checkpoint.names()[i]);
    into[mapped->name] = {tensor.shape, tensor.dtype, source};
  }
}

void read_headers(const formats::Checkpoint& checkpoint, const LlavaNames& names,
                  const fs::path& source, StoredTensors& into) {
  read_headers(checkpoint, names, checkpoint.names(), source, into);
}

// Later files replace what earlier ones hold, as the loader does.
StoredTensors stored_tensors(const LlavaSources& sources) {
  StoredTensors stored;
  if (!sources.tower.empty())
    read_headers(formats::Checkpoint::open(sources.tower), vision_tower_names(), sources.tower,
                 stored);
  const auto read_full = [&](const LlavaFolder& folder) {
    const auto checkpoint = formats::Checkpoint::open(folder.path);
    read_headers(checkpoint, names_for(folder.config.layout, checkpoint), folder.path, stored);
  };
  const LlavaFolder& model = sources.model;
  if (sources.base) read_full(*sources.base);
  switch (model.contents) {
    case FolderContents::kFullModel: read_full(model); break;
    case FolderContents::kProjectorOnly:
      read_headers(formats::Checkpoint::open(model.projector_file), original_names(), model.path,
                   stored);
      break;
    case FolderContents::kLora:
      read_headers(formats::Checkpoint::open(model.adapter_file), adapter_names(), model.path,
                   stored);
      if (!model.non_lora_trainables_file.empty()) {
        const auto rest = formats::Checkpoint::open(model.non_lora_trainables_file);
        read_headers(rest, original_names(), strip_non_lora_prefixes(rest.names()), model.path,
                     stored);
      }
      break;
  }
  return stored;
}

std::string decoder_architecture(const LlavaConfig& config) {
  const LlamaConfig& text = config.text;
  std::string heads = fmt::format("{} heads", text.num_attention_heads);
  if (text.num_key_value_heads != text.num_attention_heads)
    heads += fmt::format(" over {} key-value heads", text.num_key_value_heads);
  return fmt::format("{}, {} layers of {}, {}, feed-forward {}, vocabulary {}",
                     config.decoder == DecoderKind::kMistral ? "Mistral" : "LLaMA",
                     text.num_hidden_layers, text.hidden_size, heads, text.intermediate_size,
                     text.vocab_size);
}

std::string encoder_architecture(const ClipVisionConfig& tower) {
  return fmt::format("{}, {} layers of {}, {} heads, feed-forward {}, {}x{} pixels",
                     tower_name(tower), tower.num_hidden_layers, tower.hidden_size,
                     tower.num_attention_heads, tower.intermediate_size, tower.image_size,
                     tower.image_size);
}

std::string aligner_architecture(const LlavaConfig& config) {
  return fmt::format("{}, {} to {}{}", config.projector_name(), config.mm_hidden_size,
                     config.text.hidden_size, config.has_image_newline ? ", image_newline" : "");
}

std::vector<ModuleNode::Parameter> below(const std::string& part,
                                         const std::vector<ModuleNode::Parameter>& parameters) {
  std::vector<ModuleNode::Parameter> found;
  for (const ModuleNode::Parameter& parameter : parameters)
    if (parameter.name.starts_with(part + ".")) found.push_back(parameter);
  return found;
}

PartDescription describe_adapter(const LoraConfig& lora, const StoredTensors& stored) {
  StoredTensors adapter;
  for (const auto& [name, tensor] : stored)
    if (name.find(".lora_") != std::string::npos) adapter.emplace(name, tensor);
  return describe_stored_part(
      "adapter", fmt::format("LoRA of rank {}, scaled by {}", lora.rank, lora.scaling()), adapter);
}

std::vector<StageDescription> describe_stages(const LlavaSources& sources) {
  const LlavaConfig& config = sources.model.config;
  if (!config.has_vision()) return {};
  std::vector<StageDescription> stages = {
      {"stage 1, feature alignment", {"aligner"}, {"encoder", "decoder"}}};
  if (sources.model.contents == FolderContents::kLora) {
    stages.push_back({"stage 2, LoRA", {"aligner", "adapter"}, {"encoder", "decoder"}});
  } else if (config.unfreeze_mm_vision_tower) {
    stages.push_back({"stage 2, instruction tuning", {"encoder", "aligner", "decoder"}, {}});
  } else {
    stages.push_back({"stage 2, instruction tuning", {"aligner", "decoder"}, {"encoder"}});
  }
  return stages;
}

std::string layout_name(const LlavaConfig& config) {
  switch (config.layout) {
    case LlavaLayout::kOriginal:
      return config.has_vision() ? "original LLaVA" : "plain language model";
    case LlavaLayout::kHuggingFace: return "Hugging Face LLaVA";
    case LlavaLayout::kHuggingFaceNext: return "Hugging Face LLaVA-NeXT";
  }
  return "";
}

std::string contents_name(const LlavaFolder& folder) {
  switch (folder.contents) {
    case FolderContents::kFullModel: return "full model";
    case FolderContents::kProjectorOnly: return "projector only, needs a base";
    case FolderContents::kLora: return "LoRA adapter, needs a base";
  }
  return "";
}

}  // namespace

std::optional<ClipVisionConfig> tower_of(const LlavaSources& sources) {
  if (sources.model.config.vision) return sources.model.config.vision;
  if (sources.tower.empty()) return std::nullopt;
  return load_tower_config(sources.tower);
}

LlavaDescription describe_llava(const LlavaConfig& config,
                                const std::optional<ClipVisionConfig>& tower,
                                const StoredTensors& stored) {
  LlavaDescription d{};
  const auto expected = expected_parameters(config, tower);
  const auto add_part = [&](const std::string& name, std::string architecture) {
    d.parts.push_back(
        describe_part(name, std::move(architecture), below(name, expected), stored, d));
  };
  if (config.has_vision()) {
    add_part("encoder", tower ? encoder_architecture(*tower)
                              : fmt::format("{} (not found)", config.vision_tower));
    add_part("aligner", aligner_architecture(config));
  }
  add_part("decoder", decoder_architecture(config));
  sum_parts(d);
  if (tower)
    for (const PixelSize size :
         {PixelSize{640, 480}, {480, 640}, {336, 336}, {1280, 720}, {1000, 250}})
      d.pictures.push_back(picture_path(config, *tower, size));
  d.context_len = config.context_len;
  d.max_position_embeddings = config.text.max_position_embeddings;
  d.tokenizer_model_max_length = config.tokenizer_model_max_length;
  return d;
}

LlavaDescription describe_llava(const LlavaSources& sources) {
  const LlavaFolder& model = sources.model;
  const LlavaConfig& config = model.config;
  const auto tower = tower_of(sources);
  if (tower)
    config.check_tower(*tower,
                       sources.tower.empty() ? model.path.string() : sources.tower.string());
  const StoredTensors stored = stored_tensors(sources);
  LlavaDescription d = describe_llava(config, tower, stored);
  d.name = model.name;
  d.layout = layout_name(config);
  d.contents = contents_name(model);
  // The adapter is merged into the decoder, so it adds bytes on disk but no parameters.
  if (model.lora) {
    d.parts.push_back(describe_adapter(*model.lora, stored));
    d.stored_bytes += d.parts.back().stored_bytes;
  }
  d.stages = describe_stages(sources);
  d.conversation_template = std::string(text::default_template(
      config.decoder == DecoderKind::kMistral ? "llava_mistral" : "llava_llama", model.name,
      config.layout != LlavaLayout::kOriginal));
  return d;
}

}  // namespace isthmus::layout
