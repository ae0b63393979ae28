#include "families/language_model/language_model.h"

#include <utility>

#include <fmt/format.h>

#include "families/package.h"
#include "isthmus/error.h"
#include "layout/language_model_tree.h"

namespace isthmus::families::language_model {

PlainLanguageModel::PlainLanguageModel(PlainSettings settings,
                                       std::shared_ptr<decoders::LanguageModel> decoder)
    : settings_(std::move(settings)),
      decoder_(std::move(decoder)),
      modules_(std::make_shared<torch::nn::Module>("LanguageModel")) {
  modules_->register_module("decoder", decoder_);
}

modalities::Prepared PlainLanguageModel::prepare(const MediaSource& source) const {
  throw UsageError(fmt::format("{}: this model is a language model alone; it takes text, not {}",
                               source.name, source.part->modality));
}

std::vector<MediaFeatures> PlainLanguageModel::features(std::span<const modalities::Prepared>,
                                                        nn::Probe*) {
  return {};
}

std::vector<EncodedMedia> PlainLanguageModel::align(std::span<const MediaFeatures>, nn::Probe*) {
  return {};
}

std::vector<Segment> PlainLanguageModel::segments(const Request& request,
                                                  std::span<const int64_t>) const {
  std::vector<text::TextSpan> spans;
  const auto add = [&](const std::vector<Part>& parts) {
    for (const Part& part : parts) {
      const bool is_token = part.type == Part::Type::kToken;
      if (is_token) {
        const auto id = settings_.tokenizer->find(part.text);
        if (!id || !settings_.tokenizer->is_special(*id))
          throw UsageError(fmt::format("\"{}\" is no special token of this model", part.text));
      }
      spans.push_back({part.text, is_token});
    }
  };
  for (const Message& message : request.messages) add(message.content);
  add(request.prompt);
  std::vector<int64_t> ids = settings_.tokenizer->encode(spans, /*add_bos=*/true);
  if (ids.empty()) throw UsageError("the prompt is empty");
  return {TextSegment{std::move(ids)}};
}

std::vector<int64_t> PlainLanguageModel::displayed_ids(std::span<const Segment> segments,
                                                       std::span<const int64_t>) const {
  return std::get<TextSegment>(segments.front()).ids;
}

StopRules PlainLanguageModel::stop_rules(const Request&) const { return {settings_.eos_ids, {}}; }

std::vector<int64_t> PlainLanguageModel::seen_before(std::span<const Segment> segments) const {
  return displayed_ids(segments, {});
}

std::string PlainLanguageModel::print() const {
  return layout::to_string(
      layout::language_model_tree(settings_.model_type, settings_.config, settings_.vocab_size)
          .model);
}

Package PlainLanguageModel::package() const { return *settings_.package; }

}  // namespace isthmus::families::language_model
