#include "nn/page_pool.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/check.h"

namespace isthmus::nn {
namespace {

constexpr int64_t kLine = 64;  // bytes: what a row's first element is aligned to

int64_t bytes_of(KvStorage storage) {
  return storage == KvStorage::kF32 ? 4 : storage == KvStorage::kF16 ? 2 : 1;
}

int64_t elements_of_side(const CacheGeometry& g) {
  return g.num_key_value_heads * PagePool::kPositions * g.head_dim;
}

// Keys or values of one layer: elements of all heads, then their scales.
int64_t side_bytes(const CacheGeometry& g, KvStorage storage) {
  const int64_t scales =
      storage == KvStorage::kQ8 ? g.num_key_value_heads * PagePool::kPositions * 4 : 0;
  const int64_t bytes = elements_of_side(g) * bytes_of(storage) + scales;
  return (bytes + kLine - 1) / kLine * kLine;
}

}  // namespace

int64_t PagePool::page_bytes(const CacheGeometry& geometry, KvStorage storage) {
  return geometry.num_hidden_layers * 2 * side_bytes(geometry, storage);
}

PagePool::PagePool(const CacheGeometry& geometry, KvStorage storage, int64_t pages)
    : geometry_(geometry),
      storage_(storage),
      holders_(static_cast<size_t>(pages), 0),
      kept_(holders_.size(), false) {
  ISTHMUS_CHECK(pages > 0, "a pool without pages");
  memory_ = torch::empty({pages * page_bytes(geometry, storage)}, torch::kByte);
  for (int64_t page = pages - 1; page >= 0; --page) free_.push_back(page);
}

int64_t PagePool::element_bytes() const { return bytes_of(storage_); }

std::optional<int64_t> PagePool::take() {
  if (free_.empty()) return std::nullopt;
  const int64_t page = free_.back();
  free_.pop_back();
  holders_[static_cast<size_t>(page)] = 1;
  return page;
}

void PagePool::hold(int64_t page) {
  ISTHMUS_CHECK(holders(page) > 0, "a free page is taken, not held");
  if (holders_[static_cast<size_t>(page)]++ == 1 && kept_[static_cast<size_t>(page)]) --idle_;
}

void PagePool::let_go(int64_t page) {
  ISTHMUS_CHECK(holders(page) > 0, "a page is let go once by each holder");
  const int64_t left = --holders_[static_cast<size_t>(page)];
  if (left == 0) free_.push_back(page);
  if (left == 1 && kept_[static_cast<size_t>(page)]) ++idle_;
}

void PagePool::keep(int64_t page) {
  ISTHMUS_CHECK(!kept_[static_cast<size_t>(page)], "a page is kept once");
  hold(page);
  kept_[static_cast<size_t>(page)] = true;
}

void PagePool::give_up(int64_t page) {
  ISTHMUS_CHECK(kept_[static_cast<size_t>(page)], "only a kept page is given up");
  if (holders(page) == 1) --idle_;
  kept_[static_cast<size_t>(page)] = false;
  let_go(page);
}

PageRows PagePool::at(int64_t layer, Side side, int64_t page, int64_t head) const {
  const int64_t of_side = side_bytes(geometry_, storage_);
  std::byte* begin = static_cast<std::byte*>(memory_.data_ptr()) +
                     page * page_bytes(geometry_, storage_) +
                     (2 * layer + (side == Side::kValues ? 1 : 0)) * of_side;
  std::byte* rows = begin + head * kPositions * geometry_.head_dim * element_bytes();
  if (storage_ != KvStorage::kQ8) return {rows, nullptr};
  auto* scales = reinterpret_cast<float*>(begin + elements_of_side(geometry_));
  return {rows, scales + head * kPositions};
}

void PagePool::copy(int64_t from, int64_t to, int64_t positions) {
  const auto rows = static_cast<size_t>(positions * geometry_.head_dim * element_bytes());
  for (int64_t layer = 0; layer < geometry_.num_hidden_layers; ++layer)
    for (const Side side : {Side::kKeys, Side::kValues})
      for (int64_t head = 0; head < geometry_.num_key_value_heads; ++head) {
        const PageRows source = at(layer, side, from, head), target = at(layer, side, to, head);
        std::memcpy(target.rows, source.rows, rows);
        if (source.scales != nullptr)
          std::memcpy(target.scales, source.scales, static_cast<size_t>(positions) * sizeof(float));
      }
}

PagedCache::PagedCache(PagedCache&& other) noexcept
    : pool_(other.pool_),
      pages_(std::exchange(other.pages_, {})),
      length_(std::exchange(other.length_, 0)) {}

PagedCache& PagedCache::operator=(PagedCache&& other) noexcept {
  std::swap(pool_, other.pool_);
  std::swap(pages_, other.pages_);
  std::swap(length_, other.length_);
  return *this;
}

bool PagedCache::reserve(int64_t length) {
  const int64_t needed = (length + PagePool::kPositions - 1) / PagePool::kPositions;
  const int64_t missing = needed - static_cast<int64_t>(pages_.size());
  if (missing > pool_->free_pages()) return false;
  for (int64_t i = 0; i < missing; ++i) pages_.push_back(*pool_->take());
  return true;
}

void PagedCache::advance(int64_t rows) {
  length_ += rows;
  ISTHMUS_CHECK(length_ <= static_cast<int64_t>(pages_.size()) * PagePool::kPositions,
                "advanced beyond what was reserved");
}

void PagedCache::truncate(int64_t length) {
  length_ = std::min(length_, length);
  const int64_t kept = (length + PagePool::kPositions - 1) / PagePool::kPositions;
  while (static_cast<int64_t>(pages_.size()) > kept) {
    pool_->let_go(pages_.back());
    pages_.pop_back();
  }
}

void PagedCache::adopt(std::span<const int64_t> pages) {
  ISTHMUS_CHECK(pages_.empty(), "only an empty cache begins with pages of others");
  for (const int64_t page : pages) {
    pool_->hold(page);
    pages_.push_back(page);
  }
  length_ = static_cast<int64_t>(pages.size()) * PagePool::kPositions;
}

std::optional<PagedCache> PagedCache::fork() const {
  const int64_t full = length_ / PagePool::kPositions, rest = length_ % PagePool::kPositions;
  PagedCache other(*pool_);
  if (rest > 0 && pool_->free_pages() == 0) return std::nullopt;
  other.adopt(std::span(pages_).first(static_cast<size_t>(full)));
  if (rest > 0) {
    other.reserve(length_);
    pool_->copy(pages_[static_cast<size_t>(full)], other.pages_.back(), rest);
    other.advance(rest);
  }
  return other;
}

int64_t PagedCache::page_to_write(int64_t position) const {
  const auto index = static_cast<size_t>(position / PagePool::kPositions);
  ISTHMUS_CHECK(index < pages_.size(), "a position is reserved before it is written");
  ISTHMUS_CHECK(pool_->holders(pages_[index]) == 1, "a shared page is not written");
  return pages_[index];
}

}  // namespace isthmus::nn
