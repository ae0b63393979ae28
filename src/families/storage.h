// Where weights come from and how they are held: what all families share.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "isthmus/model.h"
#include "weights/bind.h"

namespace isthmus::families {

// Storage of decoder, encoder and aligner as `load` asks. Asking for bfloat16 asks for its
// arithmetic too, where the processor has it. Throws UsageError for an unknown storage.
weights::BindOptions storage_options(const LoadOptions& load);

// A hash over paths, sizes and times of change of the files, for Family::fingerprint.
std::string fingerprint_of(std::span<const weights::WeightSource> sources);

// Whether one of the files offers weights below this name ("aligner.").
bool brings(std::span<const weights::WeightSource> sources, std::string_view part);

}  // namespace isthmus::families
