// Guesses are taken, kept and taken back: what the cache holds tells.
#include "engine/guesses.h"

#include <gtest/gtest.h>

#include "families/registry.h"

namespace isthmus::engine {
namespace {

TEST(Guesses, FillTheCacheAheadAndGiveBackWhatWasNotChosen) {
  const torch::NoGradGuard no_gradient;
  const auto family = families::load_family(
      std::string(ISTHMUS_SOURCE_DIR) + "/demo/models/language_model", "", "", {});
  const std::vector<int64_t> text = {1, 20, 21, 22, 23, 24, 20, 21};
  families::TextSegment prompt;
  prompt.ids = text;
  const std::vector<families::Segment> segments = {prompt};
  const families::Sequence sequence =
      families::build_sequence(segments, {}, family->language_model());
  const auto start = [&](const std::shared_ptr<nn::KvCache>& cache) {
    Rows rows(*family, std::span(&sequence, 1), cache, families::LateMarker::kIgnored);
    rows.prefill();
    return rows;
  };
  const auto cache = family->new_cache(1, 64), plain_cache = family->new_cache(1, 64);
  Rows rows = start(cache), plain = start(plain_cache);
  Guesses guesses(segments, 3, -1), none(segments, 0, -1);
  const auto expect_alike = [&](int64_t token) {
    const Tensor got = guesses.step(rows, token, 20), want = none.step(plain, token, 20);
    EXPECT_TRUE(torch::allclose(got, want, 1e-4, 1e-4)) << token;
  };
  // 20 21 22 stood before: 23 24 20 are guessed.
  expect_alike(22);
  EXPECT_EQ(cache->length(), 8 + 1 + 3);
  expect_alike(23);  // was right, costs nothing
  EXPECT_EQ(cache->length(), 12);
  EXPECT_EQ(plain_cache->length(), 10);
  expect_alike(30);  // was wrong: two are taken back, and 30 stood nowhere
  EXPECT_EQ(cache->length(), 11);
  guesses.drop(rows);
  EXPECT_EQ(cache->length(), plain_cache->length());
  // No room for guesses.
  guesses.step(rows, 20, 1);
  EXPECT_EQ(cache->length(), 12);
}

}  // namespace
}  // namespace isthmus::engine
