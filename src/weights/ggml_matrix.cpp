#include "weights/ggml_matrix.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <iterator>
#include <limits>

#include <fmt/format.h>

#include "formats/bytes.h"
#include "isthmus/error.h"
#include "kernels/published_row.h"
#include "nn/quantised_matrix.h"

namespace isthmus::weights {
namespace {

using formats::GgmlBlock;
using formats::GgmlType;
using formats::RawTensor;
using kernels::kBlockDepth;
using kernels::kSubBlocks;
using kernels::kSubDepth;
using kernels::PublishedRow;

struct HeldAs {
  GgmlType type;
  DType held;
  bool exact;  // the blocks hold the same arithmetic
};
constexpr HeldAs kHeldAs[] = {
    {GgmlType::kF32, DType::kF32, true},   {GgmlType::kF16, DType::kF16, true},
    {GgmlType::kBF16, DType::kBF16, true}, {GgmlType::kQ4_0, DType::kQ8, true},
    {GgmlType::kQ4_1, DType::kQ8, false},  {GgmlType::kQ5_0, DType::kQ8, true},
    {GgmlType::kQ5_1, DType::kQ8, false},  {GgmlType::kQ8_0, DType::kQ8, true},
    {GgmlType::kQ2_K, DType::kQ8, false},  {GgmlType::kQ3_K, DType::kQ8, false},
    {GgmlType::kQ4_K, DType::kQ4, true},   {GgmlType::kQ5_K, DType::kQ5, true},
    {GgmlType::kQ6_K, DType::kQ6, true},
};

const HeldAs& entry_of(GgmlType type) {
  return *std::find_if(std::begin(kHeldAs), std::end(kHeldAs),
                       [&](const HeldAs& entry) { return entry.type == type; });
}

int byte_at(const std::byte* at, int64_t i) { return std::to_integer<int>(at[i]); }

uint16_t half_at(const std::byte* at) {
  uint16_t bits;
  std::memcpy(&bits, at, sizeof bits);
  return bits;
}

// Q4_K and Q5_K begin with d, dmin, and eight scales and eight minima of six bits in twelve bytes.
void read_scales(const std::byte* block, PublishedRow& out) {
  out.d[0] = half_at(block);
  out.dmin = half_at(block + 2);
  const std::byte* packed = block + 4;
  for (int64_t s = 0; s < kSubBlocks; ++s) {
    const bool low = s < 4;
    const int scale = low ? byte_at(packed, s) & 63
                          : (byte_at(packed, s + 4) & 15) | (byte_at(packed, s - 4) >> 6) << 4;
    const int min = low ? byte_at(packed, s + 4) & 63
                        : byte_at(packed, s + 4) >> 4 | (byte_at(packed, s) >> 6) << 4;
    out.scale[s] = static_cast<int8_t>(scale);
    out.min[s] = static_cast<uint8_t>(min);
  }
}

void read_q4_k(const std::byte* block, PublishedRow& out) {
  read_scales(block, out);
  const std::byte* q = block + 16;  // of 64 columns: the first 32 in the low halves
  for (int64_t s = 0; s < kSubBlocks; ++s)
    for (int64_t i = 0; i < kSubDepth; ++i)
      out.q[kSubDepth * s + i] =
          static_cast<uint8_t>(byte_at(q + kSubDepth * (s / 2), i) >> 4 * (s % 2) & 15);
}

void read_q5_k(const std::byte* block, PublishedRow& out) {
  read_scales(block, out);
  const std::byte *fifth = block + 16, *q = block + 48;
  for (int64_t s = 0; s < kSubBlocks; ++s)
    for (int64_t i = 0; i < kSubDepth; ++i)
      out.q[kSubDepth * s + i] =
          static_cast<uint8_t>((byte_at(q + kSubDepth * (s / 2), i) >> 4 * (s % 2) & 15) |
                               (byte_at(fifth, i) >> s & 1) << 4);
}

void read_q6_k(const std::byte* block, PublishedRow& out) {
  const std::byte *low = block, *upper = block + 128, *scales = block + 192;
  out.d[0] = half_at(block + 208);
  for (int64_t s = 0; s < 2 * kSubBlocks; ++s)
    out.scale[s] = static_cast<int8_t>(byte_at(scales, s));
  for (int64_t s = 0; s < kSubBlocks; ++s) {
    const int64_t half = s / 4, quarter = s % 4;
    for (int64_t i = 0; i < kSubDepth; ++i)
      out.q[kSubDepth * s + i] = static_cast<uint8_t>(
          (byte_at(low + 64 * half, i + kSubDepth * (quarter % 2)) >> 4 * (quarter / 2) & 15) |
          (byte_at(upper + 32 * half, i) >> 2 * quarter & 3) << 4);
  }
}

// Q4_0, Q5_0, Q8_0: a float16 and 32 whole numbers.
void read_whole_numbers(GgmlType type, const std::byte* block, int64_t sub, PublishedRow& out) {
  out.d[sub] = half_at(block);
  uint32_t fifth = 0;
  if (type == GgmlType::kQ5_0) std::memcpy(&fifth, block + 2, sizeof fifth);
  const std::byte* q = block + (type == GgmlType::kQ5_0 ? 6 : 2);
  for (int i = 0; i < kSubDepth; ++i) {
    const int nibble = i < 16 ? byte_at(q, i) & 15 : byte_at(q, i - 16) >> 4;
    const int value = type == GgmlType::kQ4_0 ? nibble - 8
                      : type == GgmlType::kQ5_0
                          ? (nibble | static_cast<int>(fifth >> i & 1) << 4) - 16
                          : static_cast<int8_t>(byte_at(q, i));
    out.q[kSubDepth * sub + i] = static_cast<uint8_t>(value + kernels::kQ8Offset);
  }
}

// Scales and minima that were read are numbers. One that is not would make every answer NaN, a
// hundred layers from where it stands.
bool is_finite_half(uint16_t bits) { return (bits & 0x7c00) != 0x7c00; }

bool is_finite(const PublishedRow& row) {
  return is_finite_half(row.dmin) &&
         std::all_of(std::begin(row.d), std::end(row.d), is_finite_half);
}

// Rows are read on several threads; the first one that holds no numbers is remembered.
class FirstBroken {
 public:
  void add(int64_t row) {
    int64_t known = row_.load();
    while (row < known && !row_.compare_exchange_weak(known, row)) {
    }
  }
  void require_none(const RawTensor& raw) const {
    if (row_ == kNone) return;
    throw ModelError(fmt::format(
        "{}: {}: row {} holds a {} block whose scale is infinite or no number; the file is broken",
        raw.file, formats::printable(raw.name), row_.load(), formats::block_of(*raw.blocks).name));
  }

 private:
  static constexpr int64_t kNone = std::numeric_limits<int64_t>::max();
  std::atomic<int64_t> row_{kNone};
};

std::shared_ptr<const nn::QuantisedMatrix> repacked(const RawTensor& raw, DType held) {
  const GgmlType type = *raw.blocks;
  const GgmlBlock block = formats::block_of(type);
  const int64_t rows = raw.shape.front(), cols = raw.element_count() / rows;
  const int64_t per_row = cols / block.elements, per_read = kBlockDepth / block.elements;
  FirstBroken broken;
  auto matrix =
      nn::QuantisedMatrix::repack(held, rows, cols, [&](int64_t row, int64_t b, PublishedRow& out) {
        const int64_t first = b * per_read;
        const std::byte* from =
            raw.bytes.data() + static_cast<size_t>(row * per_row + first) * block.bytes;
        switch (type) {
          case GgmlType::kQ4_K: read_q4_k(from, out); break;
          case GgmlType::kQ5_K: read_q5_k(from, out); break;
          case GgmlType::kQ6_K: read_q6_k(from, out); break;
          default:
            for (int64_t s = 0; s < std::min(per_read, per_row - first); ++s, from += block.bytes)
              read_whole_numbers(type, from, s, out);
        }
        if (!is_finite(out)) broken.add(row);
      });
  broken.require_none(raw);
  return matrix;
}

}  // namespace

DType held_for(GgmlType type) { return entry_of(type).held; }

std::shared_ptr<const nn::QuantisedMatrix> quantised_blocks(const RawTensor& raw, DType held) {
  const HeldAs& entry = entry_of(*raw.blocks);
  if (entry.exact && entry.held == held) return repacked(raw, held);
  const int64_t cols = raw.element_count() / raw.shape.front();
  const GgmlBlock block = formats::block_of(*raw.blocks);
  FirstBroken broken;
  auto matrix = nn::QuantisedMatrix::quantise(
      held, raw.shape.front(), cols, [&](int64_t first, int64_t count, float* out) {
        const auto before = static_cast<size_t>(first * cols / block.elements);
        formats::ggml_to_floats(*raw.blocks, raw.bytes.data() + before * block.bytes, count * cols,
                                out);
        // Zeros instead: no integer is the nearest to NaN.
        for (int64_t i = 0; i < count * cols; ++i)
          if (!std::isfinite(out[i])) {
            broken.add(first + i / cols);
            out[i] = 0;
          }
      });
  broken.require_none(raw);
  return matrix;
}

}  // namespace isthmus::weights
