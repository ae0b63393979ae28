// OneLLM: one encoder and one projection module between eight and more kinds of input and LLaMA.
//   Han et al. 2024 (arXiv 2312.03700)
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <torch/nn/module.h>

#include "aligners/universal_projection.h"
#include "decoders/llama.h"
#include "encoders/universal_encoder.h"
#include "families/family.h"
#include "layout/onellm_model.h"

namespace isthmus::families::onellm {

// The parts under their canonical names: encoder.*, aligner.*, decoder.*. A LLaMA alone has only
// the last.
class OneLlmModules : public torch::nn::Module {
 public:
  explicit OneLlmModules(const layout::OneLlmConfig& config);
  // An aligner without weights on the decoder of `other`, and on its encoder unless it is to have
  // one of its own.
  OneLlmModules(const layout::OneLlmConfig& config, const OneLlmModules& other, bool own_encoder);

  encoders::UniversalEncoder encoder{nullptr};
  std::shared_ptr<aligners::UniversalProjection> aligner;
  std::shared_ptr<decoders::Llama> decoder;
};

class OneLlm : public Family {
 public:
  // `feature_fingerprint` "": as fingerprint.
  OneLlm(layout::OneLlmModel model, std::shared_ptr<OneLlmModules> modules, std::string fingerprint,
         std::string feature_fingerprint = {});

  std::shared_ptr<const text::Tokenizer> tokenizer() const override { return model_.tokenizer; }
  decoders::LanguageModel& language_model() override { return *modules_->decoder; }
  int64_t context_length() const override { return model_.config.language.max_position_embeddings; }
  int64_t reference_context_len() const override { return context_length(); }
  modalities::Prepared prepare(const MediaSource& source) const override;
  std::vector<MediaFeatures> features(std::span<const modalities::Prepared> media,
                                      nn::Probe* probe) override;
  std::string feature_modality(const std::string& modality) const override;
  std::vector<EncodedMedia> align(std::span<const MediaFeatures> features,
                                  nn::Probe* probe) override;
  Example example(const samples::Sample& sample, const ExampleOptions& options) const override;
  void check_template(const ExampleOptions& options) const override;
  std::vector<Segment> segments(const Request& request,
                                std::span<const int64_t> rows) const override;
  std::vector<int64_t> displayed_ids(std::span<const Segment> segments,
                                     std::span<const int64_t> rows) const override;
  StopRules stop_rules(const Request& request) const override;
  bool reuses_prefix() const override { return true; }
  Padding padding() const override { return Padding::kLeft; }
  std::vector<int64_t> seen_before(std::span<const Segment> segments) const override;
  int64_t decode_overlap(const GenerationConfig& config,
                         std::span<const Segment> segments) const override;
  std::string fingerprint() const override { return fingerprint_; }
  std::shared_ptr<Family> with_aligner(const std::filesystem::path& folder,
                                       const LoadOptions& options) const override;
  std::string feature_fingerprint() const override {
    return feature_fingerprint_.empty() ? fingerprint_ : feature_fingerprint_;
  }
  std::string media_settings() const override { return media_settings_; }
  std::string print() const override;
  std::string tokens_probe() const override { return "encoder.tokens"; }
  void save(const std::filesystem::path& folder, const OutputOptions& options) override;
  Package package() const override;

  const layout::OneLlmModel& model() const { return model_; }
  OneLlmModules& modules() override { return *modules_; }
  const std::shared_ptr<OneLlmModules>& shared_modules() const { return modules_; }

 private:
  layout::OneLlmModel model_;
  std::shared_ptr<OneLlmModules> modules_;
  std::string fingerprint_, feature_fingerprint_, media_settings_;
};

}  // namespace isthmus::families::onellm
