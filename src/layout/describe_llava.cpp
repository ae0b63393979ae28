#include "layout/describe_llava.h"

#include <algorithm>
#include <map>
#include <set>
#include <string_view>

#include <fmt/format.h>

#include "base/dtype.h"
#include "formats/checkpoint.h"
#include "layout/llava_module_tree.h"
#include "layout/llava_names.h"
#include "text/conversation.h"

namespace isthmus::layout {

namespace fs = std::filesystem;

namespace {

struct StoredTensor {
  Shape shape;
  DType dtype;
  fs::path source;
};

using StoredTensors = std::map<std::string, StoredTensor>;  // by module name

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

void note_stored(const StoredTensor& tensor, std::set<std::string>& dtypes, PartDescription& part) {
  // Shapes are those of files that were checked when opened.
  part.stored_bytes +=
      num_elements(tensor.shape).value_or(0) * static_cast<int64_t>(size_of(tensor.dtype));
  dtypes.insert(std::string(name_of(tensor.dtype)));
  part.source = tensor.source.string();
}

PartDescription describe_part(const std::string& name, std::string architecture,
                              const std::vector<ModuleNode::Parameter>& expected,
                              const StoredTensors& stored, LlavaDescription& whole) {
  PartDescription part{};
  part.name = name;
  part.architecture = std::move(architecture);
  std::set<std::string> dtypes;
  std::vector<std::string> problems;
  bool any_stored = false;
  for (const auto& [parameter, shape] : expected) {
    if (!parameter.starts_with(name + ".")) continue;
    ++part.num_tensors;
    part.num_parameters += num_elements(shape).value_or(0);
    const auto found = stored.find(parameter);
    if (found == stored.end()) {
      problems.push_back(fmt::format("{}: missing", parameter));
      continue;
    }
    any_stored = true;
    note_stored(found->second, dtypes, part);
    if (found->second.shape != shape)
      problems.push_back(fmt::format("{} is {}, the config needs {}", parameter,
                                     isthmus::to_string(found->second.shape),
                                     isthmus::to_string(shape)));
  }
  part.dtypes.assign(dtypes.begin(), dtypes.end());
  // A part no file holds is said once, by its empty source.
  if (any_stored) {
    whole.num_problems += static_cast<int64_t>(problems.size());
    constexpr size_t kMostShown = 10;
    for (const std::string& problem : problems)
      if (whole.problems.size() < kMostShown) whole.problems.push_back(problem);
  }
  return part;
}

PartDescription describe_adapter(const LoraConfig& lora, const StoredTensors& stored) {
  PartDescription part{};
  part.name = "adapter";
  part.architecture = fmt::format("LoRA of rank {}, scaled by {}", lora.rank, lora.scaling());
  std::set<std::string> dtypes;
  for (const auto& [name, tensor] : stored) {
    if (name.find(".lora_") == std::string::npos) continue;
    ++part.num_tensors;
    part.num_parameters += num_elements(tensor.shape).value_or(0);
    note_stored(tensor, dtypes, part);
  }
  part.dtypes.assign(dtypes.begin(), dtypes.end());
  return part;
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

LlavaDescription describe_llava(const LlavaSources& sources) {
  const LlavaFolder& model = sources.model;
  const LlavaConfig& config = model.config;
  const auto tower = tower_of(sources);
  if (tower)
    config.check_tower(*tower,
                       sources.tower.empty() ? model.path.string() : sources.tower.string());

  LlavaDescription d{};
  d.name = model.name;
  d.layout = layout_name(config);
  d.contents = contents_name(model);
  const auto expected = expected_parameters(config, tower);
  const StoredTensors stored = stored_tensors(sources);
  if (config.has_vision()) {
    d.parts.push_back(describe_part(
        "encoder",
        tower ? encoder_architecture(*tower) : fmt::format("{} (not found)", config.vision_tower),
        expected, stored, d));
    d.parts.push_back(describe_part("aligner", aligner_architecture(config), expected, stored, d));
  }
  d.parts.push_back(describe_part("decoder", decoder_architecture(config), expected, stored, d));
  for (const PartDescription& part : d.parts) {
    d.num_parameters += part.num_parameters;
    d.num_tensors += part.num_tensors;
    d.stored_bytes += part.stored_bytes;
  }
  // The adapter is merged into the decoder, so it adds bytes on disk but no parameters.
  if (model.lora) {
    d.parts.push_back(describe_adapter(*model.lora, stored));
    d.stored_bytes += d.parts.back().stored_bytes;
  }
  d.stages = describe_stages(sources);
  if (tower)
    for (const PixelSize size :
         {PixelSize{640, 480}, {480, 640}, {336, 336}, {1280, 720}, {1000, 250}})
      d.pictures.push_back(picture_path(config, *tower, size));
  d.context_len = config.context_len;
  d.max_position_embeddings = config.text.max_position_embeddings;
  d.tokenizer_model_max_length = config.tokenizer_model_max_length;
  d.conversation_template = std::string(text::default_template(
      config.decoder == DecoderKind::kMistral ? "llava_mistral" : "llava_llama", model.name,
      config.layout != LlavaLayout::kOriginal));
  return d;
}

}  // namespace isthmus::layout
