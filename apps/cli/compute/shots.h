// Solved examples before a question: `run --shot` and `--shots-from`.
#pragma once

#include <vector>

#include "../options.h"
#include "isthmus/model.h"

namespace isthmus::cli {

// UsageError for flags about examples that do not fit together.
void check_shots(const Options& options);

// Solved examples as pairs of messages, in the order of the prompt: those of --shot as given.
// Throws UsageError for one that is not FILE=TEXT.
std::vector<Message> given_shots(const Options& options);

// --k examples out of --shots-from, at random or nearest to the first picture of the question
// (RICES: Yang et al. 2022). Embeddings of pictures are kept on disk. Throws InputError for an
// empty or broken file.
std::vector<Message> chosen_shots(const Options& options, const Model& model);

}  // namespace isthmus::cli
