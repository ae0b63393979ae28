#include "layout/gguf_model.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "error_message.h"
#include "formats/gguf_writer.h"
#include "hostile_files.h"
#include "isthmus/error.h"
#include "layout/describe_gguf.h"
#include "layout/describe_vocabulary.h"
#include "layout/gpt_neox_config.h"
#include "layout/llava_config.h"
#include "layout/mpt_config.h"
#include "made_tensor.h"

namespace isthmus::layout {
namespace {

namespace fs = std::filesystem;
using formats::GgufEntry;
using formats::GgufEntryValue;
using formats::GgufOutgoing;

GgufOutgoing zeros(const std::string& name, const Shape& shape) {
  return {made_tensor(name, shape, [](size_t) { return 0.0F; }), formats::GgmlType::kF32};
}

// Entries and tensors that tests change before they are written.
struct File {
  std::vector<GgufEntry> entries;
  std::vector<GgufOutgoing> tensors;

  void set(const std::string& key, GgufEntryValue value) {
    erase(key);
    entries.push_back({key, std::move(value)});
  }
  void erase(const std::string& key) {
    std::erase_if(entries, [&](const GgufEntry& entry) { return entry.key == key; });
  }
  void drop(const std::string& tensor) {
    std::erase_if(tensors, [&](const GgufOutgoing& t) { return t.tensor.name == tensor; });
  }
};

File llama_file() {
  File file;
  file.set("general.architecture", std::string("llama"));
  for (const auto& [key, value] :
       std::initializer_list<std::pair<const char*, uint32_t>>{{"context_length", 64},
                                                               {"embedding_length", 8},
                                                               {"block_count", 1},
                                                               {"feed_forward_length", 16},
                                                               {"attention.head_count", 2},
                                                               {"attention.head_count_kv", 1},
                                                               {"rope.dimension_count", 4}})
    file.set(std::string("llama.") + key, value);
  file.set("llama.attention.layer_norm_rms_epsilon", 1e-5F);
  file.tensors.push_back(zeros("token_embd.weight", {10, 8}));
  file.tensors.push_back(zeros("output_norm.weight", {8}));
  for (const auto& [name, shape] :
       std::initializer_list<std::pair<const char*, Shape>>{{"attn_norm", {8}},
                                                            {"attn_q", {8, 8}},
                                                            {"attn_k", {4, 8}},
                                                            {"attn_v", {4, 8}},
                                                            {"attn_output", {8, 8}},
                                                            {"ffn_norm", {8}},
                                                            {"ffn_gate", {16, 8}},
                                                            {"ffn_up", {16, 8}},
                                                            {"ffn_down", {8, 16}}})
    file.tensors.push_back(zeros(std::string("blk.0.") + name + ".weight", shape));
  return file;
}

File projector_file() {
  File file;
  file.set("general.architecture", std::string("clip"));
  file.set("clip.has_vision_encoder", true);
  file.set("clip.projector_type", std::string("mlp"));
  for (const auto& [key, value] :
       std::initializer_list<std::pair<const char*, uint32_t>>{{"image_size", 28},
                                                               {"patch_size", 14},
                                                               {"embedding_length", 12},
                                                               {"feed_forward_length", 20},
                                                               {"block_count", 3},
                                                               {"attention.head_count", 2}})
    file.set(std::string("clip.vision.") + key, value);
  file.set("clip.vision.attention.layer_norm_epsilon", 1e-5F);
  file.tensors.push_back(zeros("mm.0.weight", {8, 12}));
  file.tensors.push_back(zeros("mm.2.weight", {8, 8}));
  return file;
}

class Gguf : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::path(testing::TempDir()) /
              (std::string("isthmus_gguf_") +
               testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  fs::path put(const std::string& name, const File& file) {
    fs::remove(folder_ / name);  // whoever maps the last one keeps it
    formats::write_gguf(folder_ / name, file.entries, file.tensors);
    return folder_ / name;
  }
  GgufModel open(const File& file) { return GgufModel::open({put("model.gguf", file), {}}); }
  GgufModel open(const File& file, const File& projector) {
    return GgufModel::open({put("model.gguf", file), put("mmproj.gguf", projector)});
  }
  // The one line that a file with this change is refused with.
  std::string complaint(File file, const std::function<void(File&)>& change) {
    change(file);
    return message_of([&] { open(file); });
  }
  std::string projector_complaint(const std::function<void(File&)>& change) {
    File projector = projector_file();
    change(projector);
    return message_of([&] { open(llama_file(), projector); });
  }

  fs::path folder_;
};

void expect_parts(const std::string& message, std::initializer_list<const char*> parts) {
  for (const char* part : parts)
    EXPECT_NE(message.find(part), std::string::npos) << part << " in: " << message;
}

TEST_F(Gguf, LlamaIsSaidInTheWordsOfConfigJson) {
  const GgufModel model = open(llama_file());
  EXPECT_TRUE(model.is_llama());
  const LlavaConfig config = LlavaConfig::parse(model.config);
  EXPECT_FALSE(config.has_vision());
  EXPECT_EQ(config.text.vocab_size, 10);
  EXPECT_EQ(config.text.num_key_value_heads, 1);
  EXPECT_EQ(config.text.rope_layout, RopeLayout::kPairs);
  EXPECT_TRUE(config.text.tie_word_embeddings);  // there is no output.weight
  EXPECT_EQ(config.text.rope_theta, 10000);
  EXPECT_EQ(model.conversation_template, "vicuna_v1");
  const GgufDescription description = describe_gguf(model);
  const nlohmann::json json = to_json(description);
  EXPECT_EQ(json.at("template"), "vicuna_v1");
  EXPECT_TRUE(std::get<LlavaDescription>(description.of).problems.empty());
}

TEST_F(Gguf, AWindowMakesItMistral) {
  File file = llama_file();
  file.set("llama.attention.sliding_window", uint32_t{16});
  EXPECT_EQ(open(file).model_type, "mistral");
  EXPECT_EQ(LlavaConfig::parse(open(file).config).text.sliding_window, 16);
}

GgufOutgoing numbers(const std::string& name, const std::vector<float>& values) {
  GgufOutgoing outgoing = zeros(name, {static_cast<int64_t>(values.size())});
  outgoing.tensor.values = [name, values] {
    auto owner = std::make_shared<std::vector<float>>(values);
    formats::RawTensor raw;
    raw.name = name;
    raw.shape = {static_cast<int64_t>(values.size())};
    raw.strides = {1};
    raw.bytes = std::as_bytes(std::span(*owner));
    raw.owner = owner;
    return raw;
  };
  return outgoing;
}

TEST_F(Gguf, FrequenciesOfItsOwnAreAConfigsFactors) {
  File file = llama_file();
  file.tensors.push_back(numbers("rope_freqs.weight", {1, 7.5F}));
  const LlavaConfig config = LlavaConfig::parse(open(file).config);
  EXPECT_EQ(config.text.rope_frequency_factors, (std::vector<double>{1, 7.5}));
  EXPECT_TRUE(std::get<LlavaDescription>(describe_gguf(open(file)).of).problems.empty());
}

// The same keys below another prefix.
TEST_F(Gguf, Mistral3IsALlamaUnlessItScalesByThePosition) {
  File file = llama_file();
  for (GgufEntry& entry : file.entries)
    if (entry.key.starts_with("llama.")) entry.key.replace(0, 5, "mistral3");
  file.set("general.architecture", std::string("mistral3"));
  file.set("mistral3.attention.key_length", uint32_t{6});  // not embedding_length / head_count
  file.erase("mistral3.rope.dimension_count");
  EXPECT_EQ(LlavaConfig::parse(open(file).config).text.head_dim, 6);
  file.set("mistral3.attention.temperature_scale", 0.1F);
  expect_parts(message_of<UnsupportedError>([&] { open(file); }),
               {"model.gguf: mistral3.attention.temperature_scale"});
  file.erase("mistral3.attention.temperature_scale");
  file.set("mistral3.rope.scaling.type", std::string("yarn"));
  expect_parts(message_of<UnsupportedError>([&] { open(file); }),
               {"model.gguf: mistral3.rope.scaling.type: \"yarn\""});
}

TEST_F(Gguf, LinearScalingIsTheFactorWithOrWithoutAType) {
  File file = llama_file();
  file.set("llama.rope.scaling.factor", 4.0F);
  EXPECT_EQ(LlavaConfig::parse(open(file).config).text.rope_factor, 4);
  file.set("llama.rope.scaling.type", std::string("none"));
  EXPECT_EQ(LlavaConfig::parse(open(file).config).text.rope_scaling, RopeScaling::kNone);
}

TEST_F(Gguf, BrokenMetadataIsOneErrorThatNamesFileAndKey) {
  const auto with = [&](const std::string& key, GgufEntryValue value) {
    return complaint(llama_file(), [&](File& file) { file.set(key, std::move(value)); });
  };
  expect_parts(complaint(llama_file(), [](File& f) { f.erase("llama.block_count"); }),
               {"model.gguf", "llama.block_count is missing"});
  expect_parts(with("llama.block_count", std::string("two")),
               {"model.gguf: llama.block_count: found the text \"two\", expected a whole number"});
  expect_parts(with("llama.block_count", uint32_t{3}),
               {"llama.block_count: 3, but blk.1.attn_norm.weight is missing"});
  expect_parts(with("llama.embedding_length", uint32_t{16}),
               {"llama.embedding_length: 16, but token_embd.weight has rows of 8"});
  expect_parts(with("tokenizer.ggml.bos_token_id", uint32_t{10}),
               {"tokenizer.ggml.bos_token_id: 10, expected 0 to 9"});
  expect_parts(with("tokenizer.ggml.eot_token_id", uint32_t{10}),
               {"tokenizer.ggml.eot_token_id: 10, expected 0 to 9"});
  expect_parts(with("llama.rope.freq_base", NAN), {"llama.rope.freq_base: nan, expected a number"});
  expect_parts(with("llama.rope.scaling.type", std::string("li\nnear")),
               {"llama.rope.scaling.type: \"li?near\", expected a name"});
  expect_parts(with("general.architecture", std::string("\xff\n")),
               {"general.architecture: \"??\""});
  expect_parts(complaint(llama_file(),
                         [](File& f) {
                           f.drop("token_embd.weight");
                           f.tensors.push_back(zeros("token_embd.weight", {80}));
                         }),
               {"token_embd.weight is [80], expected 2 dimensions"});
  expect_parts(with("llama.attention.head_count", uint32_t{4000000000}),
               {"model.gguf", "llama.attention.head_count: 4000000000, expected 1 to"});
  expect_parts(with("llama.attention.head_count", uint32_t{3}),
               {"llama.attention.head_count: 3 does not divide llama.embedding_length (8)"});
  expect_parts(with("llama.attention.head_count_kv", uint32_t{5}), {"head_count_kv: 5"});
  expect_parts(with("llama.attention.layer_norm_rms_epsilon", 0.0F), {"layer_norm_rms_epsilon: 0"});
  expect_parts(with("general.architecture", std::string("qwen2")),
               {"general.architecture: \"qwen2\"", "llama, mistral3, gptneox, mpt"});
  expect_parts(with("llama.rope.scaling.type", std::string("yarn")),
               {"llama.rope.scaling.type: \"yarn\""});
  expect_parts(with("llama.rope.dimension_count", uint32_t{2}), {"rope.dimension_count"});
  expect_parts(with("llama.expert_count", uint32_t{8}), {"llama.expert_count", "mixtures"});
  expect_parts(with("split.count", uint32_t{3}), {"split.count", "llama-gguf-split"});
  expect_parts(with("isthmus.conversation_template", std::string("nonsense")),
               {"isthmus.conversation_template", "nonsense"});
  expect_parts(complaint(llama_file(), [](File& f) { f.drop("token_embd.weight"); }),
               {"model.gguf: the tensor token_embd.weight is missing"});
  expect_parts(complaint(llama_file(),
                         [](File& f) { f.tensors.push_back(zeros("rope_freqs.weight", {2})); }),
               {"rope_freqs.weight holds 0, expected numbers above 0"});
  expect_parts(complaint(llama_file(),
                         [](File& f) { f.tensors.push_back(zeros("rope_freqs.weight", {4})); }),
               {"rope_freqs.weight is float32 of [4], expected float32 of [2] (half a head)"});
  expect_parts(
      complaint(llama_file(),
                [](File& f) { f.tensors.push_back(zeros("rope_factors_long.weight", {2})); }),
      {"rope_factors_long.weight", "longrope"});
}

TEST_F(Gguf, BlocksThatNoKeyCountsAreNotSilentlyLeftOut) {
  expect_parts(
      complaint(llama_file(),
                [](File& f) { f.tensors.push_back(zeros("blk.1.attn_norm.weight", {8})); }),
      {"llama.block_count: 1, but blk.1.attn_norm.weight is there"});
}

// Ids that say "none" are none, in 32 bits or in 64.
TEST_F(Gguf, MinusOneIsNoId) {
  File file = llama_file();
  file.set("tokenizer.ggml.bos_token_id", uint32_t{0xffffffff});
  EXPECT_FALSE(open(file).config.contains("bos_token_id"));
}

TEST_F(Gguf, BrokenFilesAreDescribedOrRefused) {
  const auto describe = [&](GgufFiles files) {
    const GgufModel model = GgufModel::open(std::move(files));
    GgufDescription description = describe_gguf(model);
    description.show_picture(model, {640, 480});
    EXPECT_FALSE(to_text(description).empty());
    EXPECT_FALSE(to_json(description).dump().empty());
  };
  const auto text_of = [](const fs::path& file) {
    std::ifstream in(file, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(in), {});
  };
  const fs::path model = put("whole.gguf", llama_file()), eyes = put("eyes.gguf", projector_file());
  const fs::path broken = folder_ / "broken.gguf";
  const std::string good = text_of(model);
  const auto opened = formats::GgufFile::open(MappedFile::open(model));
  size_t data = 0;
  for (const auto& tensor : opened.tensors()) data += (tensor.bytes.size() + 31) / 32 * 32;
  attack(broken, good, good.size() - data, 2000, [&] { describe({broken, {}}); });
  const std::string good_eyes = text_of(eyes);
  attack(broken, good_eyes, good_eyes.size(), 2000, [&] { describe({model, broken}); });
}

TEST_F(Gguf, AProjectorMakesItALlava) {
  const GgufModel model = open(llama_file(), projector_file());
  const LlavaConfig config = LlavaConfig::parse(model.config);
  EXPECT_TRUE(config.has_vision());
  EXPECT_EQ(config.projector_name(), "mlp2x_gelu");
  EXPECT_EQ(config.select_layer, 3);  // a file that does not say ends with the features
  EXPECT_EQ(config.image_aspect_ratio, ImageAspectRatio::kPad);
  ASSERT_TRUE(model.tower);
  EXPECT_FALSE(model.tower->post_layernorm);
  EXPECT_EQ(model.tower->hidden_act, Activation::kQuickGelu);
}

TEST_F(Gguf, AProjectorSaysMoreWhereItCan) {
  File projector = projector_file();
  projector.set("clip.vision.feature_layer", std::vector<int32_t>{2});
  projector.set("clip.vision.image_aspect_ratio", std::string("square"));
  projector.set("clip.use_gelu", true);
  projector.drop("mm.2.weight");
  const GgufModel model = open(llama_file(), projector);
  const LlavaConfig config = LlavaConfig::parse(model.config);
  EXPECT_EQ(config.select_layer, 2);
  EXPECT_EQ(config.projector_name(), "linear");
  EXPECT_EQ(config.image_aspect_ratio, ImageAspectRatio::kCrop);
  EXPECT_EQ(model.tower->hidden_act, Activation::kGelu);
}

TEST_F(Gguf, BrokenProjectorsAreOneErrorThatNamesFileAndKey) {
  expect_parts(projector_complaint([](File& f) { f.erase("clip.vision.image_size"); }),
               {"mmproj.gguf: clip.vision.image_size is missing"});
  expect_parts(
      projector_complaint([](File& f) { f.set("clip.vision.attention.head_count", uint32_t{5}); }),
      {"mmproj.gguf: clip.vision.attention.head_count: 5 does not divide"});
  expect_parts(
      projector_complaint([](File& f) { f.set("clip.projector_type", std::string("ldp")); }),
      {"clip.projector_type: \"ldp\""});
  expect_parts(projector_complaint([](File& f) { f.drop("mm.0.weight"); }), {"mm.0.weight"});
  expect_parts(projector_complaint(
                   [](File& f) { f.set("clip.vision.feature_layer", std::vector<int32_t>{9}); }),
               {"clip.vision.feature_layer: 9"});
  expect_parts(
      projector_complaint([](File& f) { f.set("clip.vision.image_mean", std::vector<float>{1}); }),
      {"clip.vision.image_mean: 1 numbers, expected 3"});
  expect_parts(message_of<UsageError>([&] { open(llama_file(), llama_file()); }),
               {"--mmproj", "\"llama\""});
  expect_parts(message_of<UsageError>([&] { open(projector_file()); }), {"--mmproj"});
}

// The first converter called the first matrix of the feed-forward ffn_down.
TEST_F(Gguf, TheOldNamesOfTheFeedForwardAreToldByShape) {
  File old = projector_file(), current = projector_file();
  old.tensors.push_back(zeros("v.blk.0.ffn_down.weight", {20, 12}));
  current.tensors.push_back(zeros("v.blk.0.ffn_down.weight", {12, 20}));
  const auto module_of = [&](const File& projector) {
    return open(llama_file(), projector)
        .projector_names()
        .to_module("v.blk.0.ffn_down.weight")
        ->name;
  };
  EXPECT_EQ(module_of(old), "encoder.encoder.layers.0.mlp.fc1.weight");
  EXPECT_EQ(module_of(current), "encoder.encoder.layers.0.mlp.fc2.weight");
}

TEST_F(Gguf, AVocabularyAloneIsDescribedAndAnswersNothing) {
  File file;
  file.set("general.architecture", std::string("llama"));
  file.set("tokenizer.ggml.model", std::string("gpt2"));
  file.set("tokenizer.ggml.pre", std::string("llama-bpe"));
  file.set("tokenizer.ggml.tokens",
           std::vector<std::string>{"<|begin|>", "<|end|>", "a", "b", "ab"});
  file.set("tokenizer.ggml.token_type", std::vector<int32_t>{3, 3, 1, 1, 1});
  file.set("tokenizer.ggml.merges", std::vector<std::string>{"a b"});
  file.set("tokenizer.ggml.bos_token_id", uint32_t{0});
  file.set("tokenizer.ggml.eos_token_id", uint32_t{1});
  const fs::path path = put("words.gguf", file);
  const auto opened = formats::GgufFile::open(MappedFile::open(path));
  ASSERT_TRUE(is_vocabulary(opened));
  const VocabularyDescription description = describe_vocabulary(opened);
  EXPECT_EQ(to_text(description),
            "words: a vocabulary for llama, no weights\n\n"
            "kind     BPE of bytes, words cut as llama-bpe\n"
            "tokens   5: 3 normal, 2 control\n"
            "merges   1\n"
            "bos      0 <|begin|>\n"
            "eos      1 <|end|>\n"
            "before a text stands <|begin|>, behind it nothing\n");
  EXPECT_EQ(to_json(description).at("tokenizer").at("types").at("control"), 2);
  expect_parts(message_of<ModelError>([&] {
                 GgufModel::open({path, {}});
               }),
               {"words.gguf: holds no tensors; a vocabulary alone gives no answers"});
}

TEST_F(Gguf, AFolderHoldsOneModelAndAtMostOneProjector) {
  EXPECT_FALSE(is_gguf(folder_));
  put("a.gguf", llama_file());
  put("b.gguf", projector_file());
  EXPECT_TRUE(is_gguf(folder_));
  EXPECT_TRUE(is_gguf(folder_ / "a.gguf"));
  const GgufFiles files = find_gguf(folder_, {});
  EXPECT_EQ(files.model.filename(), "a.gguf");
  EXPECT_EQ(files.projector.filename(), "b.gguf");
  EXPECT_EQ(find_gguf(folder_ / "a.gguf", {}).projector, "");
  EXPECT_EQ(find_gguf(folder_ / "a.gguf", folder_ / "b.gguf").projector.filename(), "b.gguf");
  put("c.gguf", llama_file());
  expect_parts(message_of<ModelError>([&] { find_gguf(folder_, {}); }), {"a.gguf, c.gguf"});
}

TEST_F(Gguf, GptNeoxAndMptAreSaidInTheirOwnWords) {
  File file;
  file.set("general.architecture", std::string("gptneox"));
  for (const auto& [key, value] :
       std::initializer_list<std::pair<const char*, uint32_t>>{{"context_length", 64},
                                                               {"embedding_length", 160},
                                                               {"block_count", 1},
                                                               {"feed_forward_length", 640},
                                                               {"attention.head_count", 2},
                                                               {"rope.dimension_count", 24}})
    file.set(std::string("gptneox.") + key, value);
  file.set("gptneox.attention.layer_norm_epsilon", 1e-5F);
  file.set("gptneox.use_parallel_residual", false);
  file.tensors = {zeros("token_embd.weight", {10, 160}), zeros("output.weight", {10, 160}),
                  zeros("blk.0.attn_norm.weight", {160})};
  const GgufModel neox = open(file);
  EXPECT_EQ(neox.model_type, "gpt_neox");
  const GptNeoxConfig config = GptNeoxConfig::parse(neox.config);
  EXPECT_EQ(config.rotary_dims, 24);
  EXPECT_EQ(config.qkv_layout, QkvLayout::kByKind);
  EXPECT_FALSE(config.use_parallel_residual);

  File other;
  other.set("general.architecture", std::string("mpt"));
  for (const auto& [key, value] :
       std::initializer_list<std::pair<const char*, uint32_t>>{{"context_length", 64},
                                                               {"embedding_length", 8},
                                                               {"block_count", 1},
                                                               {"feed_forward_length", 32},
                                                               {"attention.head_count", 2}})
    other.set(std::string("mpt.") + key, value);
  other.set("mpt.attention.layer_norm_epsilon", 1e-5F);
  other.set("mpt.attention.max_alibi_bias", 8.0F);
  other.set("mpt.attention.clamp_kqv", 6.0F);
  other.tensors = {zeros("token_embd.weight", {10, 8}), zeros("blk.0.attn_norm.weight", {8})};
  const MptConfig mpt = MptConfig::parse(open(other).config);
  EXPECT_TRUE(mpt.alibi);
  EXPECT_EQ(mpt.clip_qkv, 6);
  EXPECT_TRUE(mpt.tie_word_embeddings);
  EXPECT_FALSE(mpt.bias);
}

}  // namespace
}  // namespace isthmus::layout
