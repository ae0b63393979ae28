// Attention of several sequences at once, keys and values read where they lie in pages.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "base/check.h"
#include "kernels/table.h"
#include "nn/attention_problem.h"
#include "nn/lanes.h"
#include "nn/parallel.h"

namespace isthmus::nn {
namespace {

using kernels::KernelTable;
using Side = PagePool::Side;

// Pages of one task of decoding. Where the keys are cut decides how sums are rounded, so that it
// must not depend on who else is in the pass, nor on the number of threads.
constexpr int64_t kPagesPerTask = 8;

// ---- What is new goes into the pages.

// Consecutive rows of one lane that go into one page.
struct Stretch {
  int64_t row, page, offset, count;  // the first row of the call; where it goes
};

std::vector<Stretch> stretches_of(std::span<const Lane> lanes) {
  std::vector<Stretch> all;
  int64_t row = 0;
  for (const Lane& lane : lanes) {
    const int64_t begin = lane.cache->length(), end = begin + lane.rows;
    for (int64_t at = begin; at < end;) {
      const int64_t offset = at % PagePool::kPositions;
      const int64_t count = std::min(PagePool::kPositions - offset, end - at);
      all.push_back({row, lane.cache->page_to_write(at), offset, count});
      row += count;
      at += count;
    }
  }
  return all;
}

// rows [1, rows of all lanes, kv_heads, head_dim]
void write(const PagePool& pool, int64_t layer, Side side, const Tensor& rows, const Stretch& s) {
  const KernelTable& table = kernels::kernels();
  const auto narrow =
      pool.storage() == KvStorage::kF16 ? table.narrow_rows_f16 : table.narrow_rows_i8;
  const int64_t heads = rows.size(2), dim = rows.size(3), stride = rows.stride(1);
  for (int64_t h = 0; h < heads; ++h) {
    const PageRows page = pool.at(layer, side, s.page, h);
    std::byte* to = page.rows + s.offset * dim * pool.element_bytes();
    const float* x = rows.data_ptr<float>() + s.row * stride + h * rows.stride(2);
    if (pool.storage() == KvStorage::kF32) {
      for (int64_t r = 0; r < s.count; ++r)
        std::memcpy(to + r * dim * 4, x + r * stride, static_cast<size_t>(dim) * 4);
    } else {
      float* scales = page.scales != nullptr ? page.scales + s.offset : nullptr;
      narrow({x, stride, s.count, dim, to, dim, scales});
    }
  }
}

// ---- Decoding: every lane with few queries, all in one go.

// A part of the keys for one query and one key/value head.
struct Part {
  const AttentionProblem* problem;
  int64_t query, head;
  KeyRange keys;
};
// Results that are merged into one.
struct Merge {
  float* out;
  int64_t first, count;
};

// values · exp(max - highest) of both sides; results as merge_partial takes them.
void add_partial(float* sum, const float* more, int64_t head_dim) {
  const float highest = std::max(sum[head_dim], more[head_dim]);
  const float mine = std::exp(sum[head_dim] - highest), other = std::exp(more[head_dim] - highest);
  for (int64_t d = 0; d < head_dim; ++d) sum[d] = mine * sum[d] + other * more[d];
  sum[head_dim + 1] = mine * sum[head_dim + 1] + other * more[head_dim + 1];
  sum[head_dim] = highest;
}

void attend_part(const Part& part, float* to) {
  const AttentionProblem& p = *part.problem;
  const KernelTable& table = kernels::kernels();
  const auto attend = p.storage == KvStorage::kF32   ? table.decode_attention_f32
                      : p.storage == KvStorage::kF16 ? table.decode_attention_f16
                                                     : table.decode_attention_i8;
  const int64_t width = p.head_dim + 2;
  float* statistics = scratch(ScratchUse::kPackedRows, 2 * p.group);
  float* scores = scratch(ScratchUse::kScores, p.group * PagePool::kPositions);
  float* of_page = scratch(ScratchUse::kPackedValues, p.group * width);
  for (int64_t at = part.keys.begin; at < part.keys.end;) {
    const int64_t page = at / PagePool::kPositions * PagePool::kPositions;
    const int64_t end = std::min(page + PagePool::kPositions, part.keys.end);
    const PageRows key = p.pages->keys(page, part.head), value = p.pages->values(page, part.head);
    const bool first = at == part.keys.begin;
    float* out = first ? to : of_page;
    attend({p.query + part.query * p.q_row + part.head * p.group * p.q_head, p.q_head, p.group,
            key.rows, p.head_dim, value.rows, p.head_dim, at - page, end - page, p.head_dim,
            p.scale, scores, out, width, statistics, statistics + p.group,
            p.slopes(part.head * p.group), p.position(part.query) - page, key.scales,
            value.scales});
    for (int64_t g = 0; g < p.group; ++g) {
      out[g * width + p.head_dim] = statistics[g];
      out[g * width + p.head_dim + 1] = statistics[p.group + g];
      if (!first) add_partial(to + g * width, of_page + g * width, p.head_dim);
    }
    at = end;
  }
}

void decode(std::span<const AttentionProblem* const> problems) {
  std::vector<Part> parts;
  std::vector<Merge> merges;
  int64_t group = 0, head_dim = 0;
  for (const AttentionProblem* p : problems) {
    group = p->group;
    head_dim = p->head_dim;
    for (int64_t t = 0; t < p->query_length; ++t) {
      const KeyRange range = p->visible(0, t);
      for (int64_t h = 0; h < p->kv_heads; ++h) {
        const auto first = static_cast<int64_t>(parts.size());
        for (int64_t at = range.begin; at < range.end;) {
          const int64_t step = kPagesPerTask * PagePool::kPositions;
          const int64_t end = std::min((at / step + 1) * step, range.end);
          parts.push_back({p, t, h, {at, end}});
          at = end;
        }
        merges.push_back(
            {p->out_at(0, t, h * group), first, static_cast<int64_t>(parts.size()) - first});
      }
    }
  }
  const int64_t size = group * (head_dim + 2);
  const auto count = static_cast<int64_t>(parts.size());
  float* partial = scratch(ScratchUse::kPartial, count * size);
  parallel_tasks(count, [&](int64_t task) {
    attend_part(parts[static_cast<size_t>(task)], partial + task * size);
  });
  parallel_tasks(static_cast<int64_t>(merges.size()), [&](int64_t task) {
    const Merge& merge = merges[static_cast<size_t>(task)];
    merge_partial(partial + merge.first * size, merge.count, group, head_dim, merge.out);
  });
}

// ---- The plain composition.

// Keys or values of a lane after this call, [1, kv_heads, length, head_dim] float32.
Tensor gathered(const PagedCache& cache, int64_t length, int64_t layer, Side side) {
  const PagePool& pool = cache.pool();
  const CacheGeometry& g = pool.geometry();
  const auto type = pool.storage() == KvStorage::kF32   ? torch::kFloat
                    : pool.storage() == KvStorage::kF16 ? torch::kHalf
                                                        : torch::kChar;
  std::vector<Tensor> pages;
  for (int64_t at = 0; at < length; at += PagePool::kPositions) {
    const int64_t count = std::min(PagePool::kPositions, length - at);
    const int64_t page = cache.pages()[static_cast<size_t>(at / PagePool::kPositions)];
    const PageRows head = pool.at(layer, side, page, 0);
    CachedRows rows{torch::from_blob(head.rows,
                                     {1, g.num_key_value_heads, PagePool::kPositions, g.head_dim},
                                     type),
                    {}};
    if (head.scales != nullptr)
      rows.scales = torch::from_blob(head.scales, {1, g.num_key_value_heads, PagePool::kPositions},
                                     torch::kFloat);
    pages.push_back(rows.widened().narrow(2, 0, count));
  }
  return torch::cat(pages, 2);
}

}  // namespace

int64_t rows_of(std::span<const Lane> lanes) {
  int64_t rows = 0;
  for (const Lane& lane : lanes) rows += lane.rows;
  return rows;
}

int64_t wanted_of(std::span<const Lane> lanes) {
  int64_t rows = 0;
  for (const Lane& lane : lanes) rows += lane.wanted;
  return rows;
}

Tensor wanted_rows(std::span<const Lane> lanes) {
  std::vector<int64_t> rows;
  int64_t end = 0;
  for (const Lane& lane : lanes) {
    end += lane.rows;
    for (int64_t row = end - lane.wanted; row < end; ++row) rows.push_back(row);
  }
  return torch::tensor(rows, torch::kInt64);
}

Tensor attend_lanes(const Tensor& query, const Tensor& key, const Tensor& value, double scale,
                    const AttentionMask& mask, int64_t layer, std::span<const Lane> lanes) {
  ISTHMUS_CHECK(!lanes.empty() && key.size(0) == 1 && key.size(1) == rows_of(lanes) &&
                    value.sizes() == key.sizes() && mask.causal,
                "lanes are causal and stand side by side");
  const bool all = query.size(1) == key.size(1);
  ISTHMUS_CHECK(all || query.size(1) == wanted_of(lanes), "all rows ask, or those wanted");
  const PagePool& pool = lanes[0].cache->pool();
  const auto stretches = stretches_of(lanes);
  const auto dense = [](const Tensor& x) { return x.stride(-1) == 1 ? x : x.contiguous(); };
  const Tensor keys = dense(key.detach()), values = dense(value.detach());
  parallel_tasks(2 * static_cast<int64_t>(stretches.size()), [&](int64_t task) {
    const Stretch& stretch = stretches[static_cast<size_t>(task / 2)];
    if (task % 2 == 0)
      write(pool, layer, Side::kKeys, keys, stretch);
    else
      write(pool, layer, Side::kValues, values, stretch);
  });

  const Tensor asking = dense(query);
  const bool fused = ops::fused_enabled() && asking.scalar_type() == torch::kFloat;
  Tensor out = torch::empty(asking.sizes(), asking.options());
  std::vector<PagesOfLayer> pages;
  std::vector<AttentionProblem> problems;
  pages.reserve(lanes.size());  // pointed into
  problems.reserve(lanes.size());
  std::vector<const AttentionProblem*> few;
  int64_t row = 0;
  for (const Lane& lane : lanes) {
    const int64_t queries = all ? lane.rows : lane.wanted, first = row;
    const int64_t length = lane.cache->length() + lane.rows;
    row += queries;
    if (queries == 0) continue;
    if (!fused) {
      out.narrow(1, first, queries)
          .copy_(ops::attention(asking.narrow(1, first, queries),
                                gathered(*lane.cache, length, layer, Side::kKeys),
                                gathered(*lane.cache, length, layer, Side::kValues), scale, mask));
      continue;
    }
    pages.push_back({pool, lane.cache->pages(), layer});
    const int64_t heads = query.size(2), dim = query.size(3), kv_heads = key.size(2);
    problems.push_back({.query = asking.data_ptr<float>() + first * asking.stride(1),
                        .key = nullptr,
                        .value = nullptr,
                        .out = out.data_ptr<float>() + first * heads * dim,
                        .batch = 1,
                        .query_length = queries,
                        .heads = heads,
                        .head_dim = dim,
                        .kv_heads = kv_heads,
                        .key_length = length,
                        .group = heads / kv_heads,
                        .q_batch = 0,
                        .q_row = asking.stride(1),
                        .q_head = asking.stride(2),
                        .k_batch = 0,
                        .k_head = 0,
                        .k_row = 0,
                        .v_batch = 0,
                        .v_head = 0,
                        .v_row = 0,
                        .storage = pool.storage(),
                        .element_bytes = pool.element_bytes(),
                        .key_scales = nullptr,
                        .value_scales = nullptr,
                        .s_batch = 0,
                        .s_head = 0,
                        .scale = static_cast<float>(scale),
                        .mask = mask,
                        .pages = &pages.back()});
    if (queries <= kDecodeQueries)
      few.push_back(&problems.back());
    else
      attention_prefill(problems.back());
  }
  if (!few.empty()) decode(few);
  return out;
}

}  // namespace isthmus::nn
