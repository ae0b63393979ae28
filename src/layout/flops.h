// How much arithmetic one input takes, counted from shapes.                     docs/compare.md
#pragma once

#include <cstdint>

#include "layout/clip_vision_config.h"
#include "layout/flamingo_config.h"
#include "layout/language_model_shape.h"
#include "layout/onellm_config.h"

namespace isthmus::layout {

// Floating-point operations of matrix products, a multiplication and an addition counted as two:
//   x [rows, in] Wᵀ               2 · rows · in · out
//   softmax(q kᵀ) v               4 · pairs · width     pairs of a query and a key it may read
// Norms, activations, softmax, biases and additions are left out: below a percent of the products
// at published sizes. Doubles: a 7B model passes 2^43.

// One tile through a CLIP vision tower up to `layers` of its blocks: patch embedding, and blocks
// over num_patches + 1 rows.
double encoder_flops(const ClipVisionConfig& config, int64_t layers);

// `features` [features, mm_hidden_size] through `depth` linear maps.            LLaVA
double projector_flops(int64_t depth, int64_t features, int64_t mm_hidden_size,
                       int64_t hidden_size);

// `features` of one medium to its latents.                                      Flamingo
double resampler_flops(const ResamplerConfig& config, int64_t features);
// The gated blocks over `rows` of text that all read one medium, and the keys and values of its
// latents.
double gated_blocks_flops(const FlamingoConfig& config, int64_t rows);

// `features` of one medium through all experts to soft tokens; of the last blocks the rows that
// leave them.                                                                   OneLLM
double projection_flops(const ProjectionConfig& config, const ModalityConfig& modality,
                        int64_t features);

// A causal language model over `rows` of a sequence, and its head over the last.
double prefill_flops(const LanguageModelShape& shape, int64_t rows);

}  // namespace isthmus::layout
