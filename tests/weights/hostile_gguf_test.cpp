// A small language model in a GGUF file, broken: it is bound to a decoder or refused.
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <torch/nn/module.h>

#include "base/mapped_file.h"
#include "decoders/registry.h"
#include "formats/gguf_writer.h"
#include "hostile_files.h"
#include "layout/gguf_model.h"
#include "layout/gguf_names.h"
#include "made_tensor.h"
#include "weights/bind.h"

namespace isthmus::weights {
namespace {

namespace fs = std::filesystem;
using formats::GgmlType;

formats::GgufOutgoing matrix(const std::string& name, const Shape& shape, GgmlType type) {
  return {made_tensor(name, shape, [](size_t i) { return static_cast<float>(i % 13) / 64 - 0.1F; }),
          type};
}

// 32 columns: one block of Q8_0 a row.
void write_model(const fs::path& path) {
  std::vector<formats::GgufEntry> entries = {{"general.architecture", std::string("llama")}};
  for (const auto& [key, value] :
       std::initializer_list<std::pair<const char*, uint32_t>>{{"context_length", 64},
                                                               {"embedding_length", 32},
                                                               {"block_count", 1},
                                                               {"feed_forward_length", 64},
                                                               {"attention.head_count", 4},
                                                               {"attention.head_count_kv", 2}})
    entries.push_back({std::string("llama.") + key, value});
  entries.push_back({"llama.attention.layer_norm_rms_epsilon", 1e-5F});
  std::vector<formats::GgufOutgoing> tensors;
  const auto add = [&](const std::string& name, const Shape& shape, GgmlType type) {
    tensors.push_back(matrix(name + ".weight", shape, type));
  };
  add("token_embd", {10, 32}, GgmlType::kQ8_0);
  add("output_norm", {32}, GgmlType::kF32);
  add("output", {10, 32}, GgmlType::kF16);
  add("blk.0.attn_norm", {32}, GgmlType::kF32);
  add("blk.0.attn_q", {32, 32}, GgmlType::kQ8_0);
  add("blk.0.attn_k", {16, 32}, GgmlType::kBF16);
  add("blk.0.attn_v", {16, 32}, GgmlType::kQ8_0);
  add("blk.0.attn_output", {32, 32}, GgmlType::kQ8_0);
  add("blk.0.ffn_norm", {32}, GgmlType::kF32);
  add("blk.0.ffn_gate", {64, 32}, GgmlType::kQ8_0);
  add("blk.0.ffn_up", {64, 32}, GgmlType::kF32);
  add("blk.0.ffn_down", {32, 64}, GgmlType::kQ8_0);
  formats::write_gguf(path, entries, tensors);
}

TEST(HostileGguf, IsBoundOrRefused) {
  const fs::path folder = fs::path(::testing::TempDir()) / "isthmus_hostile_gguf";
  fs::create_directories(folder);
  write_model(folder / "good.gguf");
  std::ifstream in(folder / "good.gguf", std::ios::binary);
  const std::string good(std::istreambuf_iterator<char>(in), {});
  const auto whole = formats::GgufFile::open(MappedFile::open(folder / "good.gguf"));
  size_t data = 0;
  for (const auto& tensor : whole.tensors()) data += (tensor.bytes.size() + 31) / 32 * 32;
  const fs::path broken = folder / "broken.gguf";
  attack(broken, good, good.size() - data, 1500, [&] {
    const auto model = layout::GgufModel::open({broken, {}});
    torch::nn::Module root("LanguageModel");
    root.register_module("decoder", decoders::make_language_model(model.model_type, model.config));
    WeightSource source{formats::Checkpoint::of_tensors(model.language.tensors(), {broken}),
                        layout::gguf_language_names(model.model_type)};
    BindOptions options;
    options.config = broken.string();
    const BindReport report = bind_weights(root, std::span(&source, 1), options);
    EXPECT_FALSE(report.tensors.empty());
  });
}

}  // namespace
}  // namespace isthmus::weights
