#include "families/language_model/load.h"

#include <utility>

#include "decoders/registry.h"
#include "families/language_model/language_model.h"
#include "families/package.h"
#include "families/storage.h"
#include "formats/checkpoint.h"
#include "layout/decoder_names.h"
#include "layout/flamingo_folder.h"
#include "layout/llava_folder.h"
#include "weights/bind.h"

namespace isthmus::families::language_model {
namespace {

// The module tree below `decoder.`, as every family names it.
class PlainModules : public torch::nn::Module {
 public:
  explicit PlainModules(std::shared_ptr<decoders::LanguageModel> model)
      : decoder(register_module("decoder", std::move(model))) {}
  std::shared_ptr<decoders::LanguageModel> decoder;
};

std::vector<int64_t> eos_ids(const std::filesystem::path& folder, const JsonView& config,
                             const text::Tokenizer& tokenizer) {
  const auto generation = folder / "generation_config.json";
  for (const JsonView& json : std::filesystem::exists(generation)
                                  ? std::vector<JsonView>{JsonView::load(generation), config}
                                  : std::vector<JsonView>{config}) {
    const auto eos = json.find("eos_token_id");
    if (!eos) continue;
    if (!eos->is_array()) return {eos->as_integer()};
    std::vector<int64_t> ids;
    for (const JsonView& id : eos->elements()) ids.push_back(id.as_integer());
    return ids;
  }
  if (const auto id = tokenizer.eos_id()) return {*id};
  return {};
}

}  // namespace

bool is_plain(const std::filesystem::path& model) {
  const auto type = layout::language_model_type(model);
  return type && *type != "llama" && *type != "mistral";
}

std::shared_ptr<Family> load(const std::filesystem::path& folder, const LoadOptions& options) {
  const JsonView config = JsonView::load(folder / "config.json");
  const std::string type = config.string("model_type");
  auto tokenizer = text::Tokenizer::load(folder, {.prefer_fast = true});
  PlainSettings settings{.model_type = type,
                         .config = config,
                         .shape = layout::LanguageModelShape::parse(type, config),
                         .tokenizer = tokenizer,
                         .eos_ids = eos_ids(folder, config, *tokenizer),
                         .vocab_size = 0,
                         .fingerprint = {},
                         .package = {}};
  settings.vocab_size = settings.shape.vocab_size;
  PlainModules modules(decoders::make_language_model(type, config, settings.vocab_size));
  const layout::DecoderNames names = layout::decoder_names(type, config);
  weights::BindOptions bind = storage_options(options);
  bind.config = (folder / "config.json").string();
  bind.dimensions = {{"hidden_size", settings.shape.hidden_size},
                     {"intermediate_size", settings.shape.intermediate_size},
                     {"vocab_size", settings.vocab_size}};
  const weights::WeightSource source{formats::Checkpoint::open(folder), names.map(), names.ignores};
  weights::bind_weights(modules, std::span(&source, 1), bind);
  settings.fingerprint = fingerprint_of(std::span(&source, 1));
  Package package;
  package.name = layout::model_name_from_path(folder);
  package.add_files(folder, "");
  package.weights.push_back({"model.safetensors", source});
  settings.package = std::make_shared<const Package>(std::move(package));
  return std::make_shared<PlainLanguageModel>(std::move(settings), modules.decoder);
}

}  // namespace isthmus::families::language_model
