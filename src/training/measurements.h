// Alignment, measured on held-out samples.                             docs/alignment_metrics.md
#pragma once

#include <cstddef>
#include <string>

#include <nlohmann/json_fwd.hpp>

#include "training/held_out.h"

namespace isthmus::training {

// Of one entry of the held-out samples, as JSON:
//   {"answers": {"exact", "exact_shuffled", "exact_blank", "by_tag": {…}},
//    "loss": …, "dependence": {…}}                           any family
//   {"layers": {"0": {…}, …}, "retrieval": {…}, "effective_rank": …}   soft tokens in the sequence
//   {"routing": {"MODALITY": [per expert]}}                  OneLLM
// Values that are undefined are left out. At most 64 samples and 32 rows of each count for rows.
nlohmann::ordered_json measure(families::Family& family, HeldOut& held_out, size_t entry);

}  // namespace isthmus::training
