// Which solved examples stand before a question.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "eval/sample.h"

namespace isthmus::eval {

enum class Selection { kRandom, kRices };

std::string_view name_of(Selection selection);

// Examples drawn at random from a set that is itself a random part of the training examples.
//
// The set depends on the seed alone, the draw on the seed and the place of the question, so results
// do not change with batches, interruptions or the order of work. The examples of k shots are the
// first of those of more shots. Python's random.sample is not reproduced. An example with the same
// picture as the question is never drawn.
class RandomShots {
 public:
  // `query_set_size` 0 or beyond the end: all of `train`, which must outlive this.
  RandomShots(std::span<const Sample> train, uint64_t seed, int64_t query_set_size);
  // Indices into `train`, in the order of the prompt; fewer than `count` if there are not enough.
  std::vector<size_t> pick(const Sample& question, uint64_t place, size_t count) const;
  const std::vector<size_t>& query_set() const { return query_set_; }

 private:
  std::span<const Sample> train_;
  uint64_t seed_;
  std::vector<size_t> query_set_;
};

// RICES: the examples whose pictures are nearest to that of the question, by the dot product of
// their embeddings; the nearest stands last, next to the question.        Yang et al. 2022
// Of examples that are equally near, the first ones are taken. Examples without an embedding (a
// broken picture) and those with the picture of the question are left out.
class NearestShots {
 public:
  // `embeddings[i]`: of train[i], or nullptr. All must outlive this.
  NearestShots(std::span<const Sample> train, std::vector<const std::vector<float>*> embeddings);
  std::vector<size_t> pick(const Sample& question, std::span<const float> embedding,
                           size_t count) const;

 private:
  std::span<const Sample> train_;
  std::vector<const std::vector<float>*> embeddings_;
};

// `count` different numbers below `population`, in random order; all of them if there are fewer.
std::vector<size_t> draw_without_replacement(size_t population, size_t count, uint64_t seed);

}  // namespace isthmus::eval
