// llama.cpp's files as one file of our own: the same model, to the bit.
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "base/atomic_file.h"
#include "engine/engine.h"
#include "engine/load.h"
#include "families/package.h"
#include "families/registry.h"
#include "families/storage.h"
#include "formats/gguf.h"
#include "formats/gguf_writer.h"
#include "new_folder.h"
#include "nn/quantised_matrix.h"
#include "nn/slots.h"
#include "text/gguf_tokenizer.h"

namespace isthmus::engine {
namespace {

namespace fs = std::filesystem;
using families::GgufStorage;

fs::path fresh_folder() { return new_folder("isthmus_gguf_bundle"); }

fs::path in_one_file(const fs::path& model, const LoadOptions& storage = {}) {
  const auto family = families::load_family(model.string(), "", "", {});
  const fs::path file = fresh_folder() / "model.isthmus";
  formats::write_bundle(file, families::contents_of(family->package(), family->modules(),
                                                    families::storage_options(storage).storage));
  return file;
}

// The same numbers in the same storage, and of blocks the file's own bytes.
void expect_same_model(const fs::path& found, const fs::path& expected) {
  const auto left = families::load_family(found.string(), "", "", {}),
             again = families::load_family(found.string(), "", "", {}),
             right = families::load_family(expected.string(), "", "", {});
  const auto slots = nn::slots_of(left->modules()), twins = nn::slots_of(again->modules()),
             wanted = nn::slots_of(right->modules());
  ASSERT_EQ(slots.size(), wanted.size());
  for (size_t i = 0; i < slots.size(); ++i) {
    EXPECT_EQ(slots[i].name, wanted[i].name);
    EXPECT_TRUE(torch::equal(slots[i].value(), wanted[i].value())) << slots[i].name;
    if (!slots[i].is_matrix()) continue;
    EXPECT_EQ(slots[i].matrix()->dtype(), wanted[i].matrix()->dtype()) << slots[i].name;
    const auto* blocks = dynamic_cast<const nn::QuantisedMatrix*>(slots[i].matrix().get());
    if (blocks == nullptr) continue;
    EXPECT_EQ(blocks->blocks(),
              dynamic_cast<const nn::QuantisedMatrix&>(*twins[i].matrix()).blocks())
        << slots[i].name << " is a copy";
  }
}

void expect_same_trace(const Trace& found, const Trace& expected) {
  EXPECT_EQ(found.input_ids, expected.input_ids);
  EXPECT_EQ(found.output_ids, expected.output_ids);
  EXPECT_EQ(found.text, expected.text);
  ASSERT_EQ(found.tensors.size(), expected.tensors.size());
  for (size_t i = 0; i < found.tensors.size(); ++i)
    EXPECT_TRUE(torch::equal(found.tensors[i].value, expected.tensors[i].value))
        << found.tensors[i].name;
}

TEST(GgufInOneFile, ALlavaAnswersToTheBitAsItsTwoFiles) {
  const fs::path demo = fs::path(ISTHMUS_SOURCE_DIR) / "demo";
  for (const GgufStorage storage : {GgufStorage::kQ8_0, GgufStorage::kF16}) {
    const fs::path files = fresh_folder();
    families::load_family((demo / "models/llava-v1.5").string(), "", "", {})
        ->save_gguf(files, storage);
    const fs::path file = in_one_file(files);
    expect_same_model(file, files);
    Request request;
    request.messages = {{"user",
                         {Part::of_image(demo / "pictures/table02.png"),
                          Part::of_text("What is in this picture?")}}};
    request.generate.max_new_tokens = 24;
    const auto asked = [&](const fs::path& model) {
      return load_engine(model.string(), "", "", {})->trace(request, true);
    };
    const Trace expected = asked(files);
    EXPECT_FALSE(expected.output_ids.empty());
    expect_same_trace(asked(file), expected);
  }
}

// A tensor of pseudo-random blocks whose scales are small.
struct Blocks {
  std::string name;
  formats::GgmlType type;
  Shape shape;

  std::string bytes() const {
    using formats::GgmlType;
    const formats::GgmlBlock block = formats::block_of(type);
    std::string all(static_cast<size_t>(*num_elements(shape) / block.elements) * block.bytes, 0);
    uint32_t state = static_cast<uint32_t>(std::hash<std::string>()(name));
    for (char& byte : all) {
      state = state * 1664525 + 1013904223;
      byte = static_cast<char>(state >> 24);
    }
    if (type == GgmlType::kF32) {
      const float one = 1;
      for (size_t at = 0; at < all.size(); at += sizeof one)
        std::memcpy(all.data() + at, &one, sizeof one);
      return all;
    }
    std::vector<size_t> halves = {0};
    if (type == GgmlType::kQ4_K || type == GgmlType::kQ5_K || type == GgmlType::kQ4_1)
      halves = {0, 2};
    if (type == GgmlType::kQ2_K) halves = {80, 82};
    if (type == GgmlType::kQ6_K) halves = {208};
    for (size_t at = 0; at < all.size(); at += block.bytes)
      for (const size_t half : halves)
        all[at + half + 1] = static_cast<char>((all[at + half + 1] & 3) | 0x0c);
    return all;
  }
};

// The format's own rules, for types that the writer does not make.
fs::path gguf_of(const std::vector<formats::GgufEntry>& entries,
                 const std::vector<Blocks>& tensors) {
  const fs::path file = fresh_folder() / "blocks.gguf";
  formats::write_gguf(file, entries, {});
  std::string bytes = formats::GgufFile::open(MappedFile::open(file)).without_tensors();
  const auto append = [](std::string& to, auto value) {
    to.append(reinterpret_cast<const char*>(&value), sizeof value);
  };
  const auto pad = [](std::string& to) { to.resize((to.size() + 31) / 32 * 32, 0); };
  const uint64_t count = tensors.size();
  std::memcpy(bytes.data() + 8, &count, sizeof count);
  std::string data;
  for (const Blocks& tensor : tensors) {
    append(bytes, uint64_t{tensor.name.size()});
    bytes += tensor.name;
    append(bytes, static_cast<uint32_t>(tensor.shape.size()));
    for (size_t d = tensor.shape.size(); d-- > 0;)
      append(bytes, static_cast<uint64_t>(tensor.shape[d]));
    append(bytes, static_cast<uint32_t>(tensor.type));
    append(bytes, uint64_t{data.size()});
    data += tensor.bytes();
    pad(data);
  }
  pad(bytes);
  write_file(file, bytes + data);
  return file;
}

fs::path llama_of_all_types() {
  using formats::GgmlType;
  const auto tokenizer = text::Tokenizer::load(fs::path(ISTHMUS_FIXTURES) /
                                               "llava/v15_original/model/llava-v1.5-tiny");
  const auto rows = static_cast<int64_t>(tokenizer->vocab_size());
  std::vector<formats::GgufEntry> entries = {
      {"general.architecture", std::string("llama")},   {"llama.context_length", uint32_t{256}},
      {"llama.embedding_length", uint32_t{256}},        {"llama.block_count", uint32_t{2}},
      {"llama.feed_forward_length", uint32_t{512}},     {"llama.attention.head_count", uint32_t{4}},
      {"llama.attention.layer_norm_rms_epsilon", 1e-5F}};
  for (auto& entry : text::gguf_entries(*tokenizer, rows)) entries.push_back(std::move(entry));
  std::vector<Blocks> tensors = {{"token_embd.weight", GgmlType::kQ6_K, {rows, 256}},
                                 {"output_norm.weight", GgmlType::kF32, {256}},
                                 {"output.weight", GgmlType::kQ5_K, {rows, 256}}};
  // Every type that repacks exactly, some that do not, and plain numbers.
  const GgmlType kinds[2][7] = {{GgmlType::kQ4_K, GgmlType::kQ5_K, GgmlType::kQ6_K, GgmlType::kQ4_0,
                                 GgmlType::kQ5_0, GgmlType::kQ8_0, GgmlType::kQ4_K},
                                {GgmlType::kQ4_1, GgmlType::kQ2_K, GgmlType::kF16, GgmlType::kQ8_0,
                                 GgmlType::kQ4_K, GgmlType::kQ5_0, GgmlType::kQ6_K}};
  const std::pair<const char*, Shape> matrices[] = {
      {"attn_q", {256, 256}},      {"attn_k", {256, 256}},   {"attn_v", {256, 256}},
      {"attn_output", {256, 256}}, {"ffn_gate", {512, 256}}, {"ffn_up", {512, 256}},
      {"ffn_down", {256, 512}}};
  for (size_t layer = 0; layer < 2; ++layer) {
    const std::string block = "blk." + std::to_string(layer) + ".";
    for (const char* norm : {"attn_norm", "ffn_norm"})
      tensors.push_back({block + norm + ".weight", GgmlType::kF32, {256}});
    for (size_t i = 0; i < 7; ++i)
      tensors.push_back(
          {block + matrices[i].first + ".weight", kinds[layer][i], matrices[i].second});
  }
  return gguf_of(entries, tensors);
}

Trace traced(const fs::path& model) {
  Request request;
  request.messages = {{"user", {Part::of_text("What is this? A red cat")}}};
  request.generate.max_new_tokens = 12;
  return load_engine(model.string(), "", "", {})->trace(request, true);
}

TEST(GgufInOneFile, BlocksStayWhatTheyAreBitForBit) {
  const fs::path gguf = llama_of_all_types(), file = in_one_file(gguf);
  expect_same_model(file, gguf);
  const Trace expected = traced(gguf);
  EXPECT_TRUE(expected.find("logits")->isfinite().all().item<bool>());
  expect_same_trace(traced(file), expected);
  // Written once more, out of that file.
  expect_same_trace(traced(in_one_file(file)), expected);
}

TEST(GgufInOneFile, AStorageThatIsAskedForIsUsed) {
  const fs::path gguf = llama_of_all_types();
  const auto original = families::load_family(gguf.string(), "", "", {});
  const auto wanted = nn::slots_of(original->modules());
  for (const auto& [word, dtype] : {std::pair("q8", DType::kQ8), std::pair("f32", DType::kF32)}) {
    LoadOptions storage;
    storage.decoder_storage = word;
    const auto family = families::load_family(in_one_file(gguf, storage).string(), "", "", {});
    const auto slots = nn::slots_of(family->modules());
    for (size_t i = 0; i < slots.size(); ++i) {
      if (!slots[i].is_matrix()) continue;
      EXPECT_EQ(slots[i].matrix()->dtype(), dtype) << slots[i].name;
      EXPECT_TRUE(torch::allclose(slots[i].value(), wanted[i].value(), 0.05, 0.05))
          << slots[i].name;
    }
  }
}

}  // namespace
}  // namespace isthmus::engine
