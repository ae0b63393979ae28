// LLaVA: CLIP features, a projector, and their rows spliced into the prompt of LLaMA, Vicuna or
// Mistral.
//   Liu et al. 2023 (arXiv 2304.08485, §4.1); Liu et al. 2023 (arXiv 2310.03744); LLaVA-NeXT, 2024
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <torch/nn/module.h>

#include "aligners/projector.h"
#include "decoders/llama.h"
#include "encoders/clip_vit.h"
#include "families/family.h"
#include "families/llava/prompts.h"
#include "layout/llava_folder.h"
#include "modalities/clip_image.h"

namespace isthmus::families::llava {

// The trained parts under their canonical names: encoder.*, aligner.*, decoder.*. Encoder and
// aligner are absent from a plain language model.
class LlavaModules : public torch::nn::Module {
 public:
  // Which parts are made here, without weights; the others are those of another model.
  struct Own {
    bool encoder, aligner, decoder;
  };
  LlavaModules(const layout::LlavaConfig& config,
               const std::optional<layout::ClipVisionConfig>& tower);
  LlavaModules(const layout::LlavaConfig& config, const layout::ClipVisionConfig& tower, Own own,
               const LlavaModules& other);

  encoders::ClipVit encoder{nullptr};
  std::shared_ptr<aligners::Projector> aligner;
  std::shared_ptr<decoders::Llama> decoder;
};

struct LlavaOrigin;

// What a LLaVA is besides its weights.
struct LlavaSettings {
  layout::LlavaConfig config;
  std::optional<layout::ClipVisionConfig> tower;
  // Of the tower's folder, or of the model's in the Hugging Face layouts; unused in a text-only
  // model.
  modalities::ClipImageConfig image{};
  modalities::AspectMode aspect{};
  std::vector<modalities::Resolution> grid_pinpoints;
  PromptRules prompts{};
  std::string fingerprint;                    // of the files of the weights
  std::string media;                          // Family::media_settings
  std::shared_ptr<const LlavaOrigin> origin;  // save.h; null: of GGUF files
  std::shared_ptr<const Package> gguf;        // of GGUF files: what they consist of
  std::shared_ptr<const text::Tokenizer> tokenizer;
  std::string feature_fingerprint;  // Family's; empty: fingerprint
};

// How pictures are cut: from the config.
void set_tiling(LlavaSettings& settings);
// How pictures are prepared: from the config, and from a preprocessor_config.json. `config`: the
// document that settings.config was read from.
void set_preprocessing(LlavaSettings& settings, const JsonView& config,
                       const JsonView& preprocessor);

class Llava : public Family {
 public:
  Llava(LlavaSettings settings, std::shared_ptr<LlavaModules> modules);

  std::shared_ptr<const text::Tokenizer> tokenizer() const override { return settings_.tokenizer; }
  decoders::LanguageModel& language_model() override { return *modules_->decoder; }
  LlavaModules& modules() override { return *modules_; }
  const std::shared_ptr<LlavaModules>& shared_modules() const { return modules_; }
  const LlavaSettings& settings() const { return settings_; }
  int64_t context_length() const override;
  int64_t reference_context_len() const override { return settings_.config.context_len; }
  modalities::Prepared prepare(const MediaSource& source) const override;
  std::vector<MediaFeatures> features(std::span<const modalities::Prepared> media,
                                      nn::Probe* probe) override;
  std::vector<EncodedMedia> align(std::span<const MediaFeatures> features,
                                  nn::Probe* probe) override;
  Example example(const samples::Sample& sample, const ExampleOptions& options) const override;
  void check_template(const ExampleOptions& options) const override;
  std::vector<Segment> segments(const Request& request,
                                std::span<const int64_t> rows) const override;
  std::vector<int64_t> displayed_ids(std::span<const Segment> segments,
                                     std::span<const int64_t> rows) const override;
  StopRules stop_rules(const Request& request) const override;
  bool reuses_prefix() const override;
  Padding padding() const override;
  std::vector<int64_t> seen_before(std::span<const Segment> segments) const override;
  std::string fingerprint() const override { return settings_.fingerprint; }
  std::shared_ptr<Family> with_aligner(const std::filesystem::path& folder,
                                       const LoadOptions& options) const override;
  std::string feature_fingerprint() const override {
    return settings_.feature_fingerprint.empty() ? settings_.fingerprint
                                                 : settings_.feature_fingerprint;
  }
  std::string media_settings() const override { return settings_.media; }
  std::string print() const override;
  std::string tokens_probe() const override { return "encoder.hidden.0"; }
  void save(const std::filesystem::path& folder, const OutputOptions& options) override;
  Package package() const override;
  void save_gguf(const std::filesystem::path& folder, GgufStorage storage) override;

 private:
  LlavaSettings settings_;
  std::shared_ptr<LlavaModules> modules_;
};

}  // namespace isthmus::families::llava
