#include "grammar/rule_automaton.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "isthmus/error.h"

namespace isthmus::grammar {

namespace {

using Kind = Expression::Kind;

constexpr size_t kCostOfNode = 16;  // for its memory

using StateSet = std::vector<uint32_t>;  // ascending

// With steps that read nothing.                                               Thompson 1968
class Fragments {
 public:
  struct Node {
    std::vector<uint32_t> empty;
    std::vector<ByteEdge> bytes;
    std::vector<CallEdge> calls;
  };

  explicit Fragments(Budget& budget) : budget_(budget) {}

  uint32_t add_node() {
    budget_.spend(kCostOfNode);
    nodes.emplace_back();
    return static_cast<uint32_t>(nodes.size() - 1);
  }

  // Lets `from` read `e`; returns where it then is.
  uint32_t append(const Expression& e, uint32_t from) {
    budget_.spend(1);
    switch (e.kind) {
      case Kind::kLiteral:
        for (const char c : e.bytes) {
          const auto byte = static_cast<uint8_t>(c);
          from = read(from, {byte, byte}, add_node());
        }
        return from;
      case Kind::kClass: return append_class(e.characters, from);
      case Kind::kRule: {
        const uint32_t to = add_node();
        nodes[from].calls.push_back({static_cast<uint32_t>(e.rule), to});
        return to;
      }
      case Kind::kSequence:
        for (const Expr& part : e.parts) from = append(*part, from);
        return from;
      case Kind::kChoice: {
        const uint32_t end = add_node();
        for (const Expr& part : e.parts) nodes[append(*part, from)].empty.push_back(end);
        return end;
      }
      case Kind::kPrefix: {
        const uint32_t end = add_node();
        for (size_t i = 0; i < e.parts.size(); ++i) {
          if (std::cmp_greater_equal(i, e.least)) nodes[from].empty.push_back(end);
          from = append(*e.parts[i], from);
        }
        nodes[from].empty.push_back(end);
        return end;
      }
      case Kind::kRepeat: return append_repeat(e, from);
    }
    return from;
  }

  std::vector<Node> nodes;

 private:
  uint32_t read(uint32_t from, ByteRange range, uint32_t to) {
    nodes[from].bytes.push_back({range.first, range.last, to});
    return to;
  }

  uint32_t append_class(const CodePoints& characters, uint32_t from) {
    const uint32_t end = add_node();
    for (const ByteSequence& sequence : utf8_sequences(characters)) {
      uint32_t at = from;
      for (size_t i = 0; i < sequence.length; ++i)
        at = read(at, sequence.bytes[i], i + 1 < sequence.length ? add_node() : end);
    }
    return end;
  }

  uint32_t append_repeat(const Expression& e, uint32_t from) {
    const Expression& part = *e.parts.front();
    for (int64_t i = 0; i < e.least; ++i) from = append(part, from);
    if (e.most == Expression::kUnbounded) {
      // A node of its own, since the loop must not lead back into what else begins at `from`.
      const uint32_t loop = add_node();
      nodes[from].empty.push_back(loop);
      nodes[append(part, loop)].empty.push_back(loop);
      return loop;
    }
    const uint32_t end = add_node();
    for (int64_t i = e.least; i < e.most; ++i) {
      nodes[from].empty.push_back(end);
      from = append(part, from);
    }
    nodes[from].empty.push_back(end);
    return end;
  }

  Budget& budget_;
};

// What can be reached without reading, calls of rules that may be empty included.
class Closures {
 public:
  Closures(const std::vector<Fragments::Node>& nodes, const std::vector<bool>& nullable,
           Budget& budget)
      : nodes_(nodes), nullable_(nullable), budget_(budget), seen_(nodes.size(), 0) {}

  StateSet of(StateSet set) {
    ++round_;
    for (const uint32_t node : set) seen_[node] = round_;
    const auto reach = [&](uint32_t node) {
      if (std::exchange(seen_[node], round_) != round_) set.push_back(node);
    };
    for (size_t i = 0; i < set.size(); ++i) {
      const Fragments::Node& node = nodes_[set[i]];
      for (const uint32_t to : node.empty) reach(to);
      for (const CallEdge& call : node.calls)
        if (nullable_[call.rule]) reach(call.to);
    }
    budget_.spend(set.size());
    std::ranges::sort(set);
    return set;
  }

 private:
  const std::vector<Fragments::Node>& nodes_;
  const std::vector<bool>& nullable_;
  Budget& budget_;
  std::vector<uint32_t> seen_;
  uint32_t round_ = 0;
};

// Where the edges of a state lead, a set of nodes each: the ranges do not overlap.
struct SetEdges {
  std::vector<std::pair<ByteRange, StateSet>> bytes;
  std::map<uint32_t, StateSet> calls;
};

SetEdges edges_of(const StateSet& set, const std::vector<Fragments::Node>& nodes, Budget& budget) {
  std::vector<ByteEdge> edges;
  SetEdges result;
  for (const uint32_t node : set) {
    edges.insert(edges.end(), nodes[node].bytes.begin(), nodes[node].bytes.end());
    for (const CallEdge& call : nodes[node].calls) result.calls[call.rule].push_back(call.to);
  }
  std::ranges::sort(edges, {}, &ByteEdge::first);
  std::set<int> cuts;
  for (const ByteEdge& edge : edges) {
    cuts.insert(edge.first);
    cuts.insert(edge.last + 1);
  }
  auto next = edges.begin();
  std::vector<ByteEdge> open;
  for (auto cut = cuts.begin(); cut != cuts.end() && std::next(cut) != cuts.end(); ++cut) {
    for (; next != edges.end() && next->first <= *cut; ++next) open.push_back(*next);
    std::erase_if(open, [&](const ByteEdge& edge) { return edge.last < *cut; });
    if (open.empty()) continue;
    budget.spend(open.size());
    StateSet targets;
    for (const ByteEdge& edge : open) targets.push_back(edge.to);
    std::ranges::sort(targets);
    targets.erase(std::unique(targets.begin(), targets.end()), targets.end());
    const ByteRange range{static_cast<uint8_t>(*cut), static_cast<uint8_t>(*std::next(cut) - 1)};
    if (!result.bytes.empty() && result.bytes.back().first.last + 1 == range.first &&
        result.bytes.back().second == targets)
      result.bytes.back().first.last = range.last;
    else
      result.bytes.emplace_back(range, std::move(targets));
  }
  return result;
}

// Numbers sets of nodes in the order in which they are met.
class Numbering {
 public:
  uint32_t of(StateSet set) {
    const auto [found, is_new] = numbers_.try_emplace(std::move(set), sets_.size());
    if (is_new) sets_.push_back(&found->first);
    return static_cast<uint32_t>(found->second);
  }
  size_t size() const { return sets_.size(); }
  const StateSet& operator[](size_t number) const { return *sets_[number]; }

 private:
  std::map<StateSet, size_t> numbers_;
  std::vector<const StateSet*> sets_;
};

// The states are sets of nodes (Rabin & Scott 1959); or, not `merged`, the closures of single
// nodes. Empty when there would be more than `most`.
std::vector<State> states_of(const Fragments& fragments, uint32_t end,
                             const std::vector<bool>& nullable, bool merged, size_t most,
                             Budget& budget) {
  Closures closures(fragments.nodes, nullable, budget);
  Numbering numbering;
  numbering.of(merged ? closures.of({0}) : StateSet{0});
  std::vector<State> states;
  while (states.size() < numbering.size()) {
    if (numbering.size() > most) return {};
    const StateSet& named = numbering[states.size()];
    const StateSet set = merged ? named : closures.of(named);
    State state;
    state.accepting = std::ranges::binary_search(set, end);
    const SetEdges edges = edges_of(set, fragments.nodes, budget);
    const auto lead_to = [&](const StateSet& targets, auto add) {
      if (merged) return add(numbering.of(closures.of(targets)));
      for (const uint32_t target : targets) add(numbering.of({target}));
    };
    for (const auto& [range, targets] : edges.bytes)
      lead_to(targets, [&](uint32_t to) { state.bytes.push_back({range.first, range.last, to}); });
    for (const auto& [called, targets] : edges.calls)
      lead_to(targets, [&](uint32_t to) { state.calls.push_back({called, to}); });
    budget.spend(kCostOfNode + state.bytes.size() + state.calls.size());
    states.push_back(std::move(state));
  }
  return states;
}

}  // namespace

void Budget::spend(size_t steps) {
  if (steps > left)
    throw UsageError("grammar: it becomes too large; repeat less, or fewer things at once");
  left -= steps;
}

std::vector<State> rule_states(const Expression& expression, const std::vector<bool>& nullable,
                               Budget& budget) {
  Fragments fragments(budget);
  const uint32_t end = fragments.append(expression, fragments.add_node());
  // Merging can make exponentially many states of an expression; few real ones grow at all.
  const size_t most = 2 * fragments.nodes.size() + 64;
  auto states = states_of(fragments, end, nullable, true, most, budget);
  if (states.empty()) states = states_of(fragments, end, nullable, false, SIZE_MAX, budget);
  return states;
}

}  // namespace isthmus::grammar
