#include "eval/shots.h"

#include <set>

#include <fmt/format.h>

#include "base/log.h"
#include "eval/feature_cache.h"
#include "eval_testing.h"

namespace isthmus::eval {
namespace {

std::vector<Sample> numbered(size_t count) {
  std::vector<Sample> samples(count);
  for (size_t i = 0; i < count; ++i) samples[i].image = fmt::format("p{}.png", i);
  return samples;
}

TEST(RandomShots, SeedAndPlaceDecideAndFewerShotsAreTheFirstOfMore) {
  const auto train = numbered(500);
  const RandomShots shots(train, 42, 100), same(train, 42, 100), other(train, 43, 100);
  const Sample question;
  EXPECT_EQ(shots.query_set(), same.query_set());
  EXPECT_NE(shots.query_set(), other.query_set());
  EXPECT_EQ(std::set(shots.query_set().begin(), shots.query_set().end()).size(), 100u);
  const auto eight = shots.pick(question, 3, 8);
  EXPECT_EQ(eight, same.pick(question, 3, 8));
  EXPECT_NE(eight, shots.pick(question, 4, 8));
  EXPECT_EQ(std::vector(eight.begin(), eight.begin() + 4), shots.pick(question, 3, 4));
  EXPECT_EQ(std::set(eight.begin(), eight.end()).size(), 8u);
  const std::set<size_t> query_set(shots.query_set().begin(), shots.query_set().end());
  for (const size_t index : eight) EXPECT_TRUE(query_set.contains(index));
}

TEST(RandomShots, ThePictureOfTheQuestionIsNeverShown) {
  const auto train = numbered(5);
  const RandomShots shots(train, 1, 0);
  const auto picked = shots.pick(train[2], 0, 10);
  EXPECT_EQ(picked.size(), 4u);
  EXPECT_EQ(std::count(picked.begin(), picked.end(), 2u), 0);
}

TEST(RandomShots, EveryExampleIsDrawnEquallyOften) {
  const auto train = numbered(10);
  const RandomShots shots(train, 7, 0);
  std::vector<int> drawn(10);
  for (uint64_t place = 0; place < 10000; ++place)
    for (const size_t index : shots.pick(Sample{}, place, 3)) ++drawn[index];
  for (const int count : drawn) EXPECT_NEAR(count, 3000, 5 * std::sqrt(10000 * 0.3 * 0.7));
}

TEST(NearestShots, TheNearestStandsLast) {
  const auto train = numbered(5);
  const std::vector<std::vector<float>> embeddings{{1, 0}, {0, 1}, {0.8f, 0.6f}, {1, 0}};
  const NearestShots shots(
      train, {&embeddings[0], &embeddings[1], &embeddings[2], &embeddings[3], nullptr});
  const std::vector<float> query{1, 0.1f};
  EXPECT_EQ(shots.pick(Sample{}, query, 3), (std::vector<size_t>{2, 3, 0}));
  EXPECT_EQ(shots.pick(Sample{}, query, 9), (std::vector<size_t>{1, 2, 3, 0}));
  EXPECT_EQ(shots.pick(train[0], query, 2), (std::vector<size_t>{2, 3}));
}

TEST(NearestShots, LongVectorsAndNotANumber) {
  const auto train = numbered(3);
  std::vector<float> near(19, 1.0f), far(19, 0.5f), broken(19, 1.0f);
  broken[18] = std::nanf("");
  const NearestShots shots(train, {&broken, &far, &near});
  EXPECT_EQ(shots.pick(Sample{}, near, 2), (std::vector<size_t>{1, 2}));
}

TEST(FeatureCache, KeepsWhatWasSavedForTheSamePictureAndWeights) {
  const auto folder = fresh_folder();
  const auto a = put(folder / "a.png", "aa"), b = put(folder / "b.png", "bb");
  {
    FeatureCache cache(folder / "cache", "weights 1");
    EXPECT_EQ(cache.find(a), nullptr);
    cache.put(a, {1, 2, 3});
    cache.put(b, {4, 5, 6});
    cache.put(folder / "none.png", {7, 8, 9});
    EXPECT_EQ(cache.size(), 2u);
    cache.save();
  }
  FeatureCache again(folder / "cache", "weights 1");
  ASSERT_NE(again.find(folder / "." / "a.png"), nullptr);
  EXPECT_EQ(*again.find(a), (std::vector<float>{1, 2, 3}));
  put(b, "longer");
  EXPECT_EQ(again.find(b), nullptr);
  EXPECT_EQ(FeatureCache(folder / "cache", "weights 2").size(), 0u);
}

TEST(FeatureCache, ADamagedFileCountsAsEmpty) {
  const auto folder = fresh_folder();
  const auto a = put(folder / "a.png", "aa");
  FeatureCache cache(folder, "weights");
  cache.put(a, {1, 2, 3});
  cache.save();
  const std::string whole = text_of(cache.file());
  log::set_level(log::Level::kError);
  EXPECT_EQ(FeatureCache(folder, "weights").size(), 1u);
  for (size_t i = 0; i < whole.size(); ++i) {
    put(cache.file(), whole.substr(0, i));
    EXPECT_EQ(FeatureCache(folder, "weights").size(), 0u) << "cut at " << i;
    std::string damaged = whole;
    damaged[i] = static_cast<char>(damaged[i] ^ 0x40);
    put(cache.file(), damaged);
    EXPECT_EQ(FeatureCache(folder, "weights").size(), 0u) << "byte " << i;
  }
  FeatureCache repaired(folder, "weights");
  log::set_level(log::Level::kWarn);
  repaired.put(a, {3, 2, 1});
  repaired.save();
  EXPECT_EQ(FeatureCache(folder, "weights").size(), 1u);
}

}  // namespace
}  // namespace isthmus::eval
