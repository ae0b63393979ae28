// OneLLM's files, names and shape.
#include <algorithm>
#include <fstream>
#include <map>
#include <set>

#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "formats/npy.h"
#include "isthmus/error.h"
#include "layout/describe_onellm.h"
#include "layout/onellm_folder.h"
#include "layout/onellm_model.h"
#include "layout/onellm_module_tree.h"
#include "layout/onellm_pieces.h"
#include "layout/onellm_routing.h"

namespace isthmus::layout {
namespace {

namespace fs = std::filesystem;

const ModelLocator kNowhere{};

OneLlmModel open(const fs::path& path, const std::string& base = "") {
  return OneLlmModel::open(find_onellm(path, base, kNowhere));
}

template <typename Wanted, typename Body>
void expect_error(const std::vector<std::string>& parts, const Body& body) {
  try {
    body();
    FAIL() << "no error";
  } catch (const Wanted& error) {
    for (const std::string& part : parts)
      EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
  }
}

// The published 7B, which no json beside it describes but for its language model.
OneLlmConfig published_7b() {
  OneLlmConfig c{};
  c.language.hidden_size = 4096;
  c.language.intermediate_size = 11008;
  c.language.num_hidden_layers = 32;
  c.language.num_attention_heads = c.language.num_key_value_heads = 32;
  c.language.head_dim = 128;
  c.language.vocab_size = 32000;
  c.encoder = {1024, 24, 16, 4096, 224, 14};
  c.projection = {1024, 4096, {"0", "1", "2"}, 8, 16, 2816, 1e-5};
  c.leftovers = {49408, 768, 77, 768};
  const auto add = [&](const char* key, TokenizerKind kind, int64_t channels, Shape kernel,
                       Shape stride, bool bias, int64_t tokens) {
    ModalityConfig m{};
    m.key = key;
    m.name = request_name(key);
    m.tokenizer = kind;
    m.channels = channels;
    m.kernel = std::move(kernel);
    m.stride = std::move(stride);
    m.bias = bias;
    m.num_tokens = tokens;
    m.resample_tokens = 30;
    m.router_hidden = 4096;
    c.modalities.push_back(std::move(m));
  };
  add("image", TokenizerKind::kVisionPatches, 3, {}, {}, false, 256);
  add("video", TokenizerKind::kVisionPatches, 3, {}, {}, false, 256);
  add("audio", TokenizerKind::kPatchConv, 1, {16, 16}, {10, 10}, true, 1212);
  add("point", TokenizerKind::kPointGroups, 6, {}, {}, true, 1024);
  add("rgbd", TokenizerKind::kVisionPatches, 3, {}, {}, false, 256);
  add("rgbn", TokenizerKind::kVisionPatches, 3, {}, {}, false, 256);
  add("fmri", TokenizerKind::kLinear, 15724, {}, {}, true, 8);
  add("imu", TokenizerKind::kPatchConv, 6, {10}, {1}, false, 391);
  return c;
}

TEST(OneLlmTree, HasThePublishedKeysAndShapes) {
  std::map<std::string, std::string> expected, found;
  std::ifstream list(onellm_case("keys_7b.tsv"));
  for (std::string name, shape; list >> name >> shape;) expected[name] = shape;
  int64_t total = 0;
  for (const auto& parameter : named_parameters(onellm_module_tree(published_7b()))) {
    found[parameter.name] =
        parameter.shape.empty() ? "scalar" : fmt::format("{}", fmt::join(parameter.shape, "x"));
    total += *num_elements(parameter.shape);
  }
  EXPECT_EQ(expected.size(), 940u);
  EXPECT_EQ(found, expected);
  EXPECT_EQ(total, 7'597'224'217);
}

TEST(OneLlmTree, PrintsThePublishedModelAsTheReferenceDoes) {
  std::string expected = text_of(onellm_case("model_repr_7b.txt"));
  // It was printed without the weights in memory.
  for (size_t at; (at = expected.find("torch.meta.")) != std::string::npos;)
    expected.replace(at, std::string_view("torch.meta.").size(), "torch.");
  while (expected.ends_with('\n')) expected.pop_back();
  EXPECT_EQ(to_string(onellm_module_tree(published_7b())), expected);
}

TEST(OneLlmTree, PrintsTheTinyModelAsTheReferenceDoes) {
  std::string expected = text_of(onellm_case() / "expect" / "model_repr.txt");
  while (expected.ends_with('\n')) expected.pop_back();
  EXPECT_EQ(to_string(open(onellm_case() / "model").module_tree()), expected);
}

TEST(OneLlmTree, HoldsWhatTheFileHolds) {
  std::set<std::pair<std::string, Shape>> expected, stored;
  for (const auto& p : named_parameters(open(onellm_case() / "model").module_tree()))
    expected.insert({p.name, p.shape});
  for (const auto& tensor : tensors_of(tiny_onellm())) stored.insert({tensor.name, tensor.shape});
  EXPECT_EQ(expected, stored);
}

TEST(OneLlmConfig, FollowsFromTheShapes) {
  const OneLlmConfig c = open(onellm_case() / "model").config;
  EXPECT_EQ(c.language.hidden_size, 88);
  EXPECT_EQ(c.language.num_attention_heads, 4);
  EXPECT_EQ(c.language.intermediate_size, 256);
  EXPECT_EQ(c.language.rope_layout, RopeLayout::kPairs);
  EXPECT_EQ(c.encoder.width, 48);
  EXPECT_EQ(c.encoder.image_size, 56);
  EXPECT_EQ(c.projection.experts.size(), 3u);
  EXPECT_EQ(c.projection.layers, 2);
  EXPECT_EQ(c.projection.heads, 6);
  std::vector<std::string> names;
  for (const ModalityConfig& m : c.modalities) names.push_back(m.name);
  EXPECT_EQ(names, (std::vector<std::string>{"image", "video", "audio", "points", "depth", "normal",
                                             "fmri", "imu"}));
  const auto& audio = find_modality(c.modalities, "audio", "test");
  EXPECT_EQ(audio.window, (Shape{128, 1024}));
  EXPECT_EQ(audio.num_tokens, 1212);
  const auto& imu = find_modality(c.modalities, "imu", "test");
  EXPECT_EQ(imu.window, (Shape{400}));
  EXPECT_FALSE(imu.bias);
  EXPECT_EQ(find_modality(c.modalities, "points", "test").group_size, 16);
  expect_error<UnsupportedError>({"smell.bin", "text, image, video", "not smell"},
                                 [&] { find_modality(c.modalities, "smell", "smell.bin"); });
}

TEST(OneLlmFolder, OneFileOrAllFilesOfItsFamily) {
  EXPECT_TRUE(is_onellm(onellm_case() / "model"));
  EXPECT_TRUE(is_onellm(onellm_case() / "model" / "consolidated.00-of-01.pth"));
  EXPECT_FALSE(is_onellm(onellm_case()));
  const auto parts = onellm_in_parts("onellm_parts", 3);
  for (const fs::path& model : {parts, parts / "consolidated.00-of-01.s1.pth"}) {
    const OneLlmSources sources = find_onellm(model, "", kNowhere);
    ASSERT_EQ(sources.weights.size(), 1u);
    EXPECT_EQ(sources.weights[0].size(), 3u);
  }
  fs::remove(parts / "consolidated.00-of-01.s1.pth");
  expect_error<ModelError>({"missing beside", "consolidated.00-of-01.s1.pth"},
                           [&] { find_onellm(parts, "", kNowhere); });
}

TEST(OneLlmFolder, RanksJoinToTheWholeTensors) {
  const auto folder = onellm_in_ranks("onellm_ranks", 2);
  const OneLlmModel joined = open(folder / "consolidated.01-of-02.pth");
  const auto whole = tiny_onellm();
  for (const std::string& name : whole.names()) {
    const auto& found = joined.checkpoints.front().at(name);
    EXPECT_EQ(found.shape, whole.at(name).shape) << name;
    EXPECT_EQ(formats::to_contiguous(found), formats::to_contiguous(whole.at(name))) << name;
  }
  fs::remove(folder / "consolidated.01-of-02.pth");
  expect_error<ModelError>({"consolidated.01-of-02.pth"},
                           [&] { find_onellm(folder, "", kNowhere); });
}

TEST(OneLlmFolder, ALlamaInMetasFilesIsALanguageModelAlone) {
  const OneLlmModel llama = open(onellm_llama("onellm_llama"));
  EXPECT_TRUE(llama.config.is_language_model());
  EXPECT_EQ(llama.config.language.num_hidden_layers, 3);
}

TEST(OneLlmFolder, ALlamaGoesUnderACheckpointWithoutOne) {
  const auto top = onellm_changed("onellm_top", [](formats::RawTensor t) {
    const bool language = t.name.starts_with("llma.layers.") ||
                          t.name.starts_with("llma.tok_embeddings.") ||
                          t.name.starts_with("llma.norm.") || t.name.starts_with("llma.output.");
    return language ? std::nullopt : std::optional(std::move(t));
  });
  expect_error<ModelError>({"llma.tok_embeddings.weight is missing"}, [&] { open(top); });
  const OneLlmModel model = open(top, onellm_llama("onellm_base").string());
  EXPECT_EQ(model.config.language.hidden_size, 88);
  EXPECT_EQ(model.config.modalities.size(), 8u);
}

TEST(OneLlmConfig, ParamsOfAnotherSizeAreRefused) {
  const auto folder = onellm_in_parts("onellm_params", 1);
  std::ofstream(folder / "params.json") << R"({"dim": 96, "n_heads": 4, "norm_eps": 1e-5})";
  expect_error<ModelError>({"params.json: dim", "96", "88"}, [&] { open(folder); });
  fs::remove(folder / "params.json");
  expect_error<ModelError>({"params.json"}, [&] { open(folder); });
}

TEST(OneLlmConfig, OptionsThatContradictTheShapesAreRefused) {
  const auto folder = onellm_in_parts("onellm_options", 1);
  std::ofstream(folder / "onellm.json") << R"({"num_experts": 4, "resampler_heads": 6})";
  expect_error<ModelError>({"onellm.json", "num_experts", "is 4", "has 3"}, [&] { open(folder); });
  std::ofstream(folder / "onellm.json") << R"({"resampler_heads": 6, "point_metric": "smell"})";
  expect_error<ModelError>({"point_metric", "smell", "colour or position"}, [&] { open(folder); });
  std::ofstream(folder / "onellm.json") << R"({"resampler_heads": 6, "point_metric": "position"})";
  EXPECT_EQ(find_modality(open(folder).config.modalities, "points", "test").metric,
            modalities::PointMetric::kPosition);
  std::ofstream(folder / "onellm.json") << R"({"experts": 3})";
  expect_error<ModelError>({"experts", "unknown key"}, [&] { open(folder); });
  std::ofstream(folder / "onellm.json")
      << R"({"resampler_heads": 6, "modalities": [{"name": "ecg", "reader": "csv"}]})";
  expect_error<ModelError>({"ecg", "there are no tensors"}, [&] { open(folder); });
}

TEST(OneLlmConfig, AModalityNobodyKnowsNeedsAnEntry) {
  const auto whole = tiny_onellm();
  formats::RawTensor tokens = whole.at("llma.resample_tokens.imu");
  tokens.name = "llma.resample_tokens.ecg";
  const auto folder = onellm_changed(
      "onellm_unknown", [](formats::RawTensor t) { return std::optional(std::move(t)); }, {tokens});
  expect_error<ModelError>({"\"ecg\"", "onellm.json"}, [&] { open(folder); });
}

TEST(DescribeOneLlm, TellsPartsTokensAndExperts) {
  const OneLlmModel model = open(onellm_case() / "model");
  const OneLlmDescription d = describe_onellm(model);
  EXPECT_EQ(d.num_problems, 0);
  EXPECT_EQ(d.parts.size(), 6u);
  ASSERT_EQ(d.modalities.size(), 8u);
  const ModalityDescription& audio = d.modalities[2];
  EXPECT_EQ(audio.tokenizer, "conv2d 16x16, stride 10x10");
  EXPECT_EQ(audio.input, "[1, 128, 1024]");
  EXPECT_EQ(audio.frame_tokens, 1213);
  EXPECT_EQ(audio.sequence_rows, 8);
  double sum = 0;
  for (const ExpertShare& share : audio.experts) sum += share.mean;
  EXPECT_NEAR(sum, 1, 1e-5);
  const std::string text = to_text(d);
  EXPECT_NE(text.find("audio"), std::string::npos);
  EXPECT_NE(text.find("what each expert counts"), std::string::npos);
  EXPECT_EQ(to_json(d)["modalities"][2]["encoder_tokens"], 1213);
}

TEST(OneLlmRouting, IsWhatTheReferenceComputes) {
  const OneLlmModel model = open(onellm_case() / "model");
  const auto expected =
      formats::to_floats(formats::read_npy(onellm_case() / "expect" / "audio.router_weights.npy"));
  const auto found = routing_weights(model.tensors, "audio");
  ASSERT_EQ(found.size() * found.front().size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i) EXPECT_NEAR(found[i / 3][i % 3], expected[i], 2e-4);
}

}  // namespace
}  // namespace isthmus::layout
