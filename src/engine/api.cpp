// The public API over the engine.
#include <algorithm>
#include <ostream>
#include <utility>

#include <fmt/format.h>

#include "base/json_view.h"
#include "engine/literal_prompt.h"
#include "engine/load.h"
#include "families/flamingo/load.h"
#include "isthmus/error.h"
#include "isthmus/flamingo.h"
#include "isthmus/model.h"
#include "layout/decoder_names.h"
#include "layout/flamingo_folder.h"
#include "layout/llava_folder.h"
#include "layout/model_locator.h"

namespace isthmus {

// The three handles share one engine; the two that only read may be used while it answers.
struct Model::Impl {
  std::unique_ptr<engine::Engine> engine;
};
struct Tokenizer::Impl {
  std::shared_ptr<Model::Impl> model;
  std::shared_ptr<const text::Tokenizer> tokenizer() const {
    return model->engine->family().tokenizer();
  }
};
struct ImageProcessor::Impl {
  std::shared_ptr<Model::Impl> model;
};

std::vector<int64_t> Tokenizer::encode(std::string_view text, bool add_bos) const {
  const text::TextSpan user{text, false};
  return impl->tokenizer()->encode(std::span(&user, 1), add_bos);
}

std::string Tokenizer::decode(std::span<const int64_t> ids, bool skip_special_tokens) const {
  return impl->tokenizer()->decode(ids, skip_special_tokens);
}

size_t Tokenizer::vocab_size() const { return impl->tokenizer()->vocab_size(); }

Pixels ImageProcessor::operator()(const std::filesystem::path& image) const {
  const Part part = Part::of_image(image);
  modalities::Prepared prepared = impl->model->engine->family().prepare({&part, image.string()});
  return {std::move(prepared.values), std::move(prepared.shape)};
}

Answer Model::generate(const Request& request, const TextCallback& on_text) const {
  return impl->engine->generate(request, on_text);
}

std::vector<Answer> Model::generate_batch(std::span<const Request> requests) const {
  return impl->engine->generate_batch(requests);
}

std::vector<std::vector<double>> Model::rank(std::span<const Request> contexts,
                                             std::span<const std::string> class_names) const {
  return impl->engine->rank(contexts, class_names);
}

std::vector<std::vector<float>> Model::image_embeddings(
    std::span<const std::filesystem::path> images) const {
  return impl->engine->embed_images(images);
}

std::string Model::fingerprint() const { return impl->engine->family().fingerprint(); }

std::ostream& operator<<(std::ostream& stream, const Model& model) {
  return stream << model.impl->engine->family().print();
}

namespace {

Pretrained handles(std::unique_ptr<engine::Engine> engine) {
  auto model = std::make_shared<Model::Impl>();
  model->engine = std::move(engine);
  Pretrained pretrained;
  pretrained.context_len = model->engine->family().reference_context_len();
  pretrained.tokenizer.impl = std::make_shared<const Tokenizer::Impl>(Tokenizer::Impl{model});
  pretrained.image_processor.impl =
      std::make_shared<const ImageProcessor::Impl>(ImageProcessor::Impl{model});
  pretrained.model.impl = std::move(model);
  return pretrained;
}

// The weights' file when it is named, else the name of the architecture; both name the same model
// for OpenAI's own.
std::string vision_name(const std::string& path, const std::string& pretrained) {
  return pretrained.empty() || pretrained == "openai" ? path : pretrained;
}

}  // namespace

Pretrained load_pretrained_model(const std::string& model_path, const std::string& model_base,
                                 const std::string& model_name, const LoadOptions& options) {
  return handles(engine::load_engine(model_path, model_base, model_name, options));
}

std::tuple<Model, ImageProcessor, Tokenizer> create_model_and_transforms(
    const std::string& clip_vision_encoder_path, const std::string& clip_vision_encoder_pretrained,
    const std::string& lang_encoder_path, const std::string& tokenizer_path,
    int64_t cross_attn_every_n_layers, bool /*use_local_files*/,
    const std::string& decoder_layers_attr_name, bool /*freeze_lm_embeddings*/,
    const std::string& cache_dir, const std::string& checkpoint, const LoadOptions& options) {
  if (cross_attn_every_n_layers < 1)
    throw UsageError(fmt::format("cross_attn_every_n_layers: expected 1 or more, found {}",
                                 cross_attn_every_n_layers));
  auto locator = layout::ModelLocator::from_environment();
  if (!cache_dir.empty()) locator.hub_cache = cache_dir;
  const layout::FlamingoSources sources = layout::assemble_flamingo(
      {vision_name(clip_vision_encoder_path, clip_vision_encoder_pretrained), lang_encoder_path,
       tokenizer_path, checkpoint, cross_attn_every_n_layers},
      locator);
  const auto config = JsonView::load(sources.language_model / "config.json");
  const std::string blocks = layout::decoder_names(config.string("model_type"), config).blocks;
  if (!decoder_layers_attr_name.empty() && decoder_layers_attr_name != blocks)
    throw UsageError(fmt::format("decoder_layers_attr_name: the blocks of {} are {}, not {}",
                                 lang_encoder_path, blocks, decoder_layers_attr_name));
  Pretrained all = handles(
      engine::load_engine([&] { return families::flamingo::load(sources, options); }, options));
  return {std::move(all.model), std::move(all.image_processor), std::move(all.tokenizer)};
}

Request flamingo_prompt(const std::string& text, std::span<const std::filesystem::path> images) {
  static const std::vector<std::string> kTokens{"<image>", "<|endofchunk|>"};
  size_t shown = 0;
  Request request;
  request.prompt = engine::split_at_markers(text, {images.begin(), images.end()}, shown, kTokens);
  const auto lone = std::ranges::count_if(request.prompt, [](const Part& part) {
    return part.type == Part::Type::kToken && part.text == kTokens.front();
  });
  if (lone > 0 || shown != images.size())
    throw UsageError(
        fmt::format("the prompt has {} <image>, but {} pictures are given; each "
                    "<image> stands for one picture, in order",
                    shown + static_cast<size_t>(lone), images.size()));
  return request;
}

std::string get_model_name_from_path(const std::string& model_path) {
  return layout::model_name_from_path(model_path);
}

}  // namespace isthmus
