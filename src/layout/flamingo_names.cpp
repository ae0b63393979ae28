#include "layout/flamingo_names.h"

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

namespace isthmus::layout {
namespace {

constexpr std::string_view kModule = "module.", kLanguageModel = "lang_encoder.",
                           kResampler = "perceiver.", kGated = ".gated_cross_attn_layer.",
                           kGatedList = "lang_encoder.gated_cross_attn_layers.",
                           kOldBlocks = "lang_encoder.old_decoder_blocks.",
                           kVisionEncoder = "vision_encoder.", kWrapped = ".decoder_layer.";

std::string without_module(std::string_view name) {
  std::string text(name);
  for (size_t at = text.find(kModule); at != std::string::npos; at = text.find(kModule, at))
    text.erase(at, kModule.size());
  return text;
}

// Computed, not learned; GPT-NeoX keeps them in the file.
bool is_any_buffer(std::string_view name) {
  return name.ends_with(".rotary_emb.inv_freq") || name.ends_with(".attention.bias") ||
         name.ends_with(".attention.masked_bias");
}

bool is_copy(std::string_view name) {
  return name.starts_with(kOldBlocks) || name.starts_with(kVisionEncoder);
}

// "lang_encoder.gpt_neox.layers.3.gated_cross_attn_layer.ff.1.weight" ->
// "aligner.cross_attention.3.ff.1.weight"; nullopt for any other name.
std::optional<std::string> cross_attention_name(std::string_view name) {
  if (!name.starts_with(kLanguageModel)) return std::nullopt;
  std::string_view layer, rest;
  if (name.starts_with(kGatedList)) {
    name.remove_prefix(kGatedList.size());
    const size_t dot = name.find('.');
    if (dot == std::string_view::npos) return std::nullopt;
    layer = name.substr(0, dot);
    rest = name.substr(dot + 1);
  } else {
    const size_t at = name.find(kGated);
    if (at == std::string_view::npos) return std::nullopt;
    layer = name.substr(0, at);
    layer.remove_prefix(layer.rfind('.') + 1);
    rest = name.substr(at + kGated.size());
  }
  const bool is_number =
      !layer.empty() && std::ranges::all_of(layer, [](char c) { return c >= '0' && c <= '9'; });
  if (!is_number || rest.empty()) return std::nullopt;
  return "aligner.cross_attention." + std::string(layer) + "." + std::string(rest);
}

std::optional<std::string> aligner_name(std::string_view name) {
  if (name.starts_with(kResampler) && name.size() > kResampler.size())
    return "aligner.resampler." + std::string(name.substr(kResampler.size()));
  return cross_attention_name(name);
}

// A rule for this very name. Names with braces would read as patterns; no model has any.
void add_rule(std::vector<formats::NameRule>& rules, const std::string& file_name,
              const std::string& module_name, formats::Transform transform) {
  if (file_name.find_first_of("{}") == std::string::npos &&
      module_name.find_first_of("{}") == std::string::npos)
    rules.push_back({file_name, module_name, transform});
}

// "lang_encoder.gpt_neox.layers": where the gated blocks stand; empty when they stand nowhere.
std::string blocks_of(const std::vector<std::string>& names) {
  for (const std::string& file_name : names) {
    const std::string name = without_module(file_name);
    if (name.starts_with(kGatedList) || !cross_attention_name(name)) continue;
    const std::string front = name.substr(0, name.find(kGated));
    if (front.find_first_of("{}") == std::string::npos) return front.substr(0, front.rfind('.'));
  }
  return "";
}

}  // namespace

bool is_flamingo_buffer(std::string_view file_name) {
  const std::string name = without_module(file_name);
  return is_any_buffer(name) && !is_copy(name);
}

std::optional<std::string> language_model_name(std::string_view file_name) {
  std::string name = without_module(file_name);
  if (!name.starts_with(kLanguageModel) || is_copy(name) || is_any_buffer(name) ||
      cross_attention_name(name))
    return std::nullopt;
  name.erase(0, kLanguageModel.size());
  if (const size_t at = name.find(kWrapped); at != std::string::npos)
    name.erase(at, kWrapped.size() - 1);
  return name;
}

FlamingoNames flamingo_names(const formats::Checkpoint& checkpoint,
                             const LanguageModelNames* language_model) {
  std::set<std::string> at_layers;  // module names of blocks that stand at their layers
  for (const std::string& file_name : checkpoint.names()) {
    const std::string name = without_module(file_name);
    if (name.starts_with(kGatedList)) continue;
    if (const auto module = cross_attention_name(name)) at_layers.insert(*module);
  }

  std::vector<formats::NameRule> rules;
  std::set<std::string, std::less<>> ignored;
  for (const std::string& file_name : checkpoint.names()) {
    const std::string name = without_module(file_name);
    const auto module = aligner_name(name);
    if (module && name.starts_with(kGatedList) && at_layers.contains(*module)) {
      ignored.insert(file_name);
    } else if (module) {
      if (name != file_name) add_rule(rules, file_name, *module, formats::Transform::kAsIs);
    } else if (is_any_buffer(name) || is_copy(name)) {
      ignored.insert(file_name);
    } else if (const auto own = language_model_name(file_name)) {
      if (language_model == nullptr || (language_model->ignores && language_model->ignores(*own)))
        ignored.insert(file_name);
      else if (const auto mapped = language_model->map.to_module(*own))
        add_rule(rules, file_name, mapped->name, mapped->transform);
    }
  }
  // The general rules also name what a file lacks.
  rules.push_back({"perceiver.{rest}", "aligner.resampler.{rest}"});
  if (const std::string blocks = blocks_of(checkpoint.names()); !blocks.empty())
    rules.push_back({blocks + ".{layer}.gated_cross_attn_layer.{rest}",
                     "aligner.cross_attention.{layer}.{rest}"});
  rules.push_back(
      {std::string(kGatedList) + "{layer}.{rest}", "aligner.cross_attention.{layer}.{rest}"});
  return {formats::NameMap(std::move(rules)),
          [ignored = std::move(ignored)](std::string_view name) { return ignored.contains(name); }};
}

}  // namespace isthmus::layout
