// A OneLLM that nobody has trained yet, or one that learns to take more kinds of input.
//   Han et al. 2024 (arXiv 2312.03700), §3.2; model/LLM/onellm.py, main_pretrain.py
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace isthmus::families::onellm {

struct StartOptions {
  std::vector<std::string> modalities = {"image"};  // as requests call them
  int64_t experts = 3;    // 1: one stack, called "image", without routers, as stage I trains it
  int64_t resampler_layers = 8;
  int64_t resampler_width = 0;  // of the experts' feed-forward; 0: LLaMA's 8/3, up to 256 more
  // Sizes of tokenizers that no tensor exists for yet, and what onellm.json holds: the keys of
  // onellm.json, and imu_window, fmri_voxels, audio_channels … ; what is left out is as published.
  std::map<std::string, std::vector<int64_t>> sizes;
  // Of new soft tokens and tags, against the reference's, which are far longer than a small language
  // model's words: what it writes into the rows of longer ones is lost in them.
  double token_scale = 1;
  uint64_t seed = 0;
  std::string dtype = "bf16";  // of the file
};

// A LLaMA (`base`, in Meta's or Hugging Face's files) and a CLIP (`vision`) with all parts between
// them new, drawn as the reference's constructors draw them: linear maps of the experts uniform
// (Xavier), learned rows and positions N(0, 0.02²), tags uniform in [0, 1), all else as PyTorch.
// Writes consolidated.00-of-01.pth, params.json, onellm.json and tokenizer.model. Throws
// UsageError for an unknown size or modality, and what opening the pieces throws.
void write_new(const std::filesystem::path& base, const std::filesystem::path& vision,
               const StartOptions& options, const std::filesystem::path& folder);

// The model of an earlier stage with what `options` ask for beside it; parts that it lacks are new,
// or copies of the image's: init_from_image.
void write_grown(const std::filesystem::path& model, const std::filesystem::path& base,
                 const StartOptions& options, const std::filesystem::path& folder);

// Where each tensor of a new model takes its values from, of the tensors of an earlier one: its own
// name; the projection of pictures for an expert that is not there; the picture's learned rows,
// projections and tags for a modality whose name stands in no name there. A name that is left out
// keeps what it was drawn as.                            main_pretrain.py --init_from_image
std::map<std::string, std::string> init_from_image(std::span<const std::string> wanted,
                                                   std::span<const std::string> present);

}  // namespace isthmus::families::onellm
