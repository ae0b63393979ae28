#include "weights/ggml_matrix.h"

#include <algorithm>
#include <atomic>
#include <cstring>

#include "kernels/quantised.h"
#include "nn/parallel.h"
#include "nn/quantised_matrix.h"

namespace isthmus::weights {
namespace {

using formats::GgmlBlock;
using formats::GgmlType;
using formats::RawTensor;
using kernels::kBlockDepth;
using kernels::kGroupRows;
using kernels::kSubDepth;
using kernels::Q4Block;
using kernels::Q8Block;

struct HeldAs {
  GgmlType type;
  DType held;
};
constexpr HeldAs kHeldAs[] = {
    {GgmlType::kF32, DType::kF32},   {GgmlType::kF16, DType::kF16},
    {GgmlType::kBF16, DType::kBF16}, {GgmlType::kQ4_0, DType::kQ8},  // exact
    {GgmlType::kQ4_1, DType::kQ8},   {GgmlType::kQ5_0, DType::kQ8},  // exact
    {GgmlType::kQ5_1, DType::kQ8},   {GgmlType::kQ8_0, DType::kQ8},  // exact
    {GgmlType::kQ2_K, DType::kQ8},   {GgmlType::kQ3_K, DType::kQ8},
    {GgmlType::kQ4_K, DType::kQ4},  // exact
    {GgmlType::kQ5_K, DType::kQ8},   {GgmlType::kQ6_K, DType::kQ8},
};

uint8_t byte_at(const std::byte* at, int64_t i) { return std::to_integer<uint8_t>(at[i]); }

// ---- Q4_K: d and dmin, twelve bytes of eight scales and eight minima, 128 bytes of nibbles

void put_q4_k(const std::byte* from, int64_t row, Q4Block& to) {
  std::memcpy(&to.d[row], from, sizeof(uint16_t));
  std::memcpy(&to.dmin[row], from + 2, sizeof(uint16_t));
  const std::byte* packed = from + 4;
  for (int64_t s = 0; s < kernels::kSubBlocks; ++s) {
    const bool low = s < 4;
    const int scale = low ? byte_at(packed, s) & 63
                          : (byte_at(packed, s + 4) & 15) | (byte_at(packed, s - 4) >> 6) << 4;
    const int min = low ? byte_at(packed, s + 4) & 63
                        : byte_at(packed, s + 4) >> 4 | (byte_at(packed, s) >> 6) << 4;
    to.scale[s][row] = static_cast<uint8_t>(scale);
    to.min[s][row] = static_cast<uint8_t>(min);
  }
  const std::byte* q = from + 16;  // of 64 columns: the first 32 in the low halves
  for (int64_t i = 0; i < kernels::kSubBlocks / 2; ++i)
    for (int64_t k = 0; k < kernels::kSubQuads; ++k, q += 4)
      std::memcpy(&to.q[i][k][4 * row], q, 4);
}

// ---- Q4_0, Q5_0, Q8_0: a float16 and 32 whole numbers

// The 32 whole numbers of a block.
void integers_of(GgmlType type, const std::byte* block, int* out) {
  uint32_t fifth = 0;
  if (type == GgmlType::kQ5_0) std::memcpy(&fifth, block + 2, sizeof fifth);
  const std::byte* q = block + (type == GgmlType::kQ5_0 ? 6 : 2);
  for (int i = 0; i < kSubDepth; ++i) {
    const int nibble = i < 16 ? byte_at(q, i) & 15 : byte_at(q, i - 16) >> 4;
    switch (type) {
      case GgmlType::kQ4_0: out[i] = nibble - 8; break;
      case GgmlType::kQ5_0: out[i] = (nibble | static_cast<int>(fifth >> i & 1) << 4) - 16; break;
      default: out[i] = static_cast<int8_t>(byte_at(q, i));
    }
  }
}

// False for a -128, which q8 has no place for and llama.cpp does not write.
bool put_q8(GgmlType type, const std::byte* from, int64_t sub, int64_t row, Q8Block& to) {
  std::memcpy(&to.d[sub][row], from, sizeof(uint16_t));
  int values[kSubDepth];
  integers_of(type, from, values);
  bool fits = true;
  for (int64_t i = 0; i < kSubDepth; ++i) {
    fits = fits && values[i] > -kernels::kQ8Offset;
    to.q[sub][i / 4][4 * row + i % 4] = static_cast<uint8_t>(values[i] + kernels::kQ8Offset);
  }
  return fits;
}

bool is_exact(GgmlType type, DType held) {
  if (held == DType::kQ4) return type == GgmlType::kQ4_K;
  return type == GgmlType::kQ4_0 || type == GgmlType::kQ5_0 || type == GgmlType::kQ8_0;
}

// Null where a value does not fit.
std::shared_ptr<const nn::QuantisedMatrix> repacked(const RawTensor& raw, DType held) {
  const int64_t rows = raw.shape.front(), cols = raw.shape.back();
  const GgmlBlock block = formats::block_of(*raw.blocks);
  const auto per_row = cols / block.elements;
  const int64_t depth_blocks = (cols + kBlockDepth - 1) / kBlockDepth;
  const auto blocks = nn::QuantisedMatrix::allocate(held, rows, cols);
  std::atomic<bool> fits = true;
  nn::parallel_tasks((rows + kGroupRows - 1) / kGroupRows, [&](int64_t group) {
    const int64_t first = group * kGroupRows, count = std::min(kGroupRows, rows - first);
    // Of what no row or column fills the scales are zero.
    const size_t group_bytes = nn::QuantisedMatrix::bytes_of(held, kGroupRows, cols);
    std::memset(blocks.get() + static_cast<size_t>(group) * group_bytes, 0, group_bytes);
    for (int64_t r = 0; r < count; ++r) {
      const std::byte* from =
          raw.bytes.data() + static_cast<size_t>((first + r) * per_row) * block.bytes;
      for (int64_t b = 0; b < per_row; ++b, from += block.bytes) {
        if (held == DType::kQ4) {
          put_q4_k(from, r, reinterpret_cast<Q4Block*>(blocks.get())[group * depth_blocks + b]);
        } else {
          constexpr int64_t kSubs = kernels::kSubBlocks;
          Q8Block& to = reinterpret_cast<Q8Block*>(blocks.get())[group * depth_blocks + b / kSubs];
          if (!put_q8(*raw.blocks, from, b % kSubs, r, to)) fits = false;
        }
      }
    }
  });
  if (!fits) return nullptr;
  return std::make_shared<nn::QuantisedMatrix>(held, rows, cols, blocks.get(), blocks);
}

}  // namespace

DType held_for(GgmlType type) {
  return std::find_if(std::begin(kHeldAs), std::end(kHeldAs),
                      [&](const HeldAs& entry) { return entry.type == type; })
      ->held;
}

std::shared_ptr<const nn::QuantisedMatrix> quantised_blocks(const RawTensor& raw, DType held) {
  if (is_exact(*raw.blocks, held))
    if (auto matrix = repacked(raw, held)) return matrix;
  const int64_t cols = raw.element_count() / raw.shape.front();
  const GgmlBlock block = formats::block_of(*raw.blocks);
  return nn::QuantisedMatrix::quantise(
      held, raw.shape.front(), cols, [&](int64_t first, int64_t count, float* out) {
        const auto before = static_cast<size_t>(first * cols / block.elements);
        formats::ggml_to_floats(*raw.blocks, raw.bytes.data() + before * block.bytes, count * cols,
                                out);
      });
}

}  // namespace isthmus::weights
