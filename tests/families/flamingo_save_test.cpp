// What is saved of a Flamingo is what OpenFlamingo's training saves.
#include <gtest/gtest.h>

#include "error_message.h"
#include "families/flamingo/load.h"
#include "families/registry.h"
#include "formats/checkpoint.h"
#include "layout/flamingo_names.h"
#include "nn/embedding.h"
#include "nn/linear.h"
#include "nn/slots.h"
#include "saved_files.h"

namespace isthmus::families {
namespace {

namespace fs = std::filesystem;
using isthmus::testing::expect_same_tensors;
using isthmus::testing::fresh_folder;
using isthmus::testing::Structure;
using isthmus::testing::structure_of;
using torch::Tensor;

fs::path model_of(const std::string& name) {
  return fs::path(ISTHMUS_FIXTURES) / "openflamingo" / name / "model";
}

std::shared_ptr<Family> load_flamingo(const fs::path& model) {
  return load_family(model.string(), "", "", {});
}

class FlamingoSave : public ::testing::TestWithParam<const char*> {};

TEST_P(FlamingoSave, HasThePublishedNamesTypesAndValues) {
  const fs::path out = fresh_folder(), model = model_of(GetParam());
  const auto family = load_flamingo(model);
  family->save(out, {});
  expect_same_tensors(out / "checkpoint.pt", model / "checkpoint.pt");
  const auto again = load_flamingo(out);
  const auto left = nn::slots_of(family->modules()), right = nn::slots_of(again->modules());
  ASSERT_EQ(left.size(), right.size());
  for (size_t i = 0; i < left.size(); ++i)
    EXPECT_TRUE(torch::equal(left[i].value(), right[i].value())) << left[i].name;
}

// A model nobody has trained yet: the names come from the program, not from a file.
TEST_P(FlamingoSave, NamesOfANewModelAreThePublishedOnes) {
  const fs::path out = fresh_folder(), model = model_of(GetParam());
  auto sources = layout::find_flamingo(model, {}, layout::ModelLocator::from_environment());
  sources.cross_attn_every_n_layers =
      layout::FlamingoConfig::read(formats::Checkpoint::open(sources.checkpoint))
          .cross_attn_every_n_layers;
  sources.checkpoint.clear();
  flamingo::load(sources, {})->save(out, {});
  // The fixtures' resamplers have fewer layers than the reference makes by itself; and which
  // buffers a language model registers depends on the version of its code.
  const auto names = [](const fs::path& file) {
    std::set<std::string> found;
    for (const auto& [name, what] : structure_of(file))
      if (!name.starts_with("perceiver.layers") && !layout::is_flamingo_buffer(name))
        found.insert(name);
    return found;
  };
  EXPECT_EQ(names(out / "checkpoint.pt"), names(model / "checkpoint.pt"));
}

INSTANTIATE_TEST_SUITE_P(All, FlamingoSave,
                         ::testing::Values("mpt1b_mosaic_every1", "mpt7b_every1", "neox_rpj_every2",
                                           "neox_pythia_parallel", "opt_every2"),
                         [](const auto& test) { return std::string(test.param); });

TEST(FlamingoSaveForms, TrainingStateIsWrappedAndPrefixed) {
  const fs::path out = fresh_folder(), model = model_of("mpt7b_every1");
  load_flamingo(model)->save(out, {.as_training_state = true});
  const auto saved = formats::Checkpoint::open(out / "checkpoint.pt");
  EXPECT_EQ(saved.shards().front().layout.wrappers, std::vector<std::string>{"model_state_dict"});
  EXPECT_EQ(saved.shards().front().layout.prefix, "module.");
  expect_same_tensors(out / "checkpoint.pt", model / "checkpoint.pt");
  EXPECT_NE(load_flamingo(out), nullptr);
}

TEST(FlamingoSaveForms, WhatWasTrainedComesBackBitForBit) {
  const fs::path out = fresh_folder();
  const auto family = load_flamingo(model_of("neox_rpj_every2"));
  auto& embedding =
      dynamic_cast<nn::EmbeddingImpl&>(*nn::find_module(family->modules(), "decoder.embed_in"));
  embedding.make_trainable();
  auto& block = dynamic_cast<nn::LinearImpl&>(
      *nn::find_module(family->modules(), "decoder.layers.1.mlp.dense_h_to_4h"));
  block.make_trainable();
  {
    const torch::NoGradGuard no_gradient;
    for (Tensor parameter : embedding.parameters()) parameter.add_(0.125);
    for (Tensor parameter : block.parameters()) parameter.mul_(1.5);
  }
  family->save(out, {});
  EXPECT_TRUE(structure_of(out / "checkpoint.pt")
                  .contains("lang_encoder.gpt_neox.layers.1.decoder_layer.mlp.dense_h_to_4h.bias"));
  const auto again = load_flamingo(out);
  const auto left = nn::slots_of(family->modules()), right = nn::slots_of(again->modules());
  for (size_t i = 0; i < left.size(); ++i)
    EXPECT_TRUE(torch::equal(left[i].value(), right[i].value())) << left[i].name;
  // What was once trained is not dropped because it is frozen now.
  again->save(out / "second", {});
  expect_same_tensors(out / "second/checkpoint.pt", out / "checkpoint.pt");
}

TEST(FlamingoSaveForms, TrainedVisionEncoderIsRefused) {
  const auto family = load_flamingo(model_of("neox_rpj_every2"));
  for (const auto& module : family->modules().modules())
    if (auto* layer = dynamic_cast<nn::LinearImpl*>(module.get())) {
      layer->make_trainable();  // the first of the encoder
      break;
    }
  EXPECT_NE(message_of<UnsupportedError>([&] {
              family->save(fresh_folder(), {});
            }).find("hold no vision encoder"),
            std::string::npos);
}

}  // namespace
}  // namespace isthmus::families
