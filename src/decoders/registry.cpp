#include "decoders/registry.h"

#include <string>

#include "decoders/llama.h"
#include "isthmus/error.h"

namespace isthmus::decoders {
namespace {

std::shared_ptr<LanguageModel> make_llama(const JsonView& config) {
  return std::make_shared<Llama>(layout::LlamaConfig::parse(config));
}

struct Entry {
  std::string_view model_type;
  std::shared_ptr<LanguageModel> (*make)(const JsonView& config);
};

constexpr Entry kDecoders[] = {
    {"llama", make_llama},       {"mistral", make_llama},       {"llava", make_llama},
    {"llava_llama", make_llama}, {"llava_mistral", make_llama},
};

}  // namespace

std::shared_ptr<LanguageModel> make_language_model(std::string_view model_type,
                                                   const JsonView& config) {
  std::string known;
  for (const Entry& entry : kDecoders) {
    if (entry.model_type == model_type) return entry.make(config);
    known += (known.empty() ? "" : ", ") + std::string(entry.model_type);
  }
  throw UnsupportedError(config.where() + ": no decoder for model_type \"" +
                         std::string(model_type) + "\"; this build has " + known);
}

}  // namespace isthmus::decoders
