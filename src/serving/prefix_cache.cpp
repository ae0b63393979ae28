#include "serving/prefix_cache.h"

#include <algorithm>

namespace isthmus::serving {
namespace {

constexpr auto kPage = static_cast<size_t>(nn::PagePool::kPositions);

}  // namespace

std::vector<int64_t> PrefixCache::find(std::span<const int64_t> keys, int64_t model) {
  std::vector<int64_t> pages;
  ++clock_;
  int64_t at = root_of(model);
  for (size_t first = 0; first + kPage <= keys.size(); first += kPage) {
    const auto of_page = keys.subspan(first, kPage);
    const auto found = nodes_by_place_.find({at, {of_page.begin(), of_page.end()}});
    if (found == nodes_by_place_.end()) break;
    at = found->second;
    mark_used(at);
    pages.push_back(nodes_.at(at).page);
  }
  return pages;
}

void PrefixCache::insert(std::span<const int64_t> keys, std::span<const int64_t> pages,
                         int64_t model) {
  ++clock_;
  int64_t at = root_of(model);
  for (size_t i = 0; i < pages.size() && (i + 1) * kPage <= keys.size(); ++i) {
    const auto of_page = keys.subspan(i * kPage, kPage);
    const auto [place, fresh] =
        nodes_by_place_.try_emplace({at, {of_page.begin(), of_page.end()}}, next_node_);
    if (fresh) {
      pool_.keep(pages[i]);
      if (!is_root(at)) {
        Node& before = nodes_.at(at);
        if (before.followers++ == 0) ends_.erase({before.used, at});
      }
      nodes_.emplace(next_node_, Node{pages[i], at, 0, 0, place});
      ends_.emplace(0, next_node_++);
    }
    at = place->second;
    mark_used(at);
  }
}

void PrefixCache::mark_used(int64_t node) {
  Node& used = nodes_.at(node);
  if (ends_.erase({used.used, node}) > 0) ends_.emplace(clock_, node);
  used.used = clock_;
}

void PrefixCache::drop(int64_t node) {
  const auto found = nodes_.find(node);
  while (found->second.followers > 0) drop(nodes_by_place_.lower_bound({node, {}})->second);
  ends_.erase({found->second.used, node});
  if (const int64_t before = found->second.before; !is_root(before)) {
    Node& shorter = nodes_.at(before);
    if (--shorter.followers == 0) ends_.emplace(shorter.used, before);
  }
  pool_.give_up(found->second.page);
  nodes_by_place_.erase(found->second.place);
  nodes_.erase(found);
}

bool PrefixCache::free_pages(int64_t wanted) {
  while (pool_.free_pages() < wanted) {
    if (pool_.idle_pages() == 0) return false;
    // Few ends are passed over: those of answers that are being written.
    const auto idle = std::ranges::find_if(
        ends_, [&](const auto& end) { return pool_.holders(nodes_.at(end.second).page) == 1; });
    drop(idle != ends_.end() ? idle->second : idle_beginning());
  }
  return true;
}

// Whoever holds a page mostly holds those before it, so that ends go before beginnings; but who
// read the same rows at the same time has pages of its own for them, and then a beginning may be
// idle while what follows it is not.
int64_t PrefixCache::idle_beginning() const {
  auto oldest = nodes_.end();
  for (auto node = nodes_.begin(); node != nodes_.end(); ++node)
    if (pool_.holders(node->second.page) == 1 &&
        (oldest == nodes_.end() || node->second.used < oldest->second.used))
      oldest = node;
  return oldest->first;
}

void PrefixCache::forget() {
  for (const auto& [id, node] : nodes_) pool_.give_up(node.page);
  nodes_.clear();
  nodes_by_place_.clear();
  ends_.clear();
}

}  // namespace isthmus::serving
