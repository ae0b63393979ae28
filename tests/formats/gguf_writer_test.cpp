#include "formats/gguf_writer.h"

#include <cstring>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/mapped_file.h"
#include "formats/gguf.h"
#include "helpers.h"
#include "isthmus/error.h"

namespace isthmus::formats {
namespace {

using namespace testing_helpers;

// 512 numbers in [-1.5, 1.5), of which 64 to 95 are zero.
std::vector<float> some_values() {
  std::vector<float> values;
  uint32_t state = 12345;
  for (int i = 0; i < 512; ++i) {
    state = state * 1664525 + 1013904223;
    values.push_back((static_cast<float>((state >> 8) & 0xffff) / 65536 - .5F) * 3);
  }
  std::fill(values.begin() + 64, values.begin() + 96, 0.0F);
  return values;
}

GgufOutgoing outgoing_as(GgmlType type, const std::string& name, const Shape& shape) {
  return {outgoing(tensor_of(name, DType::kF32, shape, some_values())), type};
}

GgufFile written(const std::vector<GgufEntry>& entries, const std::vector<GgufOutgoing>& tensors) {
  const auto path = temporary("written.gguf");
  std::filesystem::remove(path);  // whoever maps the last one keeps it
  write_gguf(path, entries, tensors);
  return GgufFile::open(MappedFile::open(path));
}

TEST(GgufWriter, WhatIsWrittenIsRead) {
  const GgufFile file = written(
      {{"flag", true},
       {"count", uint32_t{4000000000}},
       {"ratio", 0.5F},
       {"text", std::string("a\0b", 3)},
       {"integers", std::vector<int32_t>{-1, 2}},
       {"numbers", std::vector<float>{1.5F, -2}},
       {"texts", std::vector<std::string>{"", "x"}}},
      {outgoing_as(GgmlType::kF32, "f32", {2, 256}), outgoing_as(GgmlType::kF16, "f16", {512}),
       outgoing_as(GgmlType::kBF16, "bf16", {4, 8, 16}),
       outgoing_as(GgmlType::kQ8_0, "q8_0", {2, 256})});
  EXPECT_TRUE(file.flag("flag"));
  EXPECT_EQ(file.integer("count"), 4000000000);
  EXPECT_EQ(file.number("ratio"), 0.5);
  EXPECT_EQ(file.text("text"), std::string("a\0b", 3));
  EXPECT_EQ(file.integers("integers"), (std::vector<int64_t>{-1, 2}));
  EXPECT_EQ(file.numbers("numbers"), (std::vector<double>{1.5, -2}));
  EXPECT_EQ(file.texts("texts"), (std::vector<std::string>{"", "x"}));
  const auto& tensors = file.tensors();
  ASSERT_EQ(tensors.size(), 4u);
  EXPECT_EQ(to_floats(tensors[0]), some_values());
  EXPECT_EQ(tensors[2].shape, (Shape{4, 8, 16}));
  for (const RawTensor& tensor : tensors) {
    const auto values = to_floats(tensor);
    ASSERT_EQ(values.size(), 512u) << tensor.name;
    // bfloat16 keeps eight bits of each value, Q8_0 seven of the largest of 32.
    for (size_t i = 0; i < values.size(); ++i)
      EXPECT_NEAR(values[i], some_values()[i], 1.5 / 127) << tensor.name << " " << i;
  }
}

// What the Python package gguf 0.17 makes of the same numbers, as FNV-1a over the bytes.
TEST(GgufWriter, Q8_0IsThatOfLlamaCpp) {
  const GgufFile file = written({}, {outgoing_as(GgmlType::kQ8_0, "q8_0", {2, 256})});
  uint64_t hash = 0xcbf29ce484222325;
  for (const std::byte byte : file.tensors().front().bytes)
    hash = (hash ^ std::to_integer<uint64_t>(byte)) * 0x100000001b3;
  EXPECT_EQ(hash, 0x31daee34659483caull);
}

TEST(GgufWriter, AViewIsWrittenInRowMajorOrder) {
  RawTensor view = tensor_of("w", DType::kF32, {2, 256}, some_values());
  view.shape = {256, 2};
  view.strides = {1, 256};
  const GgufFile file = written({}, {{outgoing(view), GgmlType::kF32}});
  const auto values = to_floats(file.tensors().front());
  EXPECT_EQ(values[0], some_values()[0]);
  EXPECT_EQ(values[1], some_values()[256]);
  EXPECT_EQ(values[2], some_values()[1]);
}

TEST(GgufWriter, ARowOfHalfABlockIsRefusedByName) {
  const std::string message = message_of<ModelError>([] {
    written({}, {outgoing_as(GgmlType::kQ8_0, "narrow", {32, 16})});
  });
  EXPECT_NE(message.find("narrow: rows of 16"), std::string::npos) << message;
}

}  // namespace
}  // namespace isthmus::formats
