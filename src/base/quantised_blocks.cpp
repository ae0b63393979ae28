#include "base/quantised_blocks.h"

#include "base/check.h"

namespace isthmus {

size_t quantised_block_bytes(DType kind) {
  constexpr size_t kQ4 = 2368, kQ5 = 2880, kQ6 = 3392, kQ8 = 4352;
  switch (kind) {
    case DType::kQ4: return kQ4;
    case DType::kQ5: return kQ5;
    case DType::kQ6: return kQ6;
    case DType::kQ8: return kQ8;
    default: break;
  }
  ISTHMUS_CHECK(false, "blocks are of a quantised type");
  return 0;
}

std::optional<size_t> quantised_bytes(DType kind, int64_t rows, int64_t cols) {
  if (rows < 0 || cols < 0) return std::nullopt;
  // Written so that nothing overflows before it is compared.
  const auto up = [](int64_t n, int64_t step) { return n / step + (n % step != 0 ? 1 : 0); };
  int64_t blocks = 0, bytes = 0;
  if (__builtin_mul_overflow(up(rows, kQuantisedBlockRows), up(cols, kQuantisedBlockCols),
                             &blocks) ||
      __builtin_mul_overflow(blocks, static_cast<int64_t>(quantised_block_bytes(kind)), &bytes))
    return std::nullopt;
  return static_cast<size_t>(bytes);
}

}  // namespace isthmus
