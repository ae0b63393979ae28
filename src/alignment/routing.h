// How OneLLM's experts share the work of one modality.
#pragma once

#include <span>
#include <vector>

#include "alignment/rows.h"
#include "alignment/value.h"

namespace isthmus::alignment {

struct Routing {
  std::vector<Value> usage;        // [K] mean weight of every expert
  Value usage_entropy_normalised;  // of usage, over ln K: 1 if all are used alike
  Value row_entropy_normalised;    // mean over rows of the entropy of a row, over ln K
  Value specialisation_nats;  // entropy of usage - mean entropy of rows: the mutual information
                              // of row and expert, >= 0
  std::vector<Value> contribution_share;  // [K] mean over rows of ‖w z‖ / Σ over experts
  std::vector<std::vector<Value>> expert_cosine;  // [K][K] near 1: still copies of one another
  std::vector<std::vector<Value>> expert_cka;     // [K][K] linear CKA over the rows, plain
  std::vector<Value> ablation_change;  // [K] mean ‖mix - mix without k‖ / ‖mix‖; its weight goes to
                                       // the others in proportion
  Remarks remarks;
};

// routing [R, K]: weights of K experts for each of R modality rows, every row sums to 1; constant
// per modality. expert_out: K matrices [R, d]. Throws InternalError for other shapes.
Routing expert_routing(const Rows& routing, std::span<const Rows> expert_out);

}  // namespace isthmus::alignment
