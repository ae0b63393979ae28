// Language models and vision towers that exist in no file yet, in the folders Hugging Face's code
// loads.
#pragma once

#include <cstdint>
#include <filesystem>

#include "recipe/recipe.h"

namespace isthmus::training {

// A LLaMA with a tied head and a tokenizer of whole words: config.json, model.safetensors,
// tokenizer.model and what goes with it. Embedding N(0, 1/d); query, key, value, gate and up
// N(0, 1/d); output N(0, .25/(2 L d)), down N(0, .25/(2 L f)). With previous_token_heads head i of
// the first block starts out looking at the token i + 1 places back: channel 0 of every embedding
// is a constant that its query and key alone read.       Small models bind words only with them
// (docs/world.md). Throws UsageError for sizes that do not fit, InputError for a list of pieces that
// cannot be read.
void write_language_model(const recipe::FreshLanguageModel& model, uint64_t seed,
                          const std::filesystem::path& folder);

// A CLIP vision tower: config.json, preprocessor_config.json, model.safetensors. Linear maps
// N(0, 1/in), those that end a branch smaller by √(2 L), positions and class N(0, 0.02²).
void write_vision_tower(const recipe::FreshTower& tower, uint64_t seed,
                        const std::filesystem::path& folder);

}  // namespace isthmus::training
