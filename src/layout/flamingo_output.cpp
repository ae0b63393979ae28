#include "layout/flamingo_output.h"

#include <algorithm>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

namespace isthmus::layout {
namespace {

constexpr const char* kPrefix = "lang_encoder.";

std::vector<formats::NameRule> rules_of(const DecoderNames& decoder) {
  const std::string block = decoder.blocks + ".{i}.";
  std::vector<formats::NameRule> rules = {
      {"perceiver.{rest}", "aligner.resampler.{rest}"},
      {decoder.blocks + ".{layer}.gated_cross_attn_layer.{rest}",
       "aligner.cross_attention.{layer}.{rest}"},
  };
  for (formats::NameRule rule : decoder.rules) {
    if (rule.file_pattern.starts_with(block))
      rule.file_pattern.insert(block.size(), "decoder_layer.");
    rules.push_back(std::move(rule));
  }
  return rules;
}

std::string path_of(const std::filesystem::path& path) {
  std::error_code ignored;
  return std::filesystem::weakly_canonical(path, ignored).string();
}

}  // namespace

FlamingoOutputNames::FlamingoOutputNames(const std::string& model_type, const JsonView& config)
    : map({}), decoder(decoder_names(model_type, config, kPrefix)) {
  map = formats::NameMap(rules_of(decoder));
}

bool FlamingoOutputNames::keeps_frozen(std::string_view slot) const {
  if (std::ranges::find(decoder.vocabulary, slot) != decoder.vocabulary.end()) return true;
  const auto file = map.to_file(slot);
  return file && file->name.starts_with(kPrefix) &&
         file->name.find("gated_cross_attn_layer") == std::string::npos &&
         file->name.find("embed") != std::string::npos;
}

nlohmann::json flamingo_json(const FlamingoModel& model) {
  const FlamingoSources& sources = model.sources;
  nlohmann::json json{{"family", "flamingo"},
                      {"vision", path_of(sources.vision)},
                      {"language_model", path_of(sources.language_model)},
                      {"checkpoint", "checkpoint.pt"},
                      {"cross_attn_every_n_layers", model.config.cross_attn_every_n_layers}};
  if (!sources.tokenizer.empty()) json["tokenizer"] = path_of(sources.tokenizer);
  if (!sources.only_attend_immediate_media) json["only_attend_immediate_media"] = false;
  if (sources.vision_ln_post) json["vision_ln_post"] = true;
  return json;
}

}  // namespace isthmus::layout
