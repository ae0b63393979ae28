// The public API over the engine.
#include <ostream>

#include "base/check.h"
#include "engine/load.h"
#include "isthmus/error.h"
#include "isthmus/model.h"
#include "layout/llava_folder.h"

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

std::ostream& operator<<(std::ostream& stream, const Model& model) {
  return stream << model.impl->engine->family().print();
}

Pretrained load_pretrained_model(const std::string& model_path, const std::string& model_base,
                                 const std::string& model_name, const LoadOptions& options) {
  auto model = std::make_shared<Model::Impl>();
  model->engine = engine::load_engine(model_path, model_base, model_name, options);
  const int64_t context_len = model->engine->family().reference_context_len();
  Pretrained pretrained;
  pretrained.tokenizer.impl = std::make_shared<const Tokenizer::Impl>(Tokenizer::Impl{model});
  pretrained.image_processor.impl =
      std::make_shared<const ImageProcessor::Impl>(ImageProcessor::Impl{model});
  pretrained.model.impl = std::move(model);
  pretrained.context_len = context_len;
  return pretrained;
}

std::string get_model_name_from_path(const std::string& model_path) {
  return layout::model_name_from_path(model_path);
}

}  // namespace isthmus
