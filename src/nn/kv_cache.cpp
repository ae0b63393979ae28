#include "nn/kv_cache.h"

#include <algorithm>
#include <cstddef>
#include <string>

#include "base/check.h"
#include "isthmus/error.h"
#include "kernels/table.h"
#include "nn/parallel.h"

namespace isthmus::nn {
namespace {

constexpr int64_t kFirstStep = 256;  // positions; afterwards the capacity grows by half

torch::ScalarType type_of(KvStorage storage) {
  switch (storage) {
    case KvStorage::kF16: return torch::kHalf;
    case KvStorage::kQ8: return torch::kChar;
    default: return torch::kFloat;
  }
}

CachedRows empty_rows(KvStorage storage, const std::vector<int64_t>& sizes) {
  CachedRows rows{torch::empty(sizes, type_of(storage)), {}};
  if (storage == KvStorage::kQ8)
    rows.scales = torch::empty({sizes[0], sizes[1], sizes[2]}, torch::kFloat);
  return rows;
}

// The first `length` positions of row `from` become those of row `to` of another.
void copy_row(const CachedRows& source, int64_t from, const CachedRows& target, int64_t to,
              int64_t length) {
  target.rows[to].narrow(1, 0, length).copy_(source.rows[from].narrow(1, 0, length));
  if (source.scales.defined())
    target.scales[to].narrow(1, 0, length).copy_(source.scales[from].narrow(1, 0, length));
}

}  // namespace

KvStorage parse_kv_storage(std::string_view text) {
  if (text == "f32") return KvStorage::kF32;
  if (text == "f16") return KvStorage::kF16;
  if (text == "q8") return KvStorage::kQ8;
  throw UsageError("KV cache \"" + std::string(text) + "\" is not one of f32, f16, q8");
}

Tensor CachedRows::widened() const {
  // Without a cache they may be float64.
  if (rows.scalar_type() == torch::kFloat || rows.scalar_type() == torch::kDouble) return rows;
  const Tensor wide = rows.to(torch::kFloat);
  return scales.defined() ? wide * scales.unsqueeze(-1) : wide;
}

KvCache::KvCache(const CacheGeometry& geometry, int64_t batch, int64_t max_length,
                 KvStorage storage)
    : geometry_(geometry),
      storage_(storage),
      batch_(batch),
      max_length_(max_length),
      keys_(static_cast<size_t>(geometry.num_hidden_layers)),
      values_(static_cast<size_t>(geometry.num_hidden_layers)) {
  ISTHMUS_CHECK(batch > 0 && max_length > 0, "an empty KV cache");
}

std::pair<CachedRows, CachedRows> KvCache::append(int64_t layer, const Tensor& key,
                                                  const Tensor& value) {
  ISTHMUS_CHECK(layer >= 0 && layer < geometry_.num_hidden_layers, "no such layer in the KV cache");
  ISTHMUS_CHECK(key.size(0) == batch_ && key.size(2) == geometry_.num_key_value_heads &&
                    key.size(3) == geometry_.head_dim && value.sizes() == key.sizes(),
                "keys of another shape than the KV cache");
  ISTHMUS_CHECK(!(torch::GradMode::is_enabled() && (key.requires_grad() || value.requires_grad())),
                "a KV cache cannot carry gradients; train without one");
  const int64_t seq = key.size(1), needed = length_ + seq;
  if (needed > max_length_) {
    throw ResourceError("The sequence needs " + std::to_string(needed) +
                        " positions, the context holds " + std::to_string(max_length_) +
                        ". Shorten the prompt or ask for fewer new tokens.");
  }
  if (needed > capacity_) {
    capacity_ = std::min(max_length_, std::max({needed, kFirstStep, capacity_ + capacity_ / 2}));
  }
  return {append_to(keys_[static_cast<size_t>(layer)], key, needed),
          append_to(values_[static_cast<size_t>(layer)], value, needed)};
}

// rows [batch, seq, kv_heads, head_dim]
CachedRows KvCache::append_to(CachedRows& held, const Tensor& rows, int64_t needed) {
  if (!held.rows.defined() || held.rows.size(2) < needed) {
    CachedRows fresh = empty_rows(
        storage_, {batch_, geometry_.num_key_value_heads, capacity_, geometry_.head_dim});
    if (held.rows.defined() && length_ > 0)
      for (int64_t b = 0; b < batch_; ++b) copy_row(held, b, fresh, b, length_);
    held = std::move(fresh);
  }
  const int64_t seq = rows.size(1), heads = rows.size(2), dim = rows.size(3);
  if (storage_ == KvStorage::kF32) {
    held.rows.narrow(2, length_, seq).copy_(rows.transpose(1, 2));
  } else {
    const auto& table = kernels::kernels();
    const auto narrow =
        storage_ == KvStorage::kF16 ? table.narrow_rows_f16 : table.narrow_rows_i8;
    const Tensor from = rows.to(torch::kFloat).contiguous();
    parallel_tasks(batch_ * heads, [&](int64_t task) {
      const int64_t b = task / heads, first = task * held.rows.size(2) + length_;
      const float* x = from.data_ptr<float>() + (b * seq * heads + task % heads) * dim;
      auto* y = static_cast<std::byte*>(held.rows.data_ptr()) +
                first * dim * static_cast<int64_t>(held.rows.element_size());
      float* scales = held.scales.defined() ? held.scales.data_ptr<float>() + first : nullptr;
      narrow({x, heads * dim, seq, dim, y, dim, scales});
    });
  }
  return {held.rows.narrow(2, 0, needed),
          held.scales.defined() ? held.scales.narrow(2, 0, needed) : Tensor()};
}

void KvCache::advance(int64_t seq) {
  ISTHMUS_CHECK(seq >= 0 && length_ + seq <= capacity_, "advanced beyond what was appended");
  length_ += seq;
}

void KvCache::truncate(int64_t length) {
  ISTHMUS_CHECK(length >= 0 && length <= length_, "a KV cache is only ever cut shorter");
  length_ = length;
}

void KvCache::reorder(const Tensor& batch_index) {
  ISTHMUS_CHECK(batch_index.dim() == 1 && batch_index.size(0) > 0, "one row index per new row");
  const int64_t rows = batch_index.size(0);
  const auto index = batch_index.accessor<int64_t, 1>();
  bool unchanged = rows == batch_;
  for (int64_t row = 0; unchanged && row < rows; ++row) unchanged = index[row] == row;
  if (unchanged) return;
  for (std::vector<CachedRows>* side : {&keys_, &values_}) {
    for (CachedRows& layer : *side) {
      if (!layer.rows.defined()) continue;
      // Only what is in use moves; the room behind it stays, so that the next step need not grow.
      std::vector<int64_t> sizes = layer.rows.sizes().vec();
      sizes[0] = rows;
      CachedRows fresh = empty_rows(storage_, sizes);
      for (int64_t row = 0; row < rows; ++row) copy_row(layer, index[row], fresh, row, length_);
      layer = std::move(fresh);
    }
  }
  batch_ = rows;
}

}  // namespace isthmus::nn
