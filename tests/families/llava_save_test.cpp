// What is saved of a LLaVA is what the original code saves, and loads again as it was.
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/json_view.h"
#include "base/ordered_json.h"
#include "error_message.h"
#include "families/llava/llava.h"
#include "families/registry.h"
#include "layout/llava_folder.h"
#include "nn/linear.h"
#include "nn/slots.h"
#include "saved_files.h"

namespace isthmus::families {
namespace {

namespace fs = std::filesystem;
using isthmus::testing::expect_same_tensors;
using isthmus::testing::float_tensor;
using isthmus::testing::fresh_folder;
using isthmus::testing::structure_of;
using torch::Tensor;

const fs::path kAdapters = fs::path(ISTHMUS_FIXTURES) / "llava/adapters/model";
const fs::path kProjector = kAdapters / "llava-tiny-pretrain";
const fs::path kLora = kAdapters / "llava-v1.5-tiny-lora";
const fs::path kBase = kAdapters / "vicuna-tiny";
const fs::path kFull = fs::path(ISTHMUS_FIXTURES) / "llava/v15_original/model/llava-v1.5-tiny";

std::shared_ptr<Family> load_llava(const fs::path& model, const fs::path& base = {},
                                   bool merge_lora = false) {
  LoadOptions options;
  options.merge_lora = merge_lora;
  options.vision = kAdapters / "openai/clip-tiny-patch14-56";
  if (model.string().find("v15_original") != std::string::npos || base.empty())
    options.vision.clear();
  return load_family(model.string(), base.string(), "", options);
}

nn::LinearImpl& linear(Family& family, const std::string& path) {
  return dynamic_cast<nn::LinearImpl&>(*nn::find_module(family.modules(), path));
}

// As a step of training leaves it: float32, and different.
void train(Family& family, const std::string& path) {
  nn::LinearImpl& layer = linear(family, path);
  layer.make_trainable();
  const torch::NoGradGuard no_gradient;
  for (Tensor parameter : layer.parameters(/*recurse=*/false)) parameter.add_(0.25);
}

void expect_same_slots(Family& a, Family& b) {
  const auto left = nn::slots_of(a.modules()), right = nn::slots_of(b.modules());
  ASSERT_EQ(left.size(), right.size());
  for (size_t i = 0; i < left.size(); ++i) {
    EXPECT_EQ(left[i].name, right[i].name);
    EXPECT_TRUE(torch::equal(left[i].value(), right[i].value())) << left[i].name;
  }
}

std::set<std::string> keys_of(const fs::path& json) {
  std::set<std::string> keys;
  for (const auto& [key, value] : JsonView::load(json).members()) keys.insert(key);
  return keys;
}

void expect_says_as_much(const fs::path& got, const fs::path& want) {
  const auto keys = keys_of(got);
  for (const std::string& key : keys_of(want)) EXPECT_TRUE(keys.contains(key)) << key;
}

TEST(LlavaSave, ProjectorAloneHasThePublishedNamesTypesAndValues) {
  const fs::path out = fresh_folder();
  const auto family = load_llava(kProjector, kBase);
  family->save(out, {});
  expect_same_tensors(out / "mm_projector.bin", kProjector / "mm_projector.bin");
  expect_says_as_much(out / "config.json", kProjector / "config.json");
  EXPECT_EQ(JsonView::load(out / "config.json").boolean("tune_mm_mlp_adapter"), true);
  const auto again = load_llava(out, kBase);
  expect_same_slots(*family, *again);
}

TEST(LlavaSave, TrainedProjectorComesBackBitForBit) {
  const fs::path out = fresh_folder();
  const auto family = load_llava(kProjector, kBase);
  for (const char* layer : {"aligner.projector.0", "aligner.projector.2"}) train(*family, layer);
  family->save(out, {.dtype = "f32"});
  const auto again = load_llava(out, kBase);
  expect_same_slots(*family, *again);
  EXPECT_EQ(structure_of(out / "mm_projector.bin").at("model.mm_projector.0.bias"), "[56] float32");
}

TEST(LlavaSave, AdapterHasThePublishedNamesTypesAndValues) {
  const fs::path out = fresh_folder();
  const auto family = load_llava(kLora, kBase);
  family->save(out, {.dtype = "f16", .lora_dropout = 0.05});
  expect_same_tensors(out / "adapter_model.safetensors", kLora / "adapter_model.bin");
  expect_same_tensors(out / "non_lora_trainables.bin", kLora / "non_lora_trainables.bin");
  expect_says_as_much(out / "config.json", kLora / "config.json");
  const nlohmann::json saved = JsonView::load(out / "adapter_config.json").raw();
  nlohmann::json original = JsonView::load(kLora / "adapter_config.json").raw();
  std::sort(original["target_modules"].begin(), original["target_modules"].end());
  EXPECT_EQ(saved, original);
  const auto again = load_llava(out, kBase);
  expect_same_slots(*family, *again);
}

TEST(LlavaSave, WhatWasTrainedBesideAnAdapterStandsWithTheProjector) {
  const fs::path out = fresh_folder();
  const auto family = load_llava(kLora, kBase);
  train(*family, "decoder.lm_head");
  train(*family, "decoder.layers.0.self_attn.q_proj.lora_A");
  family->save(out, {.dtype = "f32"});
  EXPECT_TRUE(
      structure_of(out / "non_lora_trainables.bin").contains("base_model.model.lm_head.weight"));
  const auto again = load_llava(out, kBase);
  expect_same_slots(*family, *again);
}

TEST(LlavaSave, FoldedAdapterIsWhatMergingOnLoadGives) {
  const fs::path out = fresh_folder();
  load_llava(kLora, kBase)->save(out, {.form = OutputForm::kFull, .dtype = "stored"});
  const auto folded = load_llava(out), merged = load_llava(kLora, kBase, /*merge_lora=*/true);
  expect_same_slots(*folded, *merged);
  EXPECT_EQ(layout::LlavaFolder::open(out).contents, layout::FolderContents::kFullModel);
  for (const char* file : {"tokenizer.model", "tokenizer_config.json", "special_tokens_map.json",
                           "pytorch_model-00001-of-00002.bin", "pytorch_model.bin.index.json"})
    EXPECT_TRUE(fs::exists(out / file)) << file;
}

TEST(LlavaSave, AdapterThatWasMergedOnLoadIsNotLost) {
  const fs::path out = fresh_folder();
  const auto merged = load_llava(kLora, kBase, /*merge_lora=*/true);
  EXPECT_NE(message_of<UsageError>([&] {
              merged->save(out, {.form = OutputForm::kProjector});
            }).find("would lose the adapter"),
            std::string::npos);
  merged->save(out, {.dtype = "stored"});
  const auto again = load_llava(out);
  expect_same_slots(*merged, *again);
}

TEST(LlavaSave, FullModelKeepsShardsAndGrowsByTheProjector) {
  const fs::path out = fresh_folder();
  const auto family = load_llava(kProjector, kBase);
  family->save(out, {.form = OutputForm::kFull, .dtype = "f32"});
  auto expected = structure_of(kBase);
  expected.merge(structure_of(kProjector / "mm_projector.bin"));
  for (auto& [name, what] : expected) what = what.substr(0, what.find(']') + 1) + " float32";
  EXPECT_EQ(structure_of(out / "pytorch_model.bin.index.json"), expected);
  const auto config = JsonView::load(out / "config.json");
  EXPECT_EQ(config.string("torch_dtype"), "float32");
  EXPECT_EQ(config.string("model_type"), "llava_llama");
  EXPECT_EQ(config.boolean("tune_mm_mlp_adapter"), false);
  const auto again = load_llava(out);
  expect_same_slots(*family, *again);
}

TEST(LlavaSave, FullModelWithoutTrainingIsThePublishedOne) {
  const fs::path out = fresh_folder();
  load_llava(kFull)->save(out, {.form = OutputForm::kFull, .dtype = "stored"});
  expect_same_tensors(out, kFull);
  expect_says_as_much(out / "config.json", kFull / "config.json");
  for (const auto& entry : fs::directory_iterator(kFull))
    EXPECT_TRUE(fs::exists(out / entry.path().filename())) << entry.path();
}

TEST(LlavaSave, TrainedTowerStandsInTheModel) {
  const fs::path out = fresh_folder();
  const auto family = load_llava(kFull);
  train(*family, "encoder.encoder.layers.0.mlp.fc1");
  train(*family, "decoder.layers.1.mlp.down_proj");
  family->save(out, {.dtype = "f32"});
  EXPECT_TRUE(JsonView::load(out / "config.json").boolean("unfreeze_mm_vision_tower"));
  EXPECT_TRUE(structure_of(out).contains(
      "model.vision_tower.vision_tower.vision_model.encoder.layers.0.mlp.fc1.weight"));
  const auto again = load_llava(out);
  expect_same_slots(*family, *again);
}

TEST(LlavaSave, FrozenWeightsInFewBitsAreSavedAsTheirFilesHoldThem) {
  const fs::path out = fresh_folder();
  LoadOptions options;
  options.decoder_storage = "bf16";
  const auto family = load_family(kFull.string(), "", "", options);
  train(*family, "aligner.projector.0");
  family->save(out, {.form = OutputForm::kFull, .dtype = "stored"});
  const std::string frozen = "model.layers.0.self_attn.q_proj.weight";
  EXPECT_TRUE(torch::equal(float_tensor(out, frozen), float_tensor(kFull, frozen)));
}

TEST(LlavaSave, HuggingFaceLayoutIsKept) {
  const fs::path model = fs::path(ISTHMUS_FIXTURES) / "llava/hf_llava15/model/llava-1.5-tiny-hf";
  const fs::path out = fresh_folder();
  const auto family = load_family(model.string(), "", "", {});
  family->save(out, {.dtype = "stored"});
  expect_same_tensors(out, model);
  for (const auto& entry : fs::directory_iterator(model))
    EXPECT_TRUE(fs::exists(out / entry.path().filename())) << entry.path();
  EXPECT_NE(message_of<UsageError>([&] {
              family->save(out, {.form = OutputForm::kProjector});
            }).find("saved whole"),
            std::string::npos);
}

TEST(LlavaSave, FormsThatWouldLoseSomethingAreRefused) {
  const fs::path out = fresh_folder();
  const auto family = load_llava(kProjector, kBase);
  train(*family, "decoder.layers.0.self_attn.k_proj");
  EXPECT_NE(message_of<UsageError>([&] {
              family->save(out, {.form = OutputForm::kProjector});
            }).find("decoder.layers.0.self_attn.k_proj.weight"),
            std::string::npos);
  EXPECT_NE(message_of<UsageError>([&] {
              family->save(out, {.form = OutputForm::kLora});
            }).find("no low-rank branch"),
            std::string::npos);
  EXPECT_NE(message_of<UsageError>([&] { family->save(out, {.dtype = "f8"}); }).find("f8"),
            std::string::npos);
  EXPECT_TRUE(fs::is_empty(out));
}

TEST(LlavaSave, WeightsOfAnotherKindAreNotShadowed) {
  const fs::path out = fresh_folder();
  const auto family = load_llava(kProjector, kBase);
  family->save(out, {});
  EXPECT_NE(message_of<UsageError>([&] {
              family->save(out, {.form = OutputForm::kFull});
            }).find("mm_projector.bin"),
            std::string::npos);
  family->save(out, {});  // the same again replaces it
  EXPECT_EQ(std::distance(fs::directory_iterator(out), {}), 2);
}

}  // namespace
}  // namespace isthmus::families
