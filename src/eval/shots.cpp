#include "eval/shots.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>

#include "base/check.h"
#include "base/rng.h"

namespace isthmus::eval {
namespace {

// One step of Fisher and Yates: moves a random element of those from `i` on to `i`.
void draw_next(std::vector<size_t>& pool, size_t i, Rng& rng) {
  const auto left = static_cast<double>(pool.size() - i);
  std::swap(pool[i], pool[i + static_cast<size_t>(rng.uniform() * left)]);
}

// A seed of its own for each question.
uint64_t mixed(uint64_t seed, uint64_t place) { return seed ^ ((place + 1) * 0x9e3779b97f4a7c15u); }

// Eight partial sums, which the compiler keeps in vectors.
float dot(std::span<const float> a, std::span<const float> b) {
  std::array<float, 8> sums{};
  const size_t whole = a.size() / sums.size() * sums.size();
  for (size_t i = 0; i < whole; i += sums.size())
    for (size_t lane = 0; lane < sums.size(); ++lane) sums[lane] += a[i + lane] * b[i + lane];
  float sum = std::accumulate(sums.begin(), sums.end(), 0.0f);
  for (size_t i = whole; i < a.size(); ++i) sum += a[i] * b[i];
  return std::isnan(sum) ? -std::numeric_limits<float>::infinity() : sum;
}

}  // namespace

std::string_view name_of(Selection selection) {
  return selection == Selection::kRices ? "rices" : "random";
}

std::vector<size_t> draw_without_replacement(size_t population, size_t count, uint64_t seed) {
  std::vector<size_t> pool(population);
  std::iota(pool.begin(), pool.end(), size_t{0});
  count = std::min(count, population);
  Rng rng(seed);
  for (size_t i = 0; i < count; ++i) draw_next(pool, i, rng);
  pool.resize(count);
  return pool;
}

RandomShots::RandomShots(std::span<const Sample> train, uint64_t seed, int64_t query_set_size)
    : train_(train),
      seed_(seed),
      query_set_(draw_without_replacement(
          train.size(), query_set_size > 0 ? static_cast<size_t>(query_set_size) : train.size(),
          seed)) {}

std::vector<size_t> RandomShots::pick(const Sample& question, uint64_t place, size_t count) const {
  std::vector<size_t> pool = query_set_, picked;
  Rng rng(mixed(seed_, place));
  for (size_t i = 0; i < pool.size() && picked.size() < count; ++i) {
    draw_next(pool, i, rng);
    if (train_[pool[i]].image.native() != question.image.native()) picked.push_back(pool[i]);
  }
  return picked;
}

NearestShots::NearestShots(std::span<const Sample> train,
                           std::vector<const std::vector<float>*> embeddings)
    : train_(train), embeddings_(std::move(embeddings)) {
  ISTHMUS_CHECK(embeddings_.size() == train_.size(), "one embedding per example");
}

std::vector<size_t> NearestShots::pick(const Sample& question, std::span<const float> embedding,
                                       size_t count) const {
  struct Candidate {
    float similarity;
    size_t index;
  };
  std::vector<Candidate> candidates;
  candidates.reserve(train_.size());
  for (size_t i = 0; i < train_.size(); ++i) {
    const std::vector<float>* other = embeddings_[i];
    if (other == nullptr || train_[i].image.native() == question.image.native()) continue;
    ISTHMUS_CHECK(other->size() == embedding.size(), "embeddings of different lengths");
    // Examples of one picture stand side by side in VQA and share one embedding.
    const bool repeated = !candidates.empty() && candidates.back().index + 1 == i && i > 0 &&
                          embeddings_[i - 1] == other;
    candidates.push_back({repeated ? candidates.back().similarity : dot(*other, embedding), i});
  }
  count = std::min(count, candidates.size());
  const auto last = candidates.begin() + static_cast<std::ptrdiff_t>(count);
  std::partial_sort(
      candidates.begin(), last, candidates.end(), [](const Candidate& a, const Candidate& b) {
        return a.similarity != b.similarity ? a.similarity > b.similarity : a.index < b.index;
      });
  std::vector<size_t> picked(count);
  std::transform(candidates.begin(), last, picked.rbegin(),
                 [](const Candidate& candidate) { return candidate.index; });
  return picked;
}

}  // namespace isthmus::eval
