// The first samples of every data set, looked at before anything is learnt from them.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "families/family.h"
#include "recipe/recipe.h"
#include "samples/mixture.h"

namespace isthmus::training {

// What one medium of a kind becomes.
struct MediumRows {
  int64_t tiles = 1;     // pictures, views or windows that the encoder takes
  int64_t features = 0;  // rows behind the encoder
  int64_t tokens = 0;    // soft tokens in the sequence, or latents that are read beside it
  bool in_sequence = true;
  int64_t values = 0;  // numbers that the encoder takes, and
  int64_t width = 0;   // that a feature holds
};

// One sample as far as its size goes.
struct SampleSize {
  int64_t rows = 0;  // of the sequence, soft tokens included
  int64_t targets = 0;
  int64_t media = 0, features = 0, latents = 0;  // rows of all its media
};

// A data set by its first samples, one of them whole.
struct Shown {
  std::string entry, sample;
  families::Example example;
  std::vector<MediumRows> media;  // of the example's
  int64_t looked_at = 0;          // samples, of which
  int64_t unusable = 0;           // could not be read,
  int64_t mismatched = 0;         // have turns that the reference cannot tell apart, and
  int64_t without_loss = 0;       // have no token that carries loss for another reason
  std::vector<SampleSize> sizes;  // of those that can be learnt from
  double seconds = 0;             // that reading and preparing a sample takes one thread
};

// Of every entry of `stage`, in order; the mixture stands where it stood before. Throws what
// Family::check_template throws, with the entry's name; UsageError where the turns of all samples
// that could be read cannot be told apart; InputError where none can be learnt from.
std::vector<Shown> survey(families::Family& family, const recipe::Stage& stage,
                          samples::Mixture& data);

}  // namespace isthmus::training
