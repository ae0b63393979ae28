// What the model itself thought of a token, for those who ask for probabilities.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "serving/service.h"
#include "text/tokenizer.h"

namespace isthmus::serving {

// The bytes a token adds to a text; not always whole characters. Special tokens spell their name.
std::string bytes_of(const text::Tokenizer& tokenizer, int64_t id);

// `logits` [vocab_size] before anything changed them, the token chosen from them, and the `top`
// most probable ones.
Token judge(const text::Tokenizer& tokenizer, std::span<const float> logits, int64_t chosen,
            int64_t top);

}  // namespace isthmus::serving
