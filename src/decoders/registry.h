// Decoders by the name that config.json gives them.
#pragma once

#include <memory>
#include <string_view>

#include "base/json_view.h"
#include "decoders/language_model.h"

namespace isthmus::decoders {

// `model_type` as in config.json ("llama", "mistral", "llava_llama", …). Throws UnsupportedError
// naming an unknown one, ModelError when the config does not describe such a decoder. The model has
// no weights yet.
std::shared_ptr<LanguageModel> make_language_model(std::string_view model_type,
                                                   const JsonView& config);

}  // namespace isthmus::decoders
