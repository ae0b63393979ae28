#include "nn/page_pool.h"

#include <algorithm>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "isthmus/error.h"

namespace isthmus::nn {
namespace {

constexpr CacheGeometry kGeometry{2, 3, 8};
constexpr int64_t kPageRows = PagePool::kPositions;

TEST(PagePool, APageIsFreeWhenItsLastHolderLetsGo) {
  PagePool pool(kGeometry, KvStorage::kF32, 2);
  const int64_t first = *pool.take();
  EXPECT_NE(first, *pool.take());
  EXPECT_FALSE(pool.take());
  pool.hold(first);
  pool.let_go(first);
  EXPECT_FALSE(pool.take());
  pool.let_go(first);
  EXPECT_EQ(*pool.take(), first);
  pool.let_go(first);
  EXPECT_THROW(pool.let_go(first), InternalError);
}

TEST(PagePool, NoTwoPlacesOverlap) {
  for (const KvStorage storage : {KvStorage::kF32, KvStorage::kF16, KvStorage::kQ8}) {
    PagePool pool(kGeometry, storage, 3);
    const int64_t row_bytes = kPageRows * kGeometry.head_dim * pool.element_bytes();
    std::vector<std::pair<std::byte*, std::byte*>> places;
    for (int64_t layer = 0; layer < 2; ++layer)
      for (const auto side : {PagePool::Side::kKeys, PagePool::Side::kValues})
        for (int64_t page = 0; page < 3; ++page)
          for (int64_t head = 0; head < 3; ++head) {
            const PageRows rows = pool.at(layer, side, page, head);
            places.emplace_back(rows.rows, rows.rows + row_bytes);
            EXPECT_EQ(rows.scales != nullptr, storage == KvStorage::kQ8);
            if (rows.scales == nullptr) continue;
            auto* scales = reinterpret_cast<std::byte*>(rows.scales);
            places.emplace_back(scales, scales + kPageRows * 4);
          }
    std::sort(places.begin(), places.end());
    for (size_t i = 1; i < places.size(); ++i) ASSERT_LE(places[i - 1].second, places[i].first);
    EXPECT_LE(places.back().second - places.front().first,
              3 * PagePool::page_bytes(kGeometry, storage));
  }
}

TEST(PagedCache, ReservesAllOrNothing) {
  PagePool pool(kGeometry, KvStorage::kF32, 3);
  PagedCache cache(pool);
  EXPECT_TRUE(cache.reserve(kPageRows + 1));
  EXPECT_EQ(cache.pages().size(), 2u);
  EXPECT_FALSE(cache.reserve(3 * kPageRows + 1));
  EXPECT_EQ(cache.pages().size(), 2u);
  cache.advance(kPageRows + 1);
  cache.truncate(kPageRows);
  EXPECT_EQ(pool.free_pages(), 2);
  cache.clear();
  EXPECT_EQ(pool.free_pages(), 3);
}

TEST(PagedCache, ForksShareFullPagesAndCopyTheLast) {
  PagePool pool(kGeometry, KvStorage::kQ8, 4);
  PagedCache cache(pool);
  ASSERT_TRUE(cache.reserve(kPageRows + 5));
  cache.advance(kPageRows + 5);
  for (const int64_t page : cache.pages()) {
    const PageRows rows = pool.at(1, PagePool::Side::kValues, page, 2);
    rows.rows[3] = std::byte{42};
    rows.scales[4] = 7;
  }
  {
    const auto fork = cache.fork();
    ASSERT_TRUE(fork);
    EXPECT_EQ(fork->length(), kPageRows + 5);
    EXPECT_EQ(fork->pages()[0], cache.pages()[0]);
    EXPECT_NE(fork->pages()[1], cache.pages()[1]);
    const PageRows rows = pool.at(1, PagePool::Side::kValues, fork->pages()[1], 2);
    EXPECT_EQ(rows.rows[3], std::byte{42});
    EXPECT_EQ(rows.scales[4], 7);
    EXPECT_THROW(fork->page_to_write(0), InternalError);
    EXPECT_EQ(fork->page_to_write(kPageRows + 5), fork->pages()[1]);
    const auto other = cache.fork();
    ASSERT_TRUE(other);
    EXPECT_FALSE(cache.fork()) << "there is no fifth page";
  }
  EXPECT_EQ(pool.free_pages(), 2);
  EXPECT_EQ(cache.page_to_write(0), cache.pages()[0]);
}

}  // namespace
}  // namespace isthmus::nn
