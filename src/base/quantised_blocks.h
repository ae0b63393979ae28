// How many bytes matrices take that are held in blocks of few bits. What stands in a block:
// kernels/quantised.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/dtype.h"

namespace isthmus {

// A block is so many rows by so many columns; matrices are filled up to whole ones with zeros.
inline constexpr int64_t kQuantisedBlockRows = 16, kQuantisedBlockCols = 256;
// Where the first block begins, in memory and in files.
inline constexpr size_t kQuantisedAlignment = 64;

size_t quantised_block_bytes(DType kind);
// Of a matrix; nullopt where it is larger than anything there is.
std::optional<size_t> quantised_bytes(DType kind, int64_t rows, int64_t cols);

}  // namespace isthmus
