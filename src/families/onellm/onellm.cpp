#include "families/onellm/onellm.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/atomic_file.h"
#include "base/check.h"
#include "families/documents.h"
#include "families/onellm/examples.h"
#include "families/onellm/load.h"
#include "families/onellm/prepare.h"
#include "families/onellm/prompts.h"
#include "families/onellm/save.h"
#include "families/template_check.h"
#include "isthmus/error.h"

namespace isthmus::families::onellm {
namespace {

constexpr const char* kDecodeOffsetIgnoresTags = "decode_offset_ignores_tags";
constexpr const char* kKeepsEndOfLongPrompt = "keeps_end_of_long_prompt";
constexpr int64_t kTags = 2;  // one before the soft tokens of a medium, one behind

bool quirk(const GenerationConfig& config, const char* name, bool fallback) {
  const auto found = config.quirks.find(name);
  return found == config.quirks.end() ? fallback : found->second;
}

// Frames, or windows, stand where the encoder wants items; everything else is one item.
Tensor encoder_input(const modalities::Prepared& medium, const layout::ModalityConfig& modality) {
  const Tensor values = tensor_of(medium);
  const auto own = static_cast<int64_t>(std::max<size_t>(modality.kernel.size(), 1)) + 1;
  const bool in_items = !modality.has_tokenizer() || values.dim() > own;
  return in_items ? values : values.unsqueeze(0);
}

// Small media go through the encoder together: alone they are too little work.
constexpr int64_t kRowsAtOnce = 1024;
constexpr size_t kValuesAtOnce = size_t{1} << 19;

size_t end_of_batch(std::span<const modalities::Prepared> media, size_t begin) {
  const modalities::Prepared& first = media[begin];
  size_t end = begin + 1;
  while (end < media.size() && media[end].modality == first.modality &&
         media[end].shape == first.shape &&
         (end - begin + 1) * first.values.size() <= kValuesAtOnce)
    ++end;
  return end;
}

// What is not here follows from the shapes of the weights.
std::string media_settings_of(const layout::OneLlmModel& model) {
  const layout::OneLlmConfig& config = model.config;
  const std::string options = model.sources.options.empty() ? "" : read_file(model.sources.options);
  return fmt::format("{} {} {} {} {} {} {}", config.encoder.image_size, config.encoder.patch_size,
                     config.encoder.heads, config.projection.heads, config.projection.rms_norm_eps,
                     fmt::join(config.projection.experts, " "), options);
}

}  // namespace

OneLlmModules::OneLlmModules(const layout::OneLlmConfig& config) {
  if (!config.is_language_model()) {
    encoder =
        register_module("encoder", encoders::UniversalEncoder(config.encoder, config.modalities));
    aligner = register_module("aligner", std::make_shared<aligners::UniversalProjection>(
                                             config.projection, config.modalities));
  }
  decoder = register_module("decoder", std::make_shared<decoders::Llama>(config.language));
}

OneLlmModules::OneLlmModules(const layout::OneLlmConfig& config, const OneLlmModules& other,
                             bool own_encoder)
    : encoder(own_encoder ? encoders::UniversalEncoder(config.encoder, config.modalities)
                          : other.encoder),
      aligner(
          std::make_shared<aligners::UniversalProjection>(config.projection, config.modalities)),
      decoder(other.decoder) {
  register_module("encoder", encoder);
  register_module("aligner", aligner);
  register_module("decoder", decoder);
}

OneLlm::OneLlm(layout::OneLlmModel model, std::shared_ptr<OneLlmModules> modules,
               std::string fingerprint, std::string feature_fingerprint)
    : model_(std::move(model)),
      modules_(std::move(modules)),
      fingerprint_(std::move(fingerprint)),
      feature_fingerprint_(std::move(feature_fingerprint)),
      media_settings_(media_settings_of(model_)) {}

std::shared_ptr<Family> OneLlm::with_aligner(const std::filesystem::path& folder,
                                             const LoadOptions& options) const {
  return load_beside(*this, folder, options);
}

modalities::Prepared OneLlm::prepare(const MediaSource& source) const {
  return onellm::prepare(source, model_.config);
}

void OneLlm::check_template(const ExampleOptions& options) const {
  if (!options.conversation_template.empty())
    throw UsageError(
        fmt::format("template \"{}\": OneLLM has one form of captions and one of conversations, "
                    "told from the sample; leave the template out",
                    options.conversation_template));
  TemplateCheck check("of OneLLM", *model_.tokenizer);
  check.begins("media stand behind it");
  check.ends("it closes every example");
  check.finish();
}

Example OneLlm::example(const samples::Sample& sample, const ExampleOptions& options) const {
  const text::Tokenizer& tokenizer = *model_.tokenizer;
  const bool captions = sample.turns.empty();
  std::vector<const Part*> media;
  for (const Part& part : captions ? sample.document : sample.media)
    if (part.type == Part::Type::kMedia) media.push_back(&part);
  const int64_t longest = options.max_length > 0 ? options.max_length
                          : captions             ? kCaptionLength
                                                 : kConversationLength;
  // A conversation leaves room for the rows of its media.
  int64_t rows = 0;
  for (const Part* part : media)
    if (!captions)
      rows += layout::find_modality(model_.config.modalities, part->modality, sample.name)
                  .resample_tokens;
  Example example;
  example.segments = with_labels(captions ? label_caption(sample, tokenizer, longest)
                                          : label_conversation(sample, tokenizer, longest - rows),
                                 media.size());
  weigh_answers(sample, example.segments);
  try {
    for (const Part* part : media) example.media.push_back(prepare({part, sample.name}));
  } catch (const InputError& error) {
    throw samples::BadSample(sample.name, error.what());
  }
  return example;
}

std::vector<MediaFeatures> OneLlm::features(std::span<const modalities::Prepared> media,
                                            nn::Probe* probe) {
  std::vector<MediaFeatures> features;
  if (media.empty()) return features;
  const RecordingFor recording(*modules_->encoder);
  nn::ForwardContext context;
  context.probe = probe;
  for (size_t begin = 0; begin < media.size();) {
    const auto& modality =
        layout::find_modality(model_.config.modalities, media[begin].modality, model_.sources.name);
    // A probe sees one medium after the other.
    const size_t end = probe != nullptr ? begin + 1 : end_of_batch(media, begin);
    std::vector<Tensor> inputs;
    for (const modalities::Prepared& medium : media.subspan(begin, end - begin))
      inputs.push_back(encoder_input(medium, modality));
    const auto count = static_cast<int64_t>(end - begin);
    const Tensor values = modules_->encoder
                              ->forward(count == 1 ? inputs.front() : torch::cat(inputs),
                                        modality.key, context, count)
                              .values;
    for (size_t i = begin; i < end; ++i)
      features.push_back(
          {values.narrow(0, static_cast<int64_t>(i - begin), 1), modality.key, media[i].geometry});
    begin = end;
  }
  return features;
}

std::string OneLlm::feature_modality(const std::string& modality) const {
  return layout::find_modality(model_.config.modalities, modality, model_.sources.name).key;
}

std::vector<EncodedMedia> OneLlm::align(std::span<const MediaFeatures> features, nn::Probe* probe) {
  nn::ForwardContext context;
  context.probe = probe;
  std::vector<EncodedMedia> encoded;
  for (size_t begin = 0; begin < features.size();) {
    const MediaFeatures& first = features[begin];
    std::vector<Tensor> values;
    size_t end = begin;
    for (; end < features.size() && features[end].modality == first.modality &&
           features[end].values.sizes() == first.values.sizes() &&
           (values.empty() ||
            (probe == nullptr && std::ssize(values) * first.values.size(1) <= kRowsAtOnce));
         ++end)
      values.push_back(features[end].values);
    const Tensor tokens =
        modules_->aligner
            ->align({values.size() == 1 ? values.front() : torch::cat(values), first.modality},
                    context)
            .tokens;
    const Tensor routing = modules_->aligner->routing(first.modality).detach();
    for (size_t i = begin; i < end; ++i) {
      EncodedMedia& result = encoded.emplace_back();
      result.features = features[i].values.detach();
      result.tokens = tokens[static_cast<int64_t>(i - begin)];
      result.routing = routing;
    }
    begin = end;
  }
  return encoded;
}

std::vector<Segment> OneLlm::segments(const Request& request, std::span<const int64_t> rows) const {
  std::vector<int64_t> ids = tokenize(request, *model_.tokenizer);
  // Quirk: the reference's streaming cuts a long prompt at its beginning, BOS included, so that the
  // answer fits behind it; what is then first stands before the medium.     onellm.py,
  // stream_generate
  if (quirk(request.generate, kKeepsEndOfLongPrompt, false)) {
    const int64_t media_rows = rows.empty() ? 0 : rows.front() - kTags;
    const int64_t kept =
        std::max<int64_t>(context_length() - media_rows - request.generate.max_new_tokens, 1);
    if (static_cast<int64_t>(ids.size()) > kept) ids.erase(ids.begin(), ids.end() - kept);
  }
  return with_media(std::move(ids), rows.size());
}

std::vector<int64_t> OneLlm::displayed_ids(std::span<const Segment> segments,
                                           std::span<const int64_t>) const {
  std::vector<int64_t> ids;
  for (const Segment& segment : segments)
    if (const auto* text = std::get_if<TextSegment>(&segment))
      ids.insert(ids.end(), text->ids.begin(), text->ids.end());
  return ids;
}

StopRules OneLlm::stop_rules(const Request& request) const {
  StopRules rules;
  if (const auto eos = model_.tokenizer->eos_id()) rules.ids.push_back(*eos);
  if (!request.is_literal()) rules.strings = stop_strings(request);
  return rules;
}

std::vector<int64_t> OneLlm::seen_before(std::span<const Segment> segments) const {
  return displayed_ids(segments, {});
}

// Quirk: after a prompt of n tokens, 30 soft tokens and 2 tags the reference goes on at position
// n + 30: what it generates overwrites the last two tokens of the prompt. Training knows no such
// shift.                                            model/LLM/onellm.py, forward_inference
// It takes one medium; with several nothing is to be reproduced.
int64_t OneLlm::decode_overlap(const GenerationConfig& config,
                               std::span<const Segment> segments) const {
  const auto media = std::ranges::count_if(segments, [](const Segment& segment) {
    return std::holds_alternative<MediaSegment>(segment);
  });
  const bool shifts = model_.config.decode_offset_ignores_tags;
  return media == 1 && quirk(config, kDecodeOffsetIgnoresTags, shifts) ? kTags : 0;
}

std::string OneLlm::print() const { return layout::to_string(model_.module_tree()); }

void OneLlm::save(const std::filesystem::path& folder, const OutputOptions& options) {
  onellm::save(*modules_, model_, weight_sources(model_), folder, options);
}

Package OneLlm::package() const { return onellm::package(model_, weight_sources(model_)); }

}  // namespace isthmus::families::onellm
