// One rule as states and edges.
#pragma once

#include <cstddef>
#include <vector>

#include "grammar/automaton.h"

namespace isthmus::grammar {

// How much all rules of a grammar may come to together; every step is counted down.
struct Budget {
  size_t left;
  void spend(size_t steps);  // throws UsageError when nothing is left
};

// The states of `expression`, the start first, edges to their places in the list. Where it stays
// small, no two edges of a state read the same byte or call the same rule: choices that begin alike
// are then one way until they part. `nullable`: the rules that may be empty.
std::vector<State> rule_states(const Expression& expression, const std::vector<bool>& nullable,
                               Budget& budget);

}  // namespace isthmus::grammar
