// Models that were written as GGUF files, or put into them as llama.cpp's converter does, answer as
// they did.
#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "base/json_view.h"
#include "engine/engine.h"
#include "engine/golden.h"
#include "engine/load.h"
#include "error_message.h"
#include "families/registry.h"
#include "formats/checkpoint.h"
#include "formats/gguf.h"
#include "formats/gguf_writer.h"
#include "isthmus/error.h"
#include "layout/decoder_names.h"
#include "layout/gguf_names.h"

namespace isthmus::engine {
namespace {

namespace fs = std::filesystem;
using families::GgufStorage;

const fs::path kFixtures = ISTHMUS_FIXTURES;

fs::path fresh_gguf_folder() {
  const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
  std::string name = std::string("isthmus_") + test->test_suite_name() + "_" + test->name();
  std::replace(name.begin(), name.end(), '/', '_');
  const fs::path folder = fs::path(::testing::TempDir()) / name;
  fs::remove_all(folder);
  fs::create_directories(folder);
  return folder;
}

fs::path converted(const fs::path& model, GgufStorage storage, const std::string& base = "") {
  const fs::path folder = fresh_gguf_folder();
  LoadOptions options;
  prepare_arithmetic(options);
  families::load_family(model.string(), base, "", options)->save_gguf(folder, storage);
  return folder;
}

struct GgufCase {
  const char* name;
  const char* model;     // below the case
  const char* requests;  // their names begin with this: a case may have several models
  const char* base = nullptr;
};
void PrintTo(const GgufCase& value, std::ostream* stream) { *stream << value.name; }

class GgufGolden : public testing::TestWithParam<GgufCase> {};

// Through both writers and both readers, every stage within the tolerance of the case.
TEST_P(GgufGolden, EveryStageAgreesWithTheReference) {
  const fs::path folder = kFixtures / "llava" / GetParam().name;
  const std::string base =
      GetParam().base == nullptr ? "" : (folder / "model" / GetParam().base).string();
  const fs::path files = converted(folder / "model" / GetParam().model, GgufStorage::kF32, base);
  EXPECT_TRUE(fs::exists(files / "model.gguf") && fs::exists(files / "mmproj.gguf"));
  const GoldenReport report = verify_golden(folder, files.string(), {});
  size_t stages = 0;
  for (const StageResult& stage : report.stages) {
    if (!stage.request.starts_with(GetParam().requests)) continue;
    // The reference decodes Mistral's ids with a fast tokenizer, which counts the bytes of broken
    // characters otherwise.
    if (stage.stage == "output_text" &&
        std::string_view(GetParam().model).ends_with("mistral-tiny"))
      continue;
    ++stages;
    EXPECT_TRUE(stage.agrees) << stage.request << ": " << stage.stage
                              << " differs: " << stage.detail;
  }
  EXPECT_GT(stages, 10u);
}

INSTANTIATE_TEST_SUITE_P(
    Llava, GgufGolden,
    testing::Values(GgufCase{"v15_original", "llava-v1.5-tiny", ""},
                    GgufCase{"v1_linear", "LLaVA-7B-v1-tiny", "plain_linear"},
                    GgufCase{"adapters", "llava-v1.5-tiny-lora", "lora", "vicuna-tiny"},
                    GgufCase{"v16_anyres_vicuna", "llava-v1.6-vicuna-tiny", ""},
                    GgufCase{"v16_anyres_mistral", "llava-v1.6-mistral-tiny", ""}),
    [](const auto& info) { return std::string(info.param.name); });

Trace traced_gguf(const fs::path& model, const LoadOptions& options = {}) {
  Request request;
  request.messages = {{"user", {Part::of_text("What is this? A red cat")}}};
  request.generate.max_new_tokens = 12;
  return load_engine(model.string(), "", "", options)->trace(request, false);
}

// float16 and Q8_0 keep what 11 and 8 bits keep of every weight.
TEST(Gguf, FewerBitsComeNear) {
  const fs::path model = kFixtures / "llava/v15_original/model/llava-v1.5-tiny";
  const Trace exact = traced_gguf(model);
  for (const auto& [storage, tolerance] :
       {std::pair(GgufStorage::kF16, 0.01), std::pair(GgufStorage::kQ8_0, 0.1)}) {
    const Trace near = traced_gguf(converted(model, storage));
    EXPECT_EQ(near.input_ids, exact.input_ids);
    EXPECT_LT((*near.find("logits") - *exact.find("logits")).abs().max().item<double>(),
              tolerance * exact.find("logits")->abs().max().item<double>());
  }
}

TEST(Gguf, AStorageThatIsAskedForIsUsed) {
  const fs::path files =
      converted(kFixtures / "llava/v15_original/model/llava-v1.5-tiny", GgufStorage::kQ8_0);
  LoadOptions options;
  options.decoder_storage = "f32";
  const Trace wide = traced_gguf(files, options);
  EXPECT_FALSE(wide.output_ids.empty());
}

TEST(Gguf, WhatLlamaCppHasNoWordsForIsRefused) {
  const fs::path models = kFixtures / "llava/v1_linear/model";
  const auto complaint = [&](const char* name) {
    return message_of<UnsupportedError>([&] { converted(models / name, GgufStorage::kF32); });
  };
  EXPECT_NE(complaint("llava-v1-cls-tiny").find("class token"), std::string::npos)
      << complaint("llava-v1-cls-tiny");
  EXPECT_NE(complaint("LLaVA-tiny-v0").find("mm_use_im_start_end"), std::string::npos)
      << complaint("LLaVA-tiny-v0");
}

TEST(Gguf, AModelOfGgufFilesIsNotWrittenAgain) {
  const fs::path files =
      converted(kFixtures / "llava/v15_original/model/llava-v1.5-tiny", GgufStorage::kF16);
  const auto family = families::load_family(files.string(), "", "", {});
  for (const std::string& message :
       {message_of<UnsupportedError>([&] { family->save(files / "other", {}); }),
        message_of<UnsupportedError>(
            [&] { family->save_gguf(files / "other", GgufStorage::kF16); })})
    EXPECT_NE(message.find("GGUF files"), std::string::npos) << message;
}

TEST(Gguf, ATensorThatIsMissingOrMisshapenIsNamedWithItsFile) {
  const fs::path files =
      converted(kFixtures / "llava/v15_original/model/llava-v1.5-tiny", GgufStorage::kF32);
  const auto good = formats::GgufFile::open(MappedFile::open(files / "model.gguf"));
  std::vector<formats::GgufEntry> entries;
  const auto copy = [&](const char* key, auto value) { entries.push_back({key, value}); };
  for (const auto& [key, value] : good.metadata()) {
    if (const auto* number = std::get_if<int64_t>(&value))
      copy(key.c_str(), static_cast<uint32_t>(*number));
    else if (const auto* real = std::get_if<double>(&value))
      copy(key.c_str(), static_cast<float>(*real));
    else if (const auto* flag = std::get_if<bool>(&value))
      copy(key.c_str(), *flag);
    else if (const auto* text = std::get_if<std::string>(&value))
      copy(key.c_str(), *text);
    else if (const auto* texts = std::get_if<std::vector<std::string>>(&value))
      copy(key.c_str(), *texts);
    else if (const auto* integers = std::get_if<std::vector<int64_t>>(&value))
      copy(key.c_str(), std::vector<int32_t>(integers->begin(), integers->end()));
    else if (const auto* numbers = std::get_if<std::vector<double>>(&value))
      copy(key.c_str(), std::vector<float>(numbers->begin(), numbers->end()));
  }
  std::vector<formats::GgufOutgoing> tensors;
  for (formats::RawTensor raw : good.tensors()) {
    if (raw.name == "blk.0.attn_q.weight") continue;
    if (raw.name == "blk.0.ffn_up.weight") raw.shape[0] -= 1;
    tensors.push_back({formats::outgoing(raw), formats::GgmlType::kF32});
  }
  const fs::path broken = files / "broken.gguf";
  formats::write_gguf(broken, entries, tensors);
  const std::string message =
      message_of<ModelError>([&] { families::load_family(broken.string(), "", "", {}); });
  EXPECT_NE(message.find("broken.gguf: blk.0.attn_q.weight is missing"), std::string::npos)
      << message;
  EXPECT_NE(message.find("broken.gguf: blk.0.ffn_up.weight is ["), std::string::npos) << message;
}

// ---- GPT-NeoX and MPT, as convert_hf_to_gguf.py writes them

// Rows head by head to queries, keys, values.
formats::RawTensor by_kind(formats::RawTensor raw, int64_t heads) {
  const int64_t rows = raw.shape[0], dims = rows / heads / 3, row = raw.strides[0];
  formats::RawTensor view = raw;
  view.shape = {3, heads, dims};
  view.strides = {dims * row, 3 * dims * row, row};
  view.shape.insert(view.shape.end(), raw.shape.begin() + 1, raw.shape.end());
  view.strides.insert(view.strides.end(), raw.strides.begin() + 1, raw.strides.end());
  return view;
}

std::vector<formats::GgufEntry> vocabulary(const fs::path& folder, int64_t rows) {
  const JsonView json = JsonView::load(folder / "tokenizer.json");
  std::vector<std::string> tokens(static_cast<size_t>(rows)), merges;
  std::vector<int32_t> types(tokens.size(), 5);
  const auto put = [&](int64_t id, const std::string& token, int32_t type) {
    tokens.at(static_cast<size_t>(id)) = token;
    types.at(static_cast<size_t>(id)) = type;
  };
  for (const auto& [token, id] : json.at("model").at("vocab").members())
    put(id.as_integer(), token, 1);
  for (const JsonView& token : json.at("added_tokens").elements())
    put(token.integer("id"), token.string("content"), token.boolean("special") ? 3 : 4);
  for (const JsonView& merge : json.at("model").at("merges").elements())
    merges.push_back(merge.is_string()
                         ? merge.as_string()
                         : merge.elements()[0].as_string() + " " + merge.elements()[1].as_string());
  for (size_t id = 0; id < tokens.size(); ++id)
    if (tokens[id].empty()) tokens[id] = "[PAD" + std::to_string(id) + "]";
  return {{"tokenizer.ggml.model", std::string("gpt2")},
          {"tokenizer.ggml.pre", std::string("olmo")},
          {"tokenizer.ggml.tokens", tokens},
          {"tokenizer.ggml.token_type", types},
          {"tokenizer.ggml.merges", merges},
          {"tokenizer.ggml.eos_token_id", uint32_t{0}}};
}

fs::path as_gguf(const fs::path& folder, std::vector<formats::GgufEntry> entries) {
  const JsonView config = JsonView::load(folder / "config.json");
  const std::string type = config.string("model_type");
  for (auto& entry : vocabulary(folder, config.integer("vocab_size")))
    entries.push_back(std::move(entry));
  const layout::DecoderNames names = layout::decoder_names(type, config);
  const formats::NameMap from = names.map(), to = layout::gguf_language_names(type);
  const auto checkpoint = formats::Checkpoint::open(folder);
  std::vector<formats::GgufOutgoing> tensors;
  for (const std::string& name : checkpoint.names()) {
    if (names.ignores(name)) continue;
    formats::RawTensor raw = checkpoint.at(name);
    auto out = formats::outgoing(raw);
    out.name = to.to_file(from.to_module(name)->name)->name;
    if (name.find(".query_key_value.") != std::string::npos)
      out.values = [raw, heads = config.integer("num_attention_heads")] {
        return by_kind(raw, heads);
      };
    tensors.push_back({out, formats::GgmlType::kF32});
  }
  const fs::path file = fresh_gguf_folder() / "model.gguf";
  formats::write_gguf(file, entries, tensors);
  return file;
}

void expect_same_answer(const fs::path& folder, const fs::path& file) {
  const Trace expected = traced_gguf(folder), found = traced_gguf(file);
  EXPECT_EQ(found.input_ids, expected.input_ids);
  EXPECT_EQ(found.output_ids, expected.output_ids);
  // The same products; a bias may be added in another place of the vector unit.
  EXPECT_TRUE(torch::allclose(*found.find("logits"), *expected.find("logits"), 1e-5, 1e-5));
}

std::vector<formats::GgufEntry> gpt_neox_entries(const fs::path& folder) {
  const JsonView json = JsonView::load(folder / "config.json");
  const auto size = [&](const char* key) { return static_cast<uint32_t>(json.integer(key)); };
  const double head = static_cast<double>(size("hidden_size") / size("num_attention_heads"));
  return {
      {"general.architecture", std::string("gptneox")},
      {"gptneox.context_length", size("max_position_embeddings")},
      {"gptneox.embedding_length", size("hidden_size")},
      {"gptneox.block_count", size("num_hidden_layers")},
      {"gptneox.feed_forward_length", size("intermediate_size")},
      {"gptneox.rope.dimension_count", static_cast<uint32_t>(json.number("rotary_pct") * head)},
      {"gptneox.attention.head_count", size("num_attention_heads")},
      {"gptneox.use_parallel_residual", json.boolean("use_parallel_residual")},
      {"gptneox.attention.layer_norm_epsilon", static_cast<float>(json.number("layer_norm_eps"))}};
}

TEST(Gguf, GptNeoxAnswersAsItsFolder) {
  for (const char* name : {"neox_rpj_every2", "neox_pythia_parallel"}) {
    const fs::path folder = kFixtures / "openflamingo" / name / "model/lm";
    expect_same_answer(folder, as_gguf(folder, gpt_neox_entries(folder)));
  }
}

TEST(Gguf, MptAnswersAsItsFolder) {
  const fs::path folder = kFixtures / "openflamingo/mpt7b_every1/model/lm";
  const JsonView json = JsonView::load(folder / "config.json");
  const auto size = [&](const char* key) { return static_cast<uint32_t>(json.integer(key)); };
  expect_same_answer(folder, as_gguf(folder, {{"general.architecture", std::string("mpt")},
                                              {"mpt.context_length", size("max_seq_len")},
                                              {"mpt.embedding_length", size("d_model")},
                                              {"mpt.block_count", size("n_layers")},
                                              {"mpt.feed_forward_length", 4 * size("d_model")},
                                              {"mpt.attention.head_count", size("n_heads")},
                                              {"mpt.attention.layer_norm_epsilon", 1e-5F},
                                              {"mpt.attention.max_alibi_bias", 8.0F}}));
}

}  // namespace
}  // namespace isthmus::engine
