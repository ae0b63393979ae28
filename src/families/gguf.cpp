#include "families/gguf.h"

#include <utility>
#include <vector>

#include <fmt/format.h>

#include "decoders/registry.h"
#include "families/language_model/language_model.h"
#include "families/llava/llava.h"
#include "families/package.h"
#include "families/storage.h"
#include "isthmus/error.h"
#include "layout/gguf_config.h"
#include "layout/gguf_model.h"
#include "layout/gguf_names.h"
#include "text/gguf_tokenizer.h"
#include "weights/bind.h"

namespace isthmus::families {
namespace {

using layout::GgufModel;

std::vector<weights::WeightSource> sources_of(const GgufModel& model) {
  const auto source = [](const formats::GgufFile& file, formats::NameMap names) {
    // Of a file in a bundle, where the bundle is.
    const std::string where = file.tensors().empty() ? file.path() : file.tensors().front().file;
    return weights::WeightSource{
        formats::Checkpoint::of_tensors(file.tensors(), {where}), std::move(names),
        [](std::string_view name) { return name == layout::kGgufRopeFactors; }};
  };
  std::vector<weights::WeightSource> sources;
  if (model.projector) sources.push_back(source(*model.projector, model.projector_names()));
  sources.push_back(source(model.language, layout::gguf_language_names(model.model_type)));
  return sources;
}

// Both files under names that are told apart, with their metadata as they are: from them the same
// model is read again.
std::shared_ptr<const Package> package_of(const GgufModel& model,
                                          const std::vector<weights::WeightSource>& sources) {
  Package package;
  package.name = model.name;
  package.storage_was_chosen = true;
  const auto add = [&](const std::string& name, const formats::GgufFile& file,
                       const weights::WeightSource& source) {
    package.files[name] = file.without_tensors();
    package.weights.push_back({name, source});
    package.weights.back().source.ignores = {};  // rotary frequencies are no weight, but are read
  };
  if (model.projector) add("mmproj-" + model.name + ".gguf", *model.projector, sources.front());
  add(model.name + ".gguf", model.language, sources.back());
  return std::make_shared<const Package>(std::move(package));
}

std::shared_ptr<const text::Tokenizer> tokenizer_of(const GgufModel& model, int64_t rows) {
  auto tokenizer = text::load_gguf_tokenizer(model.language);
  const auto tokens = static_cast<int64_t>(model.language.texts("tokenizer.ggml.tokens").size());
  if (tokens != rows)
    throw ModelError(
        fmt::format("{}: tokenizer.ggml.tokens: {} tokens, token_embd.weight has {} rows; one for "
                    "each is expected",
                    model.language.path(), tokens, rows));
  return tokenizer;
}

weights::BindOptions bind_options(const GgufModel& model, const LoadOptions& load,
                                  std::vector<std::pair<std::string, int64_t>> dimensions) {
  weights::BindOptions options = storage_options(load);
  options.config = model.language.path();
  options.dimensions = std::move(dimensions);
  if (model.tower)
    options.dimensions.emplace_back("clip.vision.embedding_length", model.tower->hidden_size);
  return options;
}

std::shared_ptr<Family> load_llava(const GgufModel& model, const LoadOptions& options) {
  llava::LlavaSettings settings;
  settings.config = layout::LlavaConfig::parse(model.config);
  settings.tower = model.tower;
  const layout::LlamaConfig& text = settings.config.text;
  settings.tokenizer = tokenizer_of(model, text.vocab_size);
  if (model.preprocessor) set_preprocessing(settings, model.config, *model.preprocessor);
  settings.prompts.layout = settings.config.layout;
  settings.prompts.default_template = model.conversation_template;
  const auto sources = sources_of(model);
  settings.fingerprint = fingerprint_of(sources);
  settings.gguf = package_of(model, sources);
  auto modules = std::make_shared<llava::LlavaModules>(settings.config, settings.tower);
  weights::bind_weights(*modules, sources,
                        bind_options(model, options,
                                     {{"embedding_length", text.hidden_size},
                                      {"feed_forward_length", text.intermediate_size},
                                      {"vocabulary", text.vocab_size}}));
  return std::make_shared<llava::Llava>(std::move(settings), std::move(modules));
}

std::shared_ptr<Family> load_plain(const GgufModel& model, const LoadOptions& options) {
  auto shape = layout::LanguageModelShape::parse(model.model_type, model.config);
  auto tokenizer = tokenizer_of(model, shape.vocab_size);
  language_model::PlainSettings settings{.model_type = model.model_type,
                                         .config = model.config,
                                         .shape = shape,
                                         .tokenizer = tokenizer,
                                         .eos_ids = {},
                                         .vocab_size = shape.vocab_size,
                                         .fingerprint = {},
                                         .package = {}};
  if (const auto end = tokenizer->eos_id()) settings.eos_ids.push_back(*end);
  torch::nn::Module root("LanguageModel");
  const auto decoder = root.register_module(
      "decoder", decoders::make_language_model(model.model_type, model.config));
  const auto sources = sources_of(model);
  weights::bind_weights(root, sources,
                        bind_options(model, options,
                                     {{"embedding_length", shape.hidden_size},
                                      {"feed_forward_length", shape.intermediate_size},
                                      {"vocabulary", shape.vocab_size}}));
  settings.fingerprint = fingerprint_of(sources);
  settings.package = package_of(model, sources);
  return std::make_shared<language_model::PlainLanguageModel>(std::move(settings), decoder);
}

}  // namespace

std::shared_ptr<Family> load_gguf(const std::filesystem::path& path, const LoadOptions& options) {
  const auto model = GgufModel::open(layout::find_gguf(path, options.vision));
  return model.is_llama() ? load_llava(model, options) : load_plain(model, options);
}

}  // namespace isthmus::families
