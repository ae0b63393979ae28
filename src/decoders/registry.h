// Decoders by the name that config.json gives them.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "base/json_view.h"
#include "decoders/language_model.h"

namespace isthmus::decoders {

// `model_type` as in config.json ("llama", "mpt", "gpt_neox", …). `vocab_size`: rows of the
// embedding and the head where they were resized to another number than the config's. Throws
// UnsupportedError naming an unknown type, ModelError when the config does not describe such a
// decoder. The model has no weights yet.
std::shared_ptr<LanguageModel> make_language_model(
    std::string_view model_type, const JsonView& config,
    std::optional<int64_t> vocab_size = std::nullopt);

}  // namespace isthmus::decoders
