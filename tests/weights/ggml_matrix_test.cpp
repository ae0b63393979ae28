#include "weights/ggml_matrix.h"

#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <torch/types.h>

#include "error_message.h"
#include "formats/raw_tensor.h"

namespace isthmus::weights {
namespace {

using formats::GgmlType;
using formats::RawTensor;

// Blocks of pseudo-random bytes; the float16 that they begin with are moderate.
RawTensor blocks_of(GgmlType type, int64_t rows, int64_t cols) {
  const formats::GgmlBlock block = formats::block_of(type);
  auto bytes = std::make_shared<std::vector<std::byte>>(
      static_cast<size_t>(rows * cols / block.elements) * block.bytes);
  uint32_t state = 4711;
  for (std::byte& byte : *bytes) {
    state = state * 1664525 + 1013904223;
    byte = static_cast<std::byte>(state >> 24);
  }
  std::vector<size_t> halves = {0};
  if (type == GgmlType::kQ4_K || type == GgmlType::kQ5_K || type == GgmlType::kQ4_1 ||
      type == GgmlType::kQ5_1)
    halves.push_back(2);
  if (type == GgmlType::kQ2_K) halves = {80, 82};
  if (type == GgmlType::kQ3_K) halves = {108};
  if (type == GgmlType::kQ6_K) halves = {208};
  for (size_t at = 0; at < bytes->size(); at += block.bytes)
    for (const size_t half : halves)
      (*bytes)[at + half + 1] = ((*bytes)[at + half + 1] & std::byte{3}) | std::byte{0x28};
  RawTensor raw;
  raw.name = block.name;
  raw.dtype = DType::kF32;
  raw.blocks = type;
  raw.shape = {rows, cols};
  raw.strides = formats::row_major_strides(raw.shape);
  raw.bytes = *bytes;
  raw.owner = bytes;
  return raw;
}

torch::Tensor unpacked(const RawTensor& raw) {
  return torch::tensor(formats::to_floats(raw)).view(raw.shape);
}

std::string name_of(GgmlType type) { return std::string(formats::block_of(type).name); }

// 19 rows leave a group unfilled; 288 columns a block, of which those of 256 columns have whole
// ones only.
TEST(GgmlMatrix, TheSameArithmeticIsRepackedToTheBit) {
  for (const auto& [type, held] :
       {std::pair(GgmlType::kQ4_K, DType::kQ4), std::pair(GgmlType::kQ5_K, DType::kQ5),
        std::pair(GgmlType::kQ6_K, DType::kQ6), std::pair(GgmlType::kQ4_0, DType::kQ8),
        std::pair(GgmlType::kQ5_0, DType::kQ8), std::pair(GgmlType::kQ8_0, DType::kQ8)}) {
    const RawTensor raw = blocks_of(type, 19, held == DType::kQ8 ? 288 : 512);
    const auto matrix = quantised_blocks(raw, held_for(type));
    EXPECT_EQ(matrix->dtype(), held);
    EXPECT_TRUE(torch::equal(matrix->to_dense(), unpacked(raw))) << name_of(type);
    const torch::Tensor x = torch::linspace(-1, 1, 3 * raw.shape.back()).view({3, -1});
    const torch::Tensor expected = torch::matmul(x, unpacked(raw).t());
    // x is rounded to 1/127 of its largest.
    EXPECT_LT((matrix->apply(x, {}) - expected).abs().max().item<float>(),
              0.02F * expected.abs().max().item<float>())
        << name_of(type);
  }
}

TEST(GgmlMatrix, AllOthersAreQuantised) {
  for (const GgmlType type : {GgmlType::kQ4_1, GgmlType::kQ5_1, GgmlType::kQ2_K, GgmlType::kQ3_K}) {
    const RawTensor raw = blocks_of(type, 19, 512);
    const auto matrix = quantised_blocks(raw, held_for(type));
    const torch::Tensor expected = unpacked(raw), found = matrix->to_dense();
    // Half a step of 1/127 of the largest of 32, and a float16 of the step.
    const torch::Tensor largest = expected.view({19, 16, 32}).abs().amax(-1, true);
    const torch::Tensor error = (found - expected).view({19, 16, 32}).abs();
    EXPECT_TRUE((error <= largest * (0.51 / 127 + 0.0005)).all().item<bool>()) << name_of(type);
  }
}

// Of every type, one scale in the middle that is infinite or no number.
TEST(GgmlMatrix, AScaleThatIsNoNumberIsRefusedByItsRow) {
  for (const auto& [type, half] :
       {std::pair(GgmlType::kQ4_0, 0), std::pair(GgmlType::kQ4_1, 0), std::pair(GgmlType::kQ4_1, 2),
        std::pair(GgmlType::kQ5_0, 0), std::pair(GgmlType::kQ5_1, 2), std::pair(GgmlType::kQ8_0, 0),
        std::pair(GgmlType::kQ2_K, 80), std::pair(GgmlType::kQ2_K, 82),
        std::pair(GgmlType::kQ3_K, 108), std::pair(GgmlType::kQ4_K, 0),
        std::pair(GgmlType::kQ4_K, 2), std::pair(GgmlType::kQ5_K, 2),
        std::pair(GgmlType::kQ6_K, 208)}) {
    const formats::GgmlBlock block = formats::block_of(type);
    for (const uint16_t bits : {0x7c00, 0xfc00, 0x7e01}) {
      RawTensor raw = blocks_of(type, 19, 512);
      raw.file = "model.gguf";
      auto broken = std::make_shared<std::vector<std::byte>>(raw.bytes.begin(), raw.bytes.end());
      const size_t row = static_cast<size_t>(512 / block.elements) * block.bytes;
      std::memcpy(broken->data() + 17 * row + block.bytes + static_cast<size_t>(half), &bits,
                  sizeof bits);
      raw.bytes = *broken;
      raw.owner = broken;
      for (const DType held : {held_for(type), DType::kQ6})
        EXPECT_EQ(message_of<ModelError>([&] { quantised_blocks(raw, held); }),
                  "model.gguf: " + name_of(type) + ": row 17 holds a " + name_of(type) +
                      " block whose scale is infinite or no number; the file is broken");
    }
  }
}

TEST(GgmlMatrix, AStorageThatIsAskedForIsMadeOfTheValues) {
  const RawTensor raw = blocks_of(GgmlType::kQ8_0, 16, 256);
  const auto matrix = quantised_blocks(raw, DType::kQ4);
  EXPECT_EQ(matrix->dtype(), DType::kQ4);
  const torch::Tensor expected = unpacked(raw);
  EXPECT_LT((matrix->to_dense() - expected).norm().item<float>(),
            0.1F * expected.norm().item<float>());
}

}  // namespace
}  // namespace isthmus::weights
