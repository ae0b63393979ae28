// The data of a stage, opened.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "families/family.h"
#include "recipe/recipe.h"
#include "samples/mixture.h"

namespace isthmus::training {

// Throws InputError for data that cannot be read.
std::shared_ptr<const samples::DataSet> open_data_set(const recipe::DataEntry& entry);

// Of all entries of a stage. Throws what opening throws, and UsageError for batches that `share`
// cannot divide.
std::unique_ptr<samples::Mixture> open_mixture(const recipe::Stage& stage, samples::Share share);

// What the family is told of a sample. Chance is drawn from the seed and the sample's place: the
// same for every run.
families::ExampleOptions example_options(const recipe::DataEntry& entry, uint64_t seed,
                                         const samples::Mixture::Drawn& drawn);

// A sample as the family is trained on it. Throws BadSample.
struct DrawnExample {
  std::string name;
  families::Example example;
};
DrawnExample draw_example(const families::Family& family, const recipe::Stage& stage,
                          const samples::Mixture& data, const samples::Mixture::Drawn& drawn);

// Samples of one micro-batch that this process takes.
size_t own_batch(const recipe::Stage& stage, size_t entry, bool mixes, samples::Share share);

}  // namespace isthmus::training
