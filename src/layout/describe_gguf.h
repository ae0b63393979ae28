// What `isthmus describe` says of a model in GGUF files besides its module tree.
#pragma once

#include <string>
#include <variant>

#include <nlohmann/json_fwd.hpp>

#include "layout/describe_language_model.h"
#include "layout/describe_llava.h"
#include "layout/gguf_model.h"

namespace isthmus::layout {

struct GgufDescription {
  std::variant<LlavaDescription, LanguageModelDescription> of;
  ModuleNode module_tree;

  // The way of a picture of this size in place of the usual ones; nothing for a model without eyes.
  void show_picture(const GgufModel& model, PixelSize size);
};

// From metadata and headers alone. A tensor that is missing or misshapen is listed.
GgufDescription describe_gguf(const GgufModel& model);

std::string to_text(const GgufDescription& description);
nlohmann::json to_json(const GgufDescription& description);

}  // namespace isthmus::layout
