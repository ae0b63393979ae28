#include "text/bpe_merge.h"

#include <queue>
#include <tuple>

namespace isthmus::text {

namespace {

constexpr size_t kNone = static_cast<size_t>(-1);

struct Candidate {
  int64_t rank;
  size_t left, right;
  uint32_t left_version, right_version;  // stale once either symbol has changed
  int32_t id;

  bool operator<(const Candidate& other) const {  // the queue's top is its greatest element
    return std::tie(rank, left) > std::tie(other.rank, other.left);
  }
};

struct Node {
  size_t previous, next;
  uint32_t version = 0;  // grows with each merge
  bool alive = true;
};

}  // namespace

std::vector<BpeSymbol> bpe_merge(std::vector<BpeSymbol> symbols, BpeMergeRule& rule) {
  const size_t count = symbols.size();
  if (count < 2) return symbols;
  std::vector<Node> nodes(count);
  std::priority_queue<Candidate> queue;
  const auto consider = [&](size_t left, size_t right) {
    if (left == kNone || right == kNone || symbols[left].frozen || symbols[right].frozen) return;
    if (const auto merge = rule.merge(symbols[left], symbols[right]))
      queue.push({merge->rank, left, right, nodes[left].version, nodes[right].version, merge->id});
  };
  for (size_t i = 0; i < count; ++i)
    nodes[i] = {i == 0 ? kNone : i - 1, i + 1 == count ? kNone : i + 1};
  for (size_t i = 0; i + 1 < count; ++i) consider(i, i + 1);

  while (!queue.empty()) {
    const Candidate best = queue.top();
    queue.pop();
    Node& left = nodes[best.left];
    Node& right = nodes[best.right];
    if (!left.alive || !right.alive || left.version != best.left_version ||
        right.version != best.right_version)
      continue;
    BpeSymbol& merged = symbols[best.left];
    merged.text = {merged.text.data(), merged.text.size() + symbols[best.right].text.size()};
    merged.id = best.id;
    ++left.version;
    right.alive = false;
    left.next = right.next;
    if (left.next != kNone) nodes[left.next].previous = best.left;
    consider(left.previous, best.left);
    consider(best.left, left.next);
  }
  size_t kept = 0;
  for (size_t i = 0; i < count; ++i)
    if (nodes[i].alive) symbols[kept++] = symbols[i];
  symbols.resize(kept);
  return symbols;
}

}  // namespace isthmus::text
