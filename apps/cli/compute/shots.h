// Solved examples before a question: `run --shot` and `--shots-from`.
#pragma once

#include <vector>

#include "../options.h"
#include "isthmus/model.h"

namespace isthmus::cli {

// Pairs of messages, in the order of the prompt: those of --shot as given, or --k examples out of
// --shots-from, at random or nearest to the first picture of the question (RICES: Yang et al.
// 2022). Embeddings of pictures are kept on disk. Throws UsageError for flags that do not fit
// together, InputError for an empty or broken file.
std::vector<Message> shot_messages(const Options& options, const Model& model);

}  // namespace isthmus::cli
