// From requests and their media to prompts; from inputs to points.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "families/family.h"
#include "isthmus/input.h"
#include "serving/answer.h"
#include "serving/media_desk.h"
#include "serving/reading.h"

namespace isthmus::serving {

// What a question becomes once its media are known: fills in its prompt, and what there is room for
// in a context of the model's length and in `capacity` positions of pages. Throws ResourceError for
// a prompt without room, and UsageError.
void make_prompt(Asked& asked, const Media& media, double encode_seconds, int64_t capacity);

// The rows of a prompt, as they enter the language model.
int64_t count_rows(families::Family& family, const Request& request, const Media& media);

// The mean over the last hidden states of a text, of length 1.
std::vector<float> embed_text(families::Family& family, const std::string& text);
// The mean over the soft tokens or latents of a medium, of length 1.
std::vector<float> embed_medium(const engine::CachedMedia& medium);

}  // namespace isthmus::serving
