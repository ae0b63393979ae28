// What the storage flags of the command line mean for binding.
#pragma once

#include "isthmus/model.h"
#include "weights/bind.h"

namespace isthmus::families {

// Storage of decoder, encoder and aligner as `load` asks. Asking for bfloat16 asks for its
// arithmetic too, where the processor has it. Throws UsageError for an unknown storage.
weights::BindOptions storage_options(const LoadOptions& load);

}  // namespace isthmus::families
