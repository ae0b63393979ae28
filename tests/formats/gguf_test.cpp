#include "formats/gguf.h"

#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/mapped_file.h"
#include "formats/bytes.h"
#include "helpers.h"
#include "hostile_files.h"
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

std::string complaint(const std::string& bytes) {
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
  const RawTensor* wide = file.find("wide");
  ASSERT_NE(wide, nullptr);
  EXPECT_EQ(wide->shape, (Shape{3, 32}));
  std::vector<float> row(32);
  ASSERT_EQ(wide->blocks, GgmlType::kQ8_0);
  ggml_to_floats(*wide->blocks, wide->bytes.data(), 32, row.data());
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
    EXPECT_NE(complaint(bytes).find(what), std::string::npos) << complaint(bytes);
  };
  expect("GG", "truncated");
  expect(std::string("GGML") + std::string(20, '\0'), "does not begin with \"GGUF\"");
  expect(Gguf(0, 0, 1).with_data(""), "version 1 is not read");
  expect(Gguf(uint64_t{1} << 60, 0).with_data(""), "announces");
  expect(Gguf(0, uint64_t{1} << 60).with_data(""), "announces");
  expect(Gguf(0, 1).entry("key", 99, uint64_t{0}).with_data(""), "type 99, expected 0 to 12");
  expect(Gguf(0, 1)
             .text("l")
             .number(uint32_t{9})
             .number(uint32_t{9})
             .number(uint64_t{1})
             .with_data(""),
         "l: a list of lists");
  expect(Gguf(0, 1)
             .text("l")
             .number(uint32_t{9})
             .number(uint32_t{0})
             .number(uint64_t{1} << 25)
             .with_data(""),
         "l: announces 33554432 elements, at most 16777216 are read");
  expect(Gguf(0, 1).text("k").number(uint32_t{8}).number(~uint64_t{0}).with_data(""),
         "k: a text of 18446744073709551615 bytes");
  expect(Gguf(0, 1).entry("\xff\n", 99, uint64_t{0}).with_data(""), "??: a value");
  expect(Gguf(0, 1).entry("n", 10, ~uint64_t{0}).with_data(""), "does not fit into 63 bits");
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
  expect(Gguf(1, 0).tensor("w", {0, 4}, 0, 0).with_data(data), "w: dimension 0 is 0");
  // Several dimensions at once: no product of theirs overflows before the zero is seen.
  expect(Gguf(1, 0).tensor("w", {0, uint64_t{1} << 40, uint64_t{1} << 40}, 0, 0).with_data(data),
         "dimension 0 is 0");
  expect(Gguf(1, 0).tensor("w", {uint64_t{1} << 63}, 0, 0).with_data(data), "63 bits");
  expect(Gguf(1, 0).tensor("w", {uint64_t{1} << 61}, 1, 0).with_data(data), "beyond the end");
  expect(
      Gguf(1, 0).tensor("w", {128}, 0, 0).with_data(data),
      "w: F32 of [128] (128 blocks of 4 bytes) at byte 64 + 0 reaches beyond the end of the file, "
      "which has 320 bytes");
  expect(Gguf(2, 0).tensor("a", {16}, 0, 0).tensor("b", {4}, 0, 32).with_data(data),
         "tensor b: begins inside the 64 bytes of tensor a");
  expect(Gguf(1, 0).tensor("w", {4}, 0, ~uint64_t{0} - 3).with_data(data), "beyond the end");
  expect(Gguf(1, 0).tensor("w", {4}, 0, 8).with_data(data), "offset 8 is no multiple of 32");
  expect(Gguf(1, 0).tensor("w", {4}, 0, 0).with_data("").substr(0, 60), "truncated");
  expect(Gguf(2, 0).tensor("w", {4}, 0, 0).tensor("w", {4}, 0, 32).with_data(data),
         "appears twice");
  expect(Gguf(1, 1).entry("general.alignment", 4, 24u).tensor("w", {4}, 0, 0).with_data(data),
         "24, expected a power of two");
}

TEST(Gguf, WhatIsFoundAndWhatIsExpectedAreBothSaid) {
  const GgufFile file = opened(small_file());
  const auto expect = [](const std::function<void()>& action, const std::string& what) {
    EXPECT_NE(message_of<ModelError>(action).find(what), std::string::npos)
        << message_of<ModelError>(action);
  };
  expect([&] { file.integer("absent"); }, "model.gguf: absent is missing, expected a whole number");
  expect([&] { file.integer("general.architecture"); },
         "general.architecture: found the text \"llama\", expected a whole number");
  expect([&] { file.text("tokens"); }, "tokens: found a list of 2 texts, expected a text");
  expect([&] { file.numbers("llama.block_count"); },
         "llama.block_count: found the whole number 2, expected a list of numbers");
}

// Every type of value, list and tensor that there is.
std::string file_of_everything() {
  Gguf file(13, 15);
  file.entry("u8", 0, uint8_t{1}).entry("i8", 1, int8_t{-1});
  file.entry("u16", 2, uint16_t{1}).entry("i16", 3, int16_t{-1});
  file.entry("u32", 4, uint32_t{1}).entry("i32", 5, int32_t{-1});
  file.entry("f32", 6, 1.0F).entry("bool", 7, uint8_t{1});
  file.text("text").number(uint32_t{8}).text("value");
  file.entry("u64", 10, uint64_t{1}).entry("i64", 11, int64_t{-1}).entry("f64", 12, 1.0);
  file.text("general.alignment").number(uint32_t{4}).number(uint32_t{32});
  file.text("texts").number(uint32_t{9}).number(uint32_t{8}).number(uint64_t{2});
  file.text("a").text("bc");
  file.text("i16s").number(uint32_t{9}).number(uint32_t{3}).number(uint64_t{3});
  for (const int16_t value : {1, 2, 3}) file.number(value);
  size_t offset = 0;
  for (const uint32_t type : {0, 1, 2, 3, 6, 7, 8, 10, 11, 12, 13, 14, 30}) {
    const GgmlBlock block = block_of(static_cast<GgmlType>(type));
    const auto row = static_cast<uint64_t>(block.elements);
    file.tensor("t" + std::to_string(type), {row, 2}, type, offset);
    offset += (2 * block.bytes + 31) / 32 * 32;
  }
  return file.with_data(std::string(offset, '\x11'));
}

TEST(Gguf, SurvivesBrokenFiles) {
  const auto path = temporary("mutated.gguf");
  for (const std::string& good : {small_file(), file_of_everything()})
    attack(path, good, good.size() - 64, 2500, [&] {
      const auto file = MappedFile::open(path);
      const GgufFile read = GgufFile::open(file);
      for (const RawTensor& tensor : read.tensors()) {
        EXPECT_GT(tensor.element_count(), 0);
        const GgmlBlock block =
            tensor.blocks ? block_of(*tensor.blocks) : GgmlBlock{"", 1, size_of(tensor.dtype)};
        EXPECT_EQ(tensor.bytes.size(),
                  static_cast<size_t>(tensor.element_count() / block.elements) * block.bytes);
        EXPECT_GE(tensor.bytes.data(), file->bytes().data());
        EXPECT_LE(tensor.bytes.data() + tensor.bytes.size(),
                  file->bytes().data() + file->bytes().size());
      }
      const GgufFile bare = opened(read.without_tensors());
      EXPECT_TRUE(bare.tensors().empty());
      EXPECT_EQ(bare.metadata().size(), read.metadata().size());
    });
}

}  // namespace
}  // namespace isthmus::formats
