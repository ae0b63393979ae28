#include "layout/describe_gguf.h"

#include <utility>

#include <nlohmann/json.hpp>

#include "layout/gguf_config.h"
#include "layout/gguf_names.h"
#include "layout/language_model_tree.h"
#include "layout/llava_config.h"
#include "layout/llava_module_tree.h"

namespace isthmus::layout {

namespace {

void read_headers(const formats::GgufFile& file, const formats::NameMap& names,
                  StoredTensors& into) {
  for (const formats::RawTensor& tensor : file.tensors())
    if (const auto mapped = names.to_module(tensor.name))
      into[mapped->name] = {tensor.shape, tensor.dtype, tensor.file, tensor.blocks};
}

StoredTensors stored_tensors(const GgufModel& model) {
  StoredTensors stored;
  read_headers(model.language, gguf_language_names(model.model_type), stored);
  if (model.projector) read_headers(*model.projector, model.projector_names(), stored);
  return stored;
}

template <typename Description>
Description named(Description description, const GgufModel& model) {
  description.name = model.name;
  description.layout = "llama.cpp";
  description.contents = model.projector ? "model and mmproj" : "language model";
  return description;
}

}  // namespace

void GgufDescription::show_picture(const GgufModel& model, PixelSize size) {
  if (auto* llava = std::get_if<LlavaDescription>(&of); llava != nullptr && model.tower)
    llava->pictures = {picture_path(LlavaConfig::parse(model.config), *model.tower, size)};
}

GgufDescription describe_gguf(const GgufModel& model) {
  const StoredTensors stored = stored_tensors(model);
  if (!model.is_llama()) {
    auto description =
        named(describe_language_model(model.model_type, model.config, stored), model);
    ModuleNode tree = description.module_tree;
    return {std::move(description), std::move(tree)};
  }
  const LlavaConfig config = LlavaConfig::parse(model.config);
  auto description = named(describe_llava(config, model.tower, stored), model);
  description.conversation_template = model.conversation_template;
  return {std::move(description), llava_module_tree(config, model.tower)};
}

std::string to_text(const GgufDescription& description) {
  return std::visit([](const auto& of) { return to_text(of); }, description.of);
}

nlohmann::json to_json(const GgufDescription& description) {
  return std::visit([](const auto& of) { return to_json(of); }, description.of);
}

}  // namespace isthmus::layout
