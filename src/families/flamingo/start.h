// A Flamingo that nobody has trained yet.              Awadalla et al. 2023 (arXiv 2308.01390)
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace isthmus::families::flamingo {

// The sizes the reference gives every model, unless told otherwise; heads are 64 wide.
struct StartOptions {
  int64_t cross_attn_every_n_layers = 1;
  int64_t resampler_layers = 6, resampler_heads = 8, latents = 64;
  int64_t cross_attention_heads = 8;
  int64_t feed_forward = 4;  // times the width
  double gate = 0;           // before the tanh; the reference starts closed
  uint64_t seed = 0;
};

// Resampler and gated blocks between a CLIP and a language model, drawn as
// aligners::initialise draws them: checkpoint.pt and isthmus.json. Throws UsageError for sizes that
// do not fit, and what opening the pieces throws.
void write_new(const std::string& base, const std::string& vision, const StartOptions& options,
               const std::filesystem::path& folder);

}  // namespace isthmus::families::flamingo
