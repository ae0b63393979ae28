#include "formats/gguf.h"

#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/mapped_file.h"
#include "base/rng.h"
#include "formats/bytes.h"
#include "helpers.h"
#include "isthmus/error.h"

namespace isthmus::formats {
namespace {

using namespace testing_helpers;

// A file, field by field.
class Gguf {
 public:
  explicit Gguf(uint64_t tensors, uint64_t entries, uint32_t version = 3) {
    bytes_ = "GGUF";
    append_le(bytes_, version);
    append_le(bytes_, tensors);
    append_le(bytes_, entries);
  }
  Gguf& text(const std::string& value) {
    append_le(bytes_, static_cast<uint64_t>(value.size()));
    bytes_ += value;
    return *this;
  }
  template <typename T>
  Gguf& number(T value) {
    append_le(bytes_, value);
    return *this;
  }
  template <typename T>
  Gguf& entry(const std::string& key, uint32_t type, T value) {
    return text(key).number(type).number(value);
  }
  Gguf& tensor(const std::string& name, const std::vector<uint64_t>& sizes, uint32_t type,
               uint64_t offset) {
    text(name).number(static_cast<uint32_t>(sizes.size()));
    for (const uint64_t size : sizes) number(size);
    return number(type).number(offset);
  }
  std::string with_data(const std::string& data, size_t alignment = 32) const {
    std::string whole = bytes_;
    whole.resize((whole.size() + alignment - 1) / alignment * alignment);
    return whole + data;
  }

 private:
  std::string bytes_;
};

GgufFile opened(const std::string& bytes) {
  return GgufFile::open(MappedFile::open(put_file("model.gguf", bytes)));
}

std::string message_of(const std::string& bytes) {
  try {
    opened(bytes);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

std::string small_file() {
  Gguf file(2, 5);
  file.text("general.architecture").number(uint32_t{8}).text("llama");
  file.entry("llama.block_count", 4, uint32_t{2});
  file.entry("llama.rope.freq_base", 6, 10000.0f);
  file.text("tokens")
      .number(uint32_t{9})
      .number(uint32_t{8})
      .number(uint64_t{2})
      .text("a")
      .text("b");
  file.text("scores").number(uint32_t{9}).number(uint32_t{6}).number(uint64_t{2});
  file.number(-1.0f).number(.5f);
  file.tensor("wide", {32, 3}, 8, 0).tensor("norm", {4}, 0, 128);
  std::string data(144, '\0');
  data[1] = '\x3c';  // d of the first block: 1
  for (int i = 0; i < 32; ++i) data[static_cast<size_t>(2 + i)] = static_cast<char>(i - 16);
  const float norm[4] = {1, 2, 3, 4};
  std::memcpy(data.data() + 128, norm, sizeof norm);
  return file.with_data(data);
}

TEST(Gguf, ReadsMetadataAndTensors) {
  const GgufFile file = opened(small_file());
  EXPECT_EQ(file.text("general.architecture"), "llama");
  EXPECT_EQ(file.integer("llama.block_count"), 2);
  EXPECT_EQ(file.number("llama.rope.freq_base"), 10000);
  EXPECT_EQ(file.texts("tokens"), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(file.numbers("scores"), (std::vector<double>{-1, .5}));
  EXPECT_EQ(file.integer("absent", 7), 7);
  const GgufTensor* wide = file.find("wide");
  ASSERT_NE(wide, nullptr);
  EXPECT_EQ(wide->shape, (Shape{3, 32}));
  std::vector<float> row(32);
  ggml_to_floats(wide->type, wide->bytes.data(), 32, row.data());
  for (int i = 0; i < 32; ++i) EXPECT_EQ(row[static_cast<size_t>(i)], static_cast<float>(i - 16));
  EXPECT_EQ(file.find("absent"), nullptr);
  EXPECT_THROW(file.integer("absent"), ModelError);
  EXPECT_THROW(file.integer("general.architecture"), ModelError);
}

// Blocks of pseudo-random bytes whose scales are moderate; what the Python package gguf 0.17 makes
// of them, as FNV-1a over the bits of 512 floats, and the first and last of those.
TEST(Gguf, BlocksAreThoseOfLlamaCpp) {
  struct Case {
    GgmlType type;
    std::vector<size_t> halves;  // where a block holds float16
    uint64_t hash;
    float first, last;
  };
  const std::vector<Case> cases = {
      {GgmlType::kQ4_0, {0}, 0x2699bcaa67b96084ull, 0.09420776f, -0.09063721f},
      {GgmlType::kQ4_1, {0, 2}, 0xe4b16d86a48c5a33ull, 0.30233765f, 0.037109375f},
      {GgmlType::kQ5_0, {0}, 0x01420b23ed1b0b0bull, 0.43963623f, 0.0f},
      {GgmlType::kQ5_1, {0, 2}, 0xb7fed089fab0c331ull, 0.30233765f, 0.5904236f},
      {GgmlType::kQ8_0, {0}, 0xd259cc0902996ccdull, -3.6741028f, -0.8407593f},
      {GgmlType::kQ2_K, {80, 82}, 0x7542f9bd738b6ca0ull, 0.22781372f, -0.29278564f},
      {GgmlType::kQ3_K, {108}, 0x07a892614a7b9875ull, 0.73498535f, -0.56103516f},
      {GgmlType::kQ4_K, {0, 2}, 0x0832c2f30d7e8dceull, 5.053711f, 8.176483f},
      {GgmlType::kQ5_K, {0, 2}, 0x3bc29e5a3ecf182cull, 25.151367f, -0.34936523f},
      {GgmlType::kQ6_K, {208}, 0x46cd8366df3fcb1full, 82.433716f, -14.517883f},
      {GgmlType::kF16, {0}, 0xfa7a69a463451823ull, 0.031402588f, 0.036499023f},
      {GgmlType::kBF16, {0}, 0x7f865dd3b697e460ull, 7.382983e-15f, 1.9095836e-14f}};
  constexpr int64_t kCount = 512;
  for (const Case& test : cases) {
    const GgmlBlock block = block_of(test.type);
    std::vector<std::byte> bytes(static_cast<size_t>(kCount / block.elements) * block.bytes);
    uint32_t state = 12345;
    for (std::byte& byte : bytes) {
      state = state * 1664525 + 1013904223;
      byte = static_cast<std::byte>(state >> 24);
    }
    for (size_t at = 0; at < bytes.size(); at += block.bytes)
      for (const size_t half : test.halves)
        bytes[at + half + 1] = (bytes[at + half + 1] & std::byte{3}) | std::byte{0x28};
    std::vector<float> values(kCount);
    ggml_to_floats(test.type, bytes.data(), kCount, values.data());
    EXPECT_EQ(values.front(), test.first) << block.name;
    EXPECT_EQ(values.back(), test.last) << block.name;
    uint64_t hash = 14695981039346656037ull;
    for (const std::byte byte : std::as_bytes(std::span(values)))
      hash = (hash ^ std::to_integer<uint64_t>(byte)) * 1099511628211ull;
    EXPECT_EQ(hash, test.hash) << block.name;
  }
}

TEST(Gguf, RefusesWhatDoesNotAddUp) {
  const auto expect = [](const std::string& bytes, const std::string& what) {
    EXPECT_NE(message_of(bytes).find(what), std::string::npos) << message_of(bytes);
  };
  expect("GG", "truncated");
  expect(std::string("GGML") + std::string(20, '\0'), "does not begin with \"GGUF\"");
  expect(Gguf(0, 0, 1).with_data(""), "version 1 is not read");
  expect(Gguf(uint64_t{1} << 60, 0).with_data(""), "announces");
  expect(Gguf(0, uint64_t{1} << 60).with_data(""), "announces");
  expect(Gguf(0, 1).entry("key", 99, uint64_t{0}).with_data(""), "type 99");
  expect(Gguf(0, 1)
             .text("list")
             .number(uint32_t{9})
             .number(uint32_t{4})
             .number(~uint64_t{0})
             .with_data(""),
         "list: announces");
  expect(Gguf(0, 2).entry("key", 4, 1u).entry("key", 4, 1u).with_data(""), "appears twice");
  const std::string data(256, '\0');
  expect(Gguf(1, 0).tensor("w", {1, 1, 1, 1, 1}, 0, 0).with_data(data), "5 dimensions");
  expect(Gguf(1, 0).tensor("w", {uint64_t{1} << 40, uint64_t{1} << 40}, 0, 0).with_data(data),
         "more than 63 bits");
  expect(Gguf(1, 0).tensor("w", {32}, 77, 0).with_data(data), "type 77 is not read");
  expect(Gguf(1, 0).tensor("w", {33}, 2, 0).with_data(data), "whole blocks of 32");
  expect(Gguf(1, 0).tensor("w", {128}, 0, 0).with_data(data), "beyond the end");
  expect(Gguf(1, 0).tensor("w", {4}, 0, ~uint64_t{0} - 3).with_data(data), "beyond the end");
  expect(Gguf(1, 0).tensor("w", {4}, 0, 8).with_data(data), "no multiple of 32");
  expect(Gguf(2, 0).tensor("w", {4}, 0, 0).tensor("w", {4}, 0, 32).with_data(data),
         "appears twice");
  expect(Gguf(1, 1).entry("general.alignment", 4, 24u).tensor("w", {4}, 0, 0).with_data(data),
         "power of two");
}

TEST(Gguf, SurvivesBrokenFiles) {
  const std::string good = small_file();
  const auto survives = [](const std::string& bytes) {
    try {
      const GgufFile file = opened(bytes);
      for (const GgufTensor& tensor : file.tensors()) {
        EXPECT_EQ(tensor.bytes.size(),
                  tensor.shape.empty()
                      ? size_of(DType::kF32)
                      : static_cast<size_t>(tensor.elements()) /
                            static_cast<size_t>(std::max<int64_t>(1, tensor.row_elements())) *
                            tensor.row_bytes());
      }
    } catch (const Error& error) {
      EXPECT_NE(error.exit_code(), 70) << error.what();
    }
  };
  survives(good);
  for (size_t length = 0; length < good.size(); ++length) survives(good.substr(0, length));
  Rng rng(7);
  for (int round = 0; round < 3000; ++round) {
    std::string bytes = good;
    for (int i = 0; i < 1 + round % 4; ++i)
      bytes[rng.next() % bytes.size()] = static_cast<char>(rng.next());
    survives(bytes);
  }
}

}  // namespace
}  // namespace isthmus::formats
