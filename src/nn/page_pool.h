// Memory for keys and values in pages of a fixed number of positions.      Kwon et al. 2023, §4.1
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include <torch/types.h>

#include "nn/cached_rows.h"
#include "nn/kv_cache.h"

namespace isthmus::nn {

// Where a head's rows of one page lie: `positions` rows of head_dim elements, one behind the other.
struct PageRows {
  std::byte* rows;
  float* scales;  // one per position, of int8 only
};

// All pages there are, and who holds them: a page is free again when its last holder lets go. A
// page holds every layer, so that a sequence needs one list of pages. Memory is taken from the
// system when a page is first written. One thread at a time.
class PagePool {
 public:
  enum class Side { kKeys, kValues };
  // A multiple of every kernel's tile_cols, so that a page is packed in whole panels.
  static constexpr int64_t kPositions = 32;

  PagePool(const CacheGeometry& geometry, KvStorage storage, int64_t pages);
  // How many bytes one page takes.
  static int64_t page_bytes(const CacheGeometry& geometry, KvStorage storage);

  // A page with one holder; nothing when all are held.
  std::optional<int64_t> take();
  void hold(int64_t page);
  void let_go(int64_t page);
  int64_t holders(int64_t page) const { return holders_[static_cast<size_t>(page)]; }
  int64_t pages() const { return static_cast<int64_t>(holders_.size()); }
  int64_t free_pages() const { return static_cast<int64_t>(free_.size()); }
  // Holds a page for later, and lets go of it. Kept pages that nobody else holds are idle.
  void keep(int64_t page);
  void give_up(int64_t page);
  int64_t idle_pages() const { return idle_; }

  PageRows at(int64_t layer, Side side, int64_t page, int64_t head) const;
  // What the first `positions` positions of one page hold becomes what another's do.
  void copy(int64_t from, int64_t to, int64_t positions);
  const CacheGeometry& geometry() const { return geometry_; }
  KvStorage storage() const { return storage_; }
  int64_t element_bytes() const;

 private:
  CacheGeometry geometry_;
  KvStorage storage_;
  Tensor memory_;                 // bytes
  std::vector<int64_t> holders_;  // of each page
  std::vector<bool> kept_;        // each page
  int64_t idle_ = 0;
  std::vector<int64_t> free_;     // the last one is handed out next: its memory is warm
};

// The pages of one sequence, in order. Pages may be shared with others as long as nobody writes:
// positions are only ever appended to a page that has one holder. One thread at a time.
class PagedCache {
 public:
  explicit PagedCache(PagePool& pool) : pool_(&pool) {}
  ~PagedCache() { clear(); }
  PagedCache(PagedCache&& other) noexcept;
  PagedCache& operator=(PagedCache&& other) noexcept;

  // Pages for the positions up to `length`. False, and nothing changes, when the pool has too few.
  bool reserve(int64_t length);
  void advance(int64_t rows);
  // Keeps the first `length` positions; pages behind them are let go.
  void truncate(int64_t length);
  void clear() { truncate(0); }
  // An empty cache begins with these full pages, which others may hold too.
  void adopt(std::span<const int64_t> pages);
  // Another that holds the same: full pages are shared, the last one is copied where it is not full.
  // Nothing when the pool has no page for that.
  std::optional<PagedCache> fork() const;

  int64_t length() const { return length_; }
  std::span<const int64_t> pages() const { return pages_; }
  PagePool& pool() const { return *pool_; }
  // The page of a position that is to be written.
  int64_t page_to_write(int64_t position) const;

 private:
  PagePool* pool_;
  std::vector<int64_t> pages_;
  int64_t length_ = 0;
};

}  // namespace isthmus::nn
