// Matrices in llama.cpp's blocks on their way into memory.
#pragma once

#include <memory>

#include "formats/raw_tensor.h"
#include "nn/quantised_matrix.h"

namespace isthmus::weights {

// How a matrix of this type is held unless a storage is asked for: the one table of that choice.
DType held_for(formats::GgmlType type);

// `raw` is in blocks, `held` of few bits. Where llama.cpp's blocks hold the same arithmetic they
// are repacked, bit for bit (Q4_K as q4, Q5_K as q5, Q6_K as q6; Q4_0, Q5_0 and Q8_0 as q8);
// everything else is unpacked and quantised, sixteen rows a thread at a time. Throws ModelError for
// scales that are no finite numbers.
std::shared_ptr<const nn::QuantisedMatrix> quantised_blocks(const formats::RawTensor& raw,
                                                            DType held);

}  // namespace isthmus::weights
