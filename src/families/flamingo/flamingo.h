// Flamingo: a frozen CLIP, a Perceiver Resampler, and gated cross-attention between the blocks of a
// frozen language model.
//   Alayrac et al. 2022 (arXiv 2204.14198); as OpenFlamingo builds it: Awadalla et al. 2023
//   (arXiv 2308.01390)
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <torch/nn/module.h>

#include "aligners/flamingo_aligner.h"
#include "decoders/language_model.h"
#include "encoders/clip_vit.h"
#include "encoders/open_clip_vit.h"
#include "families/family.h"
#include "layout/flamingo_model.h"

namespace isthmus::families::flamingo {

// The parts under their canonical names: encoder.*, aligner.*, decoder.*. The encoder is one of two
// modules for the same architecture, by the names in its files.
class FlamingoModules : public torch::nn::Module {
 public:
  explicit FlamingoModules(const layout::FlamingoModel& model);
  // An aligner without weights on the encoder of `other`, and on its decoder unless it is to have
  // one of its own.
  FlamingoModules(const layout::FlamingoModel& model, const FlamingoModules& other,
                  bool own_decoder);

  // pixels [n, 3, S, S] -> [n, patches, width]
  nn::Features encode(const Tensor& pixels, const nn::ForwardContext& context);
  // pixels -> [n, embed_dim] of length 1. Throws UnsupportedError for a tower in Hugging Face's
  // layout, which is loaded without its projection.
  Tensor image_embedding(const Tensor& pixels);

  encoders::OpenClipVit open_clip{nullptr};
  encoders::ClipVit hugging_face{nullptr};
  std::shared_ptr<aligners::FlamingoAligner> aligner;
  std::shared_ptr<decoders::LanguageModel> decoder;
};

class Flamingo : public Family {
 public:
  // `feature_fingerprint` "": as fingerprint.
  Flamingo(layout::FlamingoModel model, std::shared_ptr<FlamingoModules> modules,
           std::string fingerprint, std::string feature_fingerprint = {});

  std::shared_ptr<const text::Tokenizer> tokenizer() const override {
    return model_.tokens.tokenizer;
  }
  decoders::LanguageModel& language_model() override { return *modules_->decoder; }
  FlamingoModules& modules() override { return *modules_; }
  int64_t context_length() const override { return model_.language.context_length; }
  int64_t reference_context_len() const override { return model_.language.context_length; }
  modalities::Prepared prepare(const MediaSource& source) const override;
  std::vector<MediaFeatures> features(std::span<const modalities::Prepared> media,
                                      nn::Probe* probe) override;
  // Without keys and values while gradients are recorded: the gated blocks then make them of the
  // latents, and gradients reach both.
  std::vector<EncodedMedia> align(std::span<const MediaFeatures> features,
                                  nn::Probe* probe) override;
  std::vector<std::vector<float>> embed_images(
      std::span<const modalities::Prepared> media) override;
  nn::BlockHook* block_hook() override { return modules_->aligner->block_hook(); }
  Example example(const samples::Sample& sample, const ExampleOptions& options) const override;
  void check_template(const ExampleOptions& options) const override;
  std::vector<Segment> segments(const Request& request,
                                std::span<const int64_t> rows) const override;
  std::vector<int64_t> displayed_ids(std::span<const Segment> segments,
                                     std::span<const int64_t> rows) const override;
  StopRules stop_rules(const Request& request) const override;
  // Where text may read all pictures before it, text before the first reads every picture, those
  // after it too.
  bool reuses_prefix() const override {
    return model_.config.cross_attention.only_attend_immediate_media;
  }
  Padding padding() const override { return Padding::kLeft; }
  std::vector<int64_t> seen_before(std::span<const Segment> segments) const override;
  bool beams_count_prompt() const override { return true; }
  LateMarker late_marker(const GenerationConfig& config) const override;
  int64_t media_marker() const override { return model_.tokens.image; }
  int64_t pad_id() const override;
  std::string fingerprint() const override { return fingerprint_; }
  std::shared_ptr<Family> with_aligner(const std::filesystem::path& folder,
                                       const LoadOptions& options) const override;
  std::string feature_fingerprint() const override {
    return feature_fingerprint_.empty() ? fingerprint_ : feature_fingerprint_;
  }
  std::string media_settings() const override;
  std::string print() const override;
  std::string tokens_probe() const override { return "encoder.hidden.0"; }
  void save(const std::filesystem::path& folder, const OutputOptions& options) override;
  Package package() const override;

  const layout::FlamingoModel& model() const { return model_; }
  const std::shared_ptr<FlamingoModules>& shared_modules() const { return modules_; }

 private:
  layout::FlamingoModel model_;
  std::shared_ptr<FlamingoModules> modules_;
  std::string fingerprint_, feature_fingerprint_;
};

}  // namespace isthmus::families::flamingo
