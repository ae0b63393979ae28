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
    Node& node = nodes_.at(at);
    node.used = clock_;
    pages.push_back(node.page);
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
      pool_.hold(pages[i]);
      if (!is_root(at)) ++nodes_.at(at).followers;
      nodes_.emplace(next_node_++, Node{pages[i], at, 0, 0, place});
    }
    at = place->second;
    nodes_.at(at).used = clock_;
  }
}

void PrefixCache::drop(int64_t node) {
  const auto found = nodes_.find(node);
  for (auto follower = nodes_.begin(); found->second.followers > 0;)
    if (follower->second.before == node) {
      drop(follower->first);
      follower = nodes_.begin();
    } else {
      ++follower;
    }
  if (!is_root(found->second.before)) --nodes_.at(found->second.before).followers;
  pool_.let_go(found->second.page);
  nodes_by_place_.erase(found->second.place);
  nodes_.erase(found);
}

bool PrefixCache::free_pages(int64_t wanted) {
  while (pool_.free_pages() < wanted) {
    // Whoever holds a page mostly holds those before it, so that ends go before beginnings; but who
    // read the same rows at the same time has pages of its own for them, and then a beginning may
    // be idle while what follows it is not.
    const auto worse = [](const Node& a, const Node& b) {
      return std::pair(a.followers > 0, a.used) < std::pair(b.followers > 0, b.used);
    };
    auto oldest = nodes_.end();
    for (auto node = nodes_.begin(); node != nodes_.end(); ++node) {
      if (pool_.holders(node->second.page) > 1) continue;
      if (oldest == nodes_.end() || worse(node->second, oldest->second)) oldest = node;
    }
    if (oldest == nodes_.end()) return false;
    drop(oldest->first);
  }
  return true;
}

int64_t PrefixCache::idle_pages() const {
  return std::ranges::count_if(
      nodes_, [&](const auto& node) { return pool_.holders(node.second.page) == 1; });
}

void PrefixCache::forget() {
  for (const auto& [id, node] : nodes_) pool_.let_go(node.page);
  nodes_.clear();
  nodes_by_place_.clear();
}

}  // namespace isthmus::serving
