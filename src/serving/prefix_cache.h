// Pages that are kept because another prompt may begin as theirs did.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <utility>
#include <vector>

#include "nn/page_pool.h"

namespace isthmus::serving {

// A tree of full pages: what leads to a page are the keys of its rows (families::Sequence) and the
// page before it, so that equal keys mean equal keys and values. Each page in it has this cache as
// a holder; those that nobody else holds, the pool's idle ones, can be given up, least recently
// used first, from the ends of the tree. One thread at a time.
class PrefixCache {
 public:
  explicit PrefixCache(nn::PagePool& pool) : pool_(pool) {}
  ~PrefixCache() { forget(); }
  PrefixCache(const PrefixCache&) = delete;
  PrefixCache& operator=(const PrefixCache&) = delete;

  // The pages of the longest known beginning of `keys`; whole pages only. `model`, 0 or more: whose
  // keys and values; those of different models are never taken for each other.
  std::vector<int64_t> find(std::span<const int64_t> keys, int64_t model = 0);
  // `pages` hold the rows of these keys, kPositions each. What is known already keeps its page.
  void insert(std::span<const int64_t> keys, std::span<const int64_t> pages, int64_t model = 0);
  // Gives up pages until the pool has `wanted` free ones. False when it cannot.
  bool free_pages(int64_t wanted);
  void forget();

 private:
  using Place = std::pair<int64_t, std::vector<int64_t>>;  // the node before, and the keys
  struct Node {
    int64_t page, before;
    int64_t followers = 0;  // nodes that this one leads to
    uint64_t used = 0;
    std::map<Place, int64_t>::iterator place;
  };
  // In place of the node before the first page.
  static int64_t root_of(int64_t model) { return -1 - model; }
  static bool is_root(int64_t node) { return node < 0; }

  void mark_used(int64_t node);
  void drop(int64_t node);         // and all that it leads to
  int64_t idle_beginning() const;  // there is an idle page

  nn::PagePool& pool_;
  std::map<Place, int64_t> nodes_by_place_;
  std::map<int64_t, Node> nodes_;
  std::set<std::pair<uint64_t, int64_t>> ends_;  // nodes that lead to none, by when they were used
  int64_t next_node_ = 0;
  uint64_t clock_ = 0;
};

}  // namespace isthmus::serving
