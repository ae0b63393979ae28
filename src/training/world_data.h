// The world as data sets: what the models that come with Isthmus learn from (docs/world.md).
#pragma once

#include <memory>

#include "recipe/recipe.h"
#include "samples/sample.h"

namespace isthmus::training {

// By entry.kind, `entry.samples` samples of `entry.split`, drawn by number, media in memory:
//   chat        texts for the language model: a description in the place where soft tokens will
//               stand, then questions, in the templates of LLaVA and OneLLM; and captions copied
//   rows        short texts for the language model in Flamingo's spelling: names given and used,
//               tasks shown by examples, questions, pairs of words looked up
//   names       the same names, for a test: 1, 2, 4 or 8 shots, and only the query counts
//   questions   conversations about one medium of `entry.modality`
//   captions    documents: a medium and its description
//   plain       a conversation of LLaVA's plain template: a picture and its description
//   episodes    Flamingo's documents: few-shot episodes of nine pictures
//   shots       the same for a test: names of two kinds of objects, and only the query counts
//   pictures    Flamingo's documents: one picture, described or asked about
// Throws UsageError for a kind, split or modality there is none of.
std::unique_ptr<samples::DataSet> open_world(const recipe::DataEntry& entry);

}  // namespace isthmus::training
