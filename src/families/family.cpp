#include "families/family.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "families/package.h"
#include "isthmus/error.h"
#include "modalities/modality.h"

namespace isthmus::families {
namespace {

bool asks_for_gradients(const torch::nn::Module& part) {
  if (!torch::GradMode::is_enabled()) return false;
  const auto parameters = part.parameters();
  return std::ranges::any_of(parameters, [](const Tensor& p) { return p.requires_grad(); });
}

}  // namespace

void require_plain_picture(const MediaSource& source) {
  const Part& part = *source.part;
  if (part.modality != modalities::Modality::kImage)
    throw UnsupportedError(
        fmt::format("{}: this model takes text and images, not {}", source.name, part.modality));
  if (part.crop || part.start || part.end || !part.rgb.empty() || !part.rgb_data.empty() ||
      !part.mask.empty() || !part.mask_data.empty() || !part.unit.empty())
    throw UsageError(fmt::format(
        "{}: this model sees whole pictures; leave out crop, rgb, start, end, unit and mask",
        source.name));
}

RecordingFor::RecordingFor(const torch::nn::Module& part) : mode_(asks_for_gradients(part)) {}

Tensor tensor_of(const modalities::Prepared& medium) {
  const Tensor view =
      torch::from_blob(const_cast<float*>(medium.values.data()), medium.shape, torch::kFloat32);
  return torch::GradMode::is_enabled() ? view.clone() : view;
}

size_t EncodedMedia::bytes() const {
  size_t total = 0;
  const auto add = [&](const Tensor& tensor) {
    if (tensor.defined()) total += tensor.nbytes();
  };
  for (const Tensor& tensor : {features, projected, tokens, routing}) add(tensor);
  if (memory != nullptr) {
    add(memory->latents);
    for (const nn::MediaKeyValue& layer : memory->layers) {
      add(layer.key);
      add(layer.value);
    }
  }
  return total;
}

std::shared_ptr<nn::KvCache> Family::new_cache(int64_t batch, int64_t max_length) {
  return std::make_shared<nn::KvCache>(language_model().cache_geometry(), batch, max_length,
                                       kv_storage_);
}

std::vector<EncodedMedia> Family::encode(std::span<const modalities::Prepared> media,
                                         nn::Probe* probe) {
  return align(features(media, probe), probe);
}

Example Family::example(const samples::Sample& sample, const ExampleOptions&) const {
  throw UnsupportedError(sample.name + ": this model is not trained on samples of this kind");
}

void Family::check_template(const ExampleOptions& options) const {
  if (!options.conversation_template.empty())
    throw UsageError(
        fmt::format("template \"{}\": this model learns texts as they are; leave the template out",
                    options.conversation_template));
}

void Family::save(const std::filesystem::path&, const OutputOptions&) {
  throw UnsupportedError("models of this family are not saved");
}

std::shared_ptr<Family> Family::with_aligner(const std::filesystem::path& folder,
                                             const LoadOptions&) const {
  throw UnsupportedError(fmt::format(
      "{}: the loaded model has no aligner that another could stand in for", folder.string()));
}

Package Family::package() const {
  throw UnsupportedError("models of this family are not written anew");
}

void Family::save_gguf(const std::filesystem::path&, GgufStorage) {
  throw UnsupportedError(
      "only LLaVA and language models of LLaMA's kind are written as GGUF files");
}

std::vector<std::vector<float>> Family::embed_images(std::span<const modalities::Prepared>) {
  throw UnsupportedError("this model has no space in which pictures are compared");
}

std::vector<Segment> prompt_segments(const Family& family, const Request& request,
                                     std::span<const int64_t> rows) {
  if (request.prompt_ids.empty()) return family.segments(request, rows);
  if (!request.prompt.empty() || !request.messages.empty())
    throw UsageError("a request has either ids of tokens or a text");
  constexpr std::array kMediaTokens{"<image>", "<im_start>", "<im_end>", "<im_patch>"};
  const auto tokenizer = family.tokenizer();
  std::vector<int64_t> media{family.media_marker()};
  for (const char* token : kMediaTokens)
    if (const auto id = tokenizer->find(token)) media.push_back(*id);
  const auto size = static_cast<int64_t>(tokenizer->vocab_size());
  for (const int64_t id : request.prompt_ids) {
    if (id < 0 || id >= size)
      throw UsageError(fmt::format("{} is no token of this model; its ids go to {}", id, size - 1));
    if (std::ranges::find(media, id) != media.end())
      throw UsageError(
          fmt::format("{} ({}) marks a medium; send the medium itself, in a prompt of "
                      "parts",
                      id, tokenizer->piece(static_cast<text::TokenId>(id))));
  }
  return {TextSegment{request.prompt_ids}};
}

}  // namespace isthmus::families
