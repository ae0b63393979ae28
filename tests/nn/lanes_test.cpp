#include "nn/lanes.h"

#include <memory>
#include <vector>

#include <gtest/gtest.h>
#include <torch/types.h>

#include "isthmus/error.h"
#include "kernels/table.h"
#include "nn/kv_cache.h"

namespace isthmus::nn {
namespace {

constexpr int64_t kPage = PagePool::kPositions;

struct Case {
  int64_t heads, kv_heads, head_dim, window;
  bool alibi;
  KvStorage storage;
};

// Several sequences, each beside a cache of its own that is not paged.
class Sequences {
 public:
  Sequences(const Case& c, int64_t count)
      : case_(c), pool_(geometry(), c.storage, 64), slopes_(static_cast<size_t>(c.heads), 0.25f) {
    for (int64_t i = 0; i < count; ++i) {
      paged_.push_back(std::make_unique<PagedCache>(pool_));
      plain_.emplace_back(geometry(), 1, 1000, c.storage);
    }
  }

  // One pass of so many new rows per sequence, all or the last `wanted` asking.
  void expect_same(const std::vector<int64_t>& rows, int64_t wanted = -1) {
    std::vector<Lane> lanes;
    std::vector<size_t> who;
    int64_t total = 0, asked = 0;
    for (size_t i = 0; i < rows.size(); ++i) {
      if (rows[i] == 0) continue;
      ASSERT_TRUE(paged_[i]->reserve(paged_[i]->length() + rows[i]));
      lanes.push_back({rows[i], wanted < 0 ? rows[i] : std::min(wanted, rows[i]), paged_[i].get()});
      who.push_back(i);
      total += rows[i];
      asked += lanes.back().wanted;
    }
    const auto random = [&](int64_t count, int64_t heads) {
      return torch::randn({1, count, heads, case_.head_dim});
    };
    // As a part of a product, not dense.
    const Tensor qkv = random(total, case_.heads + 2 * case_.kv_heads);
    const Tensor all = qkv.narrow(2, 0, case_.heads);
    const Tensor query = asked == total ? all : all.index_select(1, wanted_rows(lanes));
    const Tensor key = qkv.narrow(2, case_.heads, case_.kv_heads);
    const Tensor value = qkv.narrow(2, case_.heads + case_.kv_heads, case_.kv_heads);
    AttentionMask mask{true, case_.window, {}, {}};
    if (case_.alibi) mask.alibi_slopes = slopes_;
    const Tensor out = attend_lanes(query, key, value, 0.3, mask, 1, lanes);
    ASSERT_EQ(out.sizes(), query.sizes());
    int64_t first = 0, at = 0;
    for (size_t l = 0; l < lanes.size(); ++l) {
      KvCache& cache = plain_[who[l]];
      const auto [keys, values] = cache.append(1, key.narrow(1, first, lanes[l].rows),
                                               value.narrow(1, first, lanes[l].rows));
      const Tensor expected =
          ops::attention(query.narrow(1, at, lanes[l].wanted), keys, values, 0.3, mask);
      const double off = (out.narrow(1, at, lanes[l].wanted) - expected).abs().max().item<double>();
      EXPECT_LT(off, 2e-6) << "lane " << l << " of " << lanes.size();
      cache.advance(lanes[l].rows);
      paged_[who[l]]->advance(lanes[l].rows);
      first += lanes[l].rows;
      at += lanes[l].wanted;
    }
  }

 private:
  CacheGeometry geometry() const { return {2, case_.kv_heads, case_.head_dim}; }

  Case case_;
  PagePool pool_;
  std::vector<float> slopes_;
  std::vector<std::unique_ptr<PagedCache>> paged_;
  std::vector<KvCache> plain_;
};

std::vector<Case> cases() {
  std::vector<Case> all;
  for (const KvStorage storage : {KvStorage::kF32, KvStorage::kF16, KvStorage::kQ8}) {
    all.push_back({4, 4, 16, 0, false, storage});
    all.push_back({6, 2, 20, 0, true, storage});
    all.push_back({4, 1, 128, 40, false, storage});
  }
  return all;
}

void run_everything() {
  torch::manual_seed(7);
  for (const Case& c : cases()) {
    Sequences sequences(c, 4);
    sequences.expect_same({5, 70, 1, 0});    // prompts, one of them short
    sequences.expect_same({1, 1, 40, 300});  // decoding beside prompts
    for (int i = 0; i < 3; ++i) sequences.expect_same({1, 1, 1, 1});
    sequences.expect_same({1, 3, 90, 1}, 1);  // only the last rows ask
    sequences.expect_same({30, 4, 1, 2});
  }
}

TEST(Lanes, EachAttendsToItsOwnKeysAsAlone) {
  torch::NoGradGuard no_grad;
  run_everything();
}

TEST(Lanes, TheCompositionSaysTheSame) {
  torch::NoGradGuard no_grad;
  ops::ComposedOnly composed;
  run_everything();
}

// Whoever else is in the pass, the numbers are the same to the bit.
TEST(Lanes, CompanyChangesNothing) {
  torch::NoGradGuard no_grad;
  torch::manual_seed(3);
  PagePool pool({1, 2, 16}, KvStorage::kF32, 64);
  const Tensor key = torch::randn({1, 300, 2, 16}), query = torch::randn({1, 300, 4, 16});
  const auto last_row = [&](bool company) {
    PagedCache cache(pool), other(pool);
    cache.reserve(300);
    other.reserve(300);
    std::vector<Lane> lanes{{299, 299, &cache}};
    attend_lanes(query.narrow(1, 0, 299), key.narrow(1, 0, 299), key.narrow(1, 0, 299), 0.2,
                 {true, 0, {}}, 0, lanes);
    cache.advance(299);
    lanes = {{1, 1, &cache}};
    if (company) lanes.push_back({17, 17, &other});
    const int64_t rows = company ? 18 : 1;
    const Tensor x = torch::cat({key.narrow(1, 299, 1), key.narrow(1, 0, rows - 1)}, 1);
    const Tensor q = torch::cat({query.narrow(1, 299, 1), query.narrow(1, 0, rows - 1)}, 1);
    return attend_lanes(q, x, x, 0.2, {true, 0, {}}, 0, lanes).narrow(1, 0, 1).clone();
  };
  EXPECT_TRUE(torch::equal(last_row(false), last_row(true)));
}

TEST(Lanes, ASharedPageIsNotWritten) {
  torch::NoGradGuard no_grad;
  PagePool pool({1, 1, 8}, KvStorage::kF32, 4);
  PagedCache cache(pool);
  cache.reserve(kPage);
  pool.hold(cache.pages()[0]);
  const Tensor x = torch::zeros({1, 1, 1, 8});
  const std::vector<Lane> lanes{{1, 1, &cache}};
  EXPECT_THROW(attend_lanes(x, x, x, 1, {true, 0, {}}, 0, lanes), InternalError);
}

TEST(Lanes, APageIsPackedInWholePanels) {
  for (const kernels::KernelTable* table : kernels::supported_tables())
    EXPECT_EQ(kPage % table->gemm.tile_cols, 0) << table->name;
}

}  // namespace
}  // namespace isthmus::nn
