// A decoder without eyes or ears, continuing text.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/json_view.h"
#include "decoders/language_model.h"
#include "families/family.h"
#include "layout/language_model_shape.h"

namespace isthmus::families::language_model {

struct PlainSettings {
  std::string model_type;
  JsonView config;  // config.json
  layout::LanguageModelShape shape;
  std::shared_ptr<const text::Tokenizer> tokenizer;
  std::vector<int64_t> eos_ids;
  int64_t vocab_size;  // rows of the embedding
  std::string fingerprint;
  std::shared_ptr<const Package> package;
};

// These models are not tuned to converse: a message is text to continue, messages follow one
// another as they stand.
class PlainLanguageModel : public Family {
 public:
  PlainLanguageModel(PlainSettings settings, std::shared_ptr<decoders::LanguageModel> decoder);

  std::shared_ptr<const text::Tokenizer> tokenizer() const override { return settings_.tokenizer; }
  decoders::LanguageModel& language_model() override { return *decoder_; }
  torch::nn::Module& modules() override { return *modules_; }
  int64_t context_length() const override { return settings_.shape.context_length; }
  int64_t reference_context_len() const override { return settings_.shape.context_length; }
  modalities::Prepared prepare(const MediaSource& source) const override;
  std::vector<MediaFeatures> features(std::span<const modalities::Prepared> media,
                                      nn::Probe* probe) override;
  std::vector<EncodedMedia> align(std::span<const MediaFeatures> features,
                                  nn::Probe* probe) override;
  std::vector<Segment> segments(const Request& request,
                                std::span<const int64_t> rows) const override;
  std::vector<int64_t> displayed_ids(std::span<const Segment> segments,
                                     std::span<const int64_t> rows) const override;
  StopRules stop_rules(const Request& request) const override;
  bool reuses_prefix() const override { return true; }
  Padding padding() const override { return Padding::kLeft; }
  std::vector<int64_t> seen_before(std::span<const Segment> segments) const override;
  std::string fingerprint() const override { return settings_.fingerprint; }
  std::string media_settings() const override { return {}; }
  std::string print() const override;
  Package package() const override;
  std::string tokens_probe() const override { return "encoder.hidden.0"; }

 private:
  PlainSettings settings_;
  std::shared_ptr<decoders::LanguageModel> decoder_;
  std::shared_ptr<torch::nn::Module> modules_;  // decoder.*
};

}  // namespace isthmus::families::language_model
