#include "decoders/registry.h"

#include <string>

#include "decoders/gpt_neox.h"
#include "decoders/llama.h"
#include "decoders/mpt.h"
#include "decoders/opt.h"
#include "isthmus/error.h"

namespace isthmus::decoders {
namespace {

template <class Model, class Config>
std::shared_ptr<LanguageModel> make(const JsonView& config, std::optional<int64_t> vocab_size) {
  Config parsed = Config::parse(config);
  parsed.vocab_size = vocab_size.value_or(parsed.vocab_size);
  return std::make_shared<Model>(parsed);
}

struct Entry {
  std::string_view model_type;
  std::shared_ptr<LanguageModel> (*make)(const JsonView& config, std::optional<int64_t> vocab_size);
};

constexpr Entry kDecoders[] = {
    {"llama", make<Llama, layout::LlamaConfig>},
    {"mistral", make<Llama, layout::LlamaConfig>},
    {"llava", make<Llama, layout::LlamaConfig>},
    {"llava_llama", make<Llama, layout::LlamaConfig>},
    {"llava_mistral", make<Llama, layout::LlamaConfig>},
    {"mpt", make<Mpt, layout::MptConfig>},
    {"mosaic_gpt", make<Mpt, layout::MptConfig>},
    {"gpt_neox", make<GptNeox, layout::GptNeoxConfig>},
    {"opt", make<Opt, layout::OptConfig>},
};

}  // namespace

std::shared_ptr<LanguageModel> make_language_model(std::string_view model_type,
                                                   const JsonView& config,
                                                   std::optional<int64_t> vocab_size) {
  std::string known;
  for (const Entry& entry : kDecoders) {
    if (entry.model_type == model_type) return entry.make(config, vocab_size);
    known += (known.empty() ? "" : ", ") + std::string(entry.model_type);
  }
  throw UnsupportedError(config.where() + ": no decoder for model_type \"" +
                         std::string(model_type) + "\"; this build has " + known);
}

}  // namespace isthmus::decoders
