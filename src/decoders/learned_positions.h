// Positions that are looked up in a table, and end where it ends.
#pragma once

#include "nn/embedding.h"

namespace isthmus::decoders {

// The table's rows `offset` + positions: positions [...] int64 -> [..., width]. Throws
// ResourceError for a position the table does not hold.
torch::Tensor learned_positions(nn::Embedding& table, const torch::Tensor& positions,
                                int64_t offset = 0);

}  // namespace isthmus::decoders
