#include "serving/prefix_cache.h"

#include <numeric>

#include <gtest/gtest.h>

namespace isthmus::serving {
namespace {

constexpr int64_t kPage = nn::PagePool::kPositions;

// `pages` pages of keys that count on from `first`.
std::vector<int64_t> keys(int64_t pages, int64_t first) {
  std::vector<int64_t> all(static_cast<size_t>(pages * kPage));
  std::iota(all.begin(), all.end(), first);
  return all;
}

std::vector<int64_t> followed_by(std::vector<int64_t> keys, const std::vector<int64_t>& more) {
  keys.insert(keys.end(), more.begin(), more.end());
  return keys;
}

class PrefixCacheTest : public testing::Test {
 protected:
  // A sequence of full pages, as a running answer holds them.
  nn::PagedCache sequence(int64_t pages) {
    nn::PagedCache cache(pool_);
    EXPECT_TRUE(cache.reserve(pages * kPage));
    cache.advance(pages * kPage);
    return cache;
  }
  std::vector<int64_t> pages_of(const nn::PagedCache& cache) {
    return {cache.pages().begin(), cache.pages().end()};
  }

  nn::PagePool pool_{{1, 1, 8}, nn::KvStorage::kF32, 8};
  PrefixCache prefixes_{pool_};
};

TEST_F(PrefixCacheTest, TheLongestKnownBeginningIsFound) {
  const auto first = sequence(3);
  prefixes_.insert(keys(3, 0), first.pages());
  EXPECT_EQ(prefixes_.find(keys(3, 0)), pages_of(first));
  auto shorter = keys(3, 0);
  shorter.pop_back();
  EXPECT_EQ(prefixes_.find(shorter).size(), 2u);
  EXPECT_EQ(prefixes_.find(followed_by(keys(1, 0), keys(1, 1000))).size(), 1u);
  EXPECT_TRUE(prefixes_.find(keys(2, kPage)).empty()) << "the same keys at another place";
  EXPECT_TRUE(prefixes_.find({}).empty());
}

TEST_F(PrefixCacheTest, WhatIsKnownKeepsItsPage) {
  const auto first = sequence(1), second = sequence(2);
  prefixes_.insert(keys(1, 0), first.pages());
  prefixes_.insert(keys(2, 0), second.pages());
  const auto found = prefixes_.find(keys(2, 0));
  EXPECT_EQ(found, (std::vector<int64_t>{first.pages()[0], second.pages()[1]}));
}

TEST_F(PrefixCacheTest, WhatWasUsedLeastLatelyGoesFirstAndEndsBeforeBeginnings) {
  for (const int64_t first : {0, 1000}) prefixes_.insert(keys(2, first), sequence(2).pages());
  EXPECT_EQ(pool_.free_pages(), 4);
  EXPECT_EQ(pool_.idle_pages(), 4);
  prefixes_.find(keys(2, 0));
  EXPECT_TRUE(prefixes_.free_pages(5));
  EXPECT_EQ(prefixes_.find(keys(2, 1000)).size(), 1u) << "its end is gone";
  prefixes_.find(keys(2, 0));
  EXPECT_TRUE(prefixes_.free_pages(6));
  EXPECT_EQ(prefixes_.find(keys(2, 1000)).size(), 0u);
  EXPECT_EQ(prefixes_.find(keys(2, 0)).size(), 2u);
}

TEST_F(PrefixCacheTest, ABeginningGoesAsAnEndOnceNothingFollowsIt) {
  for (const int64_t first : {0, 1000}) prefixes_.insert(keys(2, first), sequence(2).pages());
  EXPECT_TRUE(prefixes_.free_pages(7));
  EXPECT_EQ(prefixes_.find(keys(2, 1000)).size(), 1u) << "the one used last keeps its beginning";
  EXPECT_EQ(prefixes_.find(keys(2, 0)).size(), 0u);
  EXPECT_TRUE(prefixes_.free_pages(8));
  EXPECT_EQ(pool_.idle_pages(), 0);
}

TEST_F(PrefixCacheTest, PagesInUseStay) {
  const auto held = sequence(3);
  prefixes_.insert(keys(3, 0), held.pages());
  EXPECT_EQ(pool_.idle_pages(), 0);
  EXPECT_FALSE(prefixes_.free_pages(6));
  EXPECT_EQ(prefixes_.find(keys(3, 0)).size(), 3u);
}

// Two read the same rows at the same time; the first, whose page is known, ends before the second.
TEST_F(PrefixCacheTest, AnIdleBeginningCanBeGivenUpBeforeWhatFollows) {
  const auto second = sequence(2);
  prefixes_.insert(keys(1, 0), sequence(1).pages());
  prefixes_.insert(keys(2, 0), second.pages());
  EXPECT_EQ(pool_.free_pages(), 5);
  EXPECT_EQ(pool_.idle_pages(), 1);
  EXPECT_TRUE(prefixes_.free_pages(6));
  EXPECT_TRUE(prefixes_.find(keys(2, 0)).empty());
  EXPECT_EQ(pool_.holders(second.pages()[1]), 1);
}

TEST_F(PrefixCacheTest, ForgettingGivesAllBack) {
  prefixes_.insert(keys(3, 0), sequence(3).pages());
  prefixes_.forget();
  EXPECT_EQ(pool_.free_pages(), 8);
  EXPECT_TRUE(prefixes_.find(keys(3, 0)).empty());
}

}  // namespace
}  // namespace isthmus::serving
