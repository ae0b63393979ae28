// A grammar as an automaton over bytes that may call rules: what a stack of states walks on.
#pragma once

#include <cstdint>
#include <vector>

#include "grammar/expression.h"

namespace isthmus::grammar {

struct ByteEdge {
  uint8_t first, last;
  uint32_t to;
};

// Reads what rule `rule` says, then is in `to`.
struct CallEdge {
  uint32_t rule, to;
};

struct State {
  std::vector<ByteEdge> bytes;
  std::vector<CallEdge> calls;
  bool accepting = false;  // the rule may end here

  // Nothing is left of the rule, so whoever calls from here need not come back.
  bool is_end() const { return accepting && bytes.empty() && calls.empty(); }
};

// Immutable. From every state the end of its rule can be reached, and no rule calls itself before
// it has read a byte: a stack of states is never stuck and never grows without reading.
struct Automaton {
  std::vector<State> states;
  std::vector<uint32_t> starts;  // of each rule
  uint32_t root = 0;             // the rule that is the whole text
};

// Throws UsageError for rules that begin with themselves or can never end, by name, and for
// grammars that become too large.
Automaton compile(const Rules& rules);

}  // namespace isthmus::grammar
