#include "grammar/automaton.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "grammar/rule_automaton.h"
#include "isthmus/error.h"

namespace isthmus::grammar {

namespace {

using Kind = Expression::Kind;

constexpr size_t kMostSteps = 8'000'000;  // about a second, and at most 100 MB
constexpr size_t kMostRules = 20'000;

void collect_mentions(const Expression& e, std::vector<size_t>& mentions) {
  if (e.kind == Kind::kRule) mentions.push_back(e.rule);
  for (const Expr& part : e.parts) collect_mentions(*part, mentions);
}

// Whether `e` holds, where `holds` says so of rules and `of_bytes` of whatever reads bytes.
bool evaluate(const Expression& e, const std::vector<bool>& holds, bool of_bytes) {
  const auto holds_of = [&](const Expr& part) { return evaluate(*part, holds, of_bytes); };
  switch (e.kind) {
    case Kind::kLiteral: return of_bytes || e.bytes.empty();
    case Kind::kClass: return of_bytes;
    case Kind::kRule: return holds[e.rule];
    case Kind::kSequence: return std::ranges::all_of(e.parts, holds_of);
    case Kind::kChoice: return std::ranges::any_of(e.parts, holds_of);
    case Kind::kPrefix:
      return std::ranges::all_of(e.parts.begin(), e.parts.begin() + e.least, holds_of);
    case Kind::kRepeat: return e.least == 0 || holds_of(e.parts.front());
  }
  return false;
}

// The facts of a grammar that need all of its rules.
class Analysis {
 public:
  explicit Analysis(const Rules& rules) : rules_(rules), users_(rules.list.size()) {
    for (size_t user = 0; user < rules.list.size(); ++user) {
      std::vector<size_t> mentions;
      collect_mentions(*rules.list[user].expression, mentions);
      std::ranges::sort(mentions);
      mentions.erase(std::unique(mentions.begin(), mentions.end()), mentions.end());
      for (const size_t mention : mentions) users_[mention].push_back(user);
    }
  }

  // The least set of rules that hold, given what holds of bytes.
  std::vector<bool> rules_where(bool of_bytes) const {
    std::vector<bool> holds(users_.size(), false);
    std::vector<size_t> pending(users_.size());
    for (size_t i = 0; i < pending.size(); ++i) pending[i] = i;
    while (!pending.empty()) {
      const size_t number = pending.back();
      pending.pop_back();
      if (holds[number] || !evaluate(*rules_.list[number].expression, holds, of_bytes)) continue;
      holds[number] = true;
      pending.insert(pending.end(), users_[number].begin(), users_[number].end());
    }
    return holds;
  }

 private:
  const Rules& rules_;
  std::vector<std::vector<size_t>> users_;  // of each rule
};

// Whatever a rule calls before it reads a byte are the calls of its first state, which lie behind
// rules that may be empty too.
void refuse_left_recursion(const Automaton& automaton, const Rules& rules) {
  enum class Mark : uint8_t { kNew, kOpen, kDone };
  std::vector<Mark> marks(automaton.starts.size(), Mark::kNew);
  struct Visit {
    uint32_t rule;
    size_t next_call;
  };
  for (uint32_t first = 0; first < marks.size(); ++first) {
    if (marks[first] != Mark::kNew) continue;
    std::vector<Visit> path{{first, 0}};
    marks[first] = Mark::kOpen;
    while (!path.empty()) {
      Visit& visit = path.back();
      const auto& calls = automaton.states[automaton.starts[visit.rule]].calls;
      if (visit.next_call == calls.size()) {
        marks[visit.rule] = Mark::kDone;
        path.pop_back();
        continue;
      }
      const uint32_t called = calls[visit.next_call++].rule;
      if (marks[called] == Mark::kOpen)
        throw UsageError(fmt::format(
            "grammar: rule {} can begin with itself (left recursion); write a repetition instead",
            rules.list[called].name));
      if (marks[called] == Mark::kNew) {
        marks[called] = Mark::kOpen;
        path.push_back({called, 0});
      }
    }
  }
}

}  // namespace

Automaton compile(const Rules& rules) {
  if (rules.list.size() > kMostRules)
    throw UsageError(
        fmt::format("grammar: {} rules; at most {} are supported", rules.list.size(), kMostRules));
  const Analysis analysis(rules);
  const std::vector<bool> can_end = analysis.rules_where(true);
  for (size_t i = 0; i < rules.list.size(); ++i)
    if (!can_end[i])
      throw UsageError(
          fmt::format("grammar: rule {} can never end: every way through it needs the rule again",
                      rules.list[i].name));
  const std::vector<bool> nullable = analysis.rules_where(false);
  Automaton automaton;
  automaton.root = static_cast<uint32_t>(rules.root);
  Budget budget{kMostSteps};
  for (const Rules::Rule& rule : rules.list) {
    const auto first = static_cast<uint32_t>(automaton.states.size());
    automaton.starts.push_back(first);
    for (State& state : rule_states(*rule.expression, nullable, budget)) {
      for (ByteEdge& edge : state.bytes) edge.to += first;
      for (CallEdge& call : state.calls) call.to += first;
      automaton.states.push_back(std::move(state));
    }
  }
  refuse_left_recursion(automaton, rules);
  return automaton;
}

}  // namespace isthmus::grammar
