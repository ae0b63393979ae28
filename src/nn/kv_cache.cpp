#include "nn/kv_cache.h"

#include <algorithm>
#include <string>

#include "base/check.h"
#include "isthmus/error.h"

namespace isthmus::nn {
namespace {

constexpr int64_t kFirstStep = 256;  // positions; afterwards the capacity grows by half

Tensor grown(const Tensor& old, int64_t used, const std::vector<int64_t>& sizes) {
  Tensor fresh = torch::empty(sizes, torch::kFloat);
  if (old.defined() && used > 0) fresh.narrow(2, 0, used).copy_(old.narrow(2, 0, used));
  return fresh;
}

}  // namespace

KvCache::KvCache(const CacheGeometry& geometry, int64_t batch, int64_t max_length)
    : geometry_(geometry),
      batch_(batch),
      max_length_(max_length),
      keys_(static_cast<size_t>(geometry.num_hidden_layers)),
      values_(static_cast<size_t>(geometry.num_hidden_layers)) {
  ISTHMUS_CHECK(batch > 0 && max_length > 0, "an empty KV cache");
}

std::pair<Tensor, Tensor> KvCache::append(int64_t layer, const Tensor& key, const Tensor& value) {
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
  Tensor& keys = keys_[static_cast<size_t>(layer)];
  Tensor& values = values_[static_cast<size_t>(layer)];
  if (!keys.defined() || keys.size(2) < needed) {
    const std::vector<int64_t> sizes = {batch_, geometry_.num_key_value_heads, capacity_,
                                        geometry_.head_dim};
    keys = grown(keys, length_, sizes);
    values = grown(values, length_, sizes);
  }
  keys.narrow(2, length_, seq).copy_(key.transpose(1, 2));
  values.narrow(2, length_, seq).copy_(value.transpose(1, 2));
  return {keys.narrow(2, 0, needed), values.narrow(2, 0, needed)};
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
  for (std::vector<Tensor>* side : {&keys_, &values_}) {
    for (Tensor& layer : *side) {
      if (!layer.defined()) continue;
      // Only what is in use moves; the room behind it stays, so that the next step need not grow.
      Tensor fresh = torch::empty({rows, layer.size(1), layer.size(2), layer.size(3)}, torch::kFloat);
      for (int64_t row = 0; row < rows; ++row)
        fresh[row].narrow(1, 0, length_).copy_(layer[index[row]].narrow(1, 0, length_));
      layer = fresh;
    }
  }
  batch_ = rows;
}

}  // namespace isthmus::nn
