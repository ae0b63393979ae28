#include "layout/describe_language_model.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "formats/checkpoint.h"
#include "layout/decoder_names.h"
#include "layout/language_model_shape.h"
#include "layout/language_model_tree.h"
#include "layout/llava_folder.h"

namespace isthmus::layout {

LanguageModelDescription describe_language_model(const std::filesystem::path& folder) {
  const JsonView config = JsonView::load(folder / "config.json");
  const std::string type = config.string("model_type");
  const auto checkpoint = formats::Checkpoint::open(folder);
  const DecoderNames names = decoder_names(type, config);
  const formats::NameMap map = names.map();

  StoredTensors stored;
  for (const std::string& name : checkpoint.names()) {
    const auto mapped = names.ignores(name) ? std::nullopt : map.to_module(name);
    if (!mapped) continue;
    const formats::RawTensor& tensor = checkpoint.at(name);
    stored[mapped->name] = {tensor.shape, tensor.dtype, folder};
  }

  LanguageModelDescription d = describe_language_model(type, config, stored);
  d.name = model_name_from_path(folder);
  d.layout = "plain language model";
  d.contents = "full model";
  return d;
}

LanguageModelDescription describe_language_model(std::string_view type, const JsonView& config,
                                                 const StoredTensors& stored) {
  const LanguageModelShape shape = LanguageModelShape::parse(type, config);
  LanguageModelDescription d{};
  d.parts = {
      describe_part("decoder", shape.architecture(), expected_parameters(type, config), stored, d)};
  sum_parts(d);
  d.context_length = shape.context_length;
  constexpr int64_t kFloatBytes = 4;
  d.cache_bytes_per_token = shape.cache_bytes(kFloatBytes);
  d.module_tree = language_model_tree(type, config).model;
  return d;
}

std::string to_text(const LanguageModelDescription& d) {
  return fmt::format("{}\ncontext  {} tokens, {} of keys and values each in float32\n{}",
                     parts_text(d), d.context_length, bytes_text(d.cache_bytes_per_token),
                     problems_text(d));
}

nlohmann::json to_json(const LanguageModelDescription& d) {
  nlohmann::json json = parts_json(d);
  json["context_length"] = d.context_length;
  json["cache_bytes_per_token"] = d.cache_bytes_per_token;
  return json;
}

}  // namespace isthmus::layout
