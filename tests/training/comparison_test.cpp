// What isthmus compare promises: the same encoder, the same samples, whichever family reads them.
#include "recipe/comparison.h"

#include <filesystem>
#include <map>

#include <gtest/gtest.h>

#include "nn/slots.h"
#include "small_llava.h"
#include "training/data_sets.h"

namespace isthmus::training {
namespace {

namespace fs = std::filesystem;

struct Fresh {
  recipe::Recipe recipe;
  std::shared_ptr<families::Family> family;
};

// The contestants of the shipped recipe, untrained.
std::map<std::string, Fresh> fresh_contestants() {
  const fs::path file = fs::path(ISTHMUS_SOURCE_DIR) / "recipes/demo/compare.yaml";
  std::map<std::string, Fresh> all;
  for (auto& one : recipe::load_comparison(file, {"mlp", "resampler+xattn", "upm"})) {
    const fs::path start = fresh_folder("comparison_" + one.aligner) / "start";
    write_fresh(one.recipe, 1, start);
    LoadOptions options;
    options.vision = one.recipe.model.vision;
    const bool is_projector = one.recipe.model.fresh->kind == "projector";
    auto family = families::load_family(start.string(), is_projector ? one.recipe.model.base : "",
                                        "", options);
    all[one.aligner] = {std::move(one.recipe), std::move(family)};
  }
  return all;
}

families::Example example_of(const Fresh& fresh, size_t index) {
  const recipe::DataEntry& entry = fresh.recipe.stages[0].held_out.data[0];
  return fresh.family->example(open_data_set(entry)->at(index),
                               example_options(entry, 0, {0, index, index}));
}

Tensor features_of(const Fresh& fresh, const families::Example& example) {
  const torch::NoGradGuard no_gradient;
  return fresh.family->features(example.media, nullptr).front().values[0];
}

Tensor weight(families::Family& family, const std::string& name) {
  for (const nn::Slot& slot : nn::slots_of(family.modules()))
    if (slot.name == name) return slot.value();
  ADD_FAILURE() << name;
  return {};
}

TEST(Comparison, AllAlignersReadTheSameEncoder) {
  const auto all = fresh_contestants();
  const auto own = [&](const std::string& name) {
    return features_of(all.at(name), example_of(all.at(name), 3));
  };
  const Tensor patches = own("mlp");
  // Float32 sums in another order: attention of one fused projection, not three.
  EXPECT_TRUE(torch::allclose(own("resampler+xattn"), patches, 1e-4, 1e-4));
  // OneLLM reads the class token, too, and everything behind the tower's final norm.
  const Tensor rows = own("upm");
  EXPECT_EQ(rows.size(0), patches.size(0) + 1);
  families::Family& onellm = *all.at("upm").family;
  const Tensor normed =
      torch::layer_norm(patches, {patches.size(1)}, weight(onellm, "encoder.ln_post.weight"),
                        weight(onellm, "encoder.ln_post.bias"), 1e-5);
  EXPECT_TRUE(torch::allclose(rows.narrow(0, 1, patches.size(0)), normed, 1e-4, 1e-4));
}

TEST(Comparison, AllAlignersAreAskedTheSameQuestions) {
  const auto all = fresh_contestants();
  for (size_t index = 0; index < 5; ++index) {
    std::map<std::string, std::vector<std::string>> answers;
    for (const auto& [name, fresh] : all) {
      const families::Example example = example_of(fresh, index);
      EXPECT_EQ(example.media.size(), 1u) << name;
      for (const families::Segment& segment : example.segments)
        if (const auto* text = std::get_if<families::TextSegment>(&segment);
            text != nullptr && text->is_target) {
          const std::string said = fresh.family->tokenizer()->decode(text->ids, true);
          // Every family ends an answer in its own way.
          answers[name].push_back(said.substr(0, said.find_first_of("<\n#")));
          while (answers[name].back().ends_with(' ')) answers[name].back().pop_back();
          while (answers[name].back().starts_with(' ')) answers[name].back().erase(0, 1);
        }
    }
    EXPECT_FALSE(answers["mlp"].empty());
    EXPECT_EQ(answers["resampler+xattn"], answers["mlp"]);
    EXPECT_EQ(answers["upm"], answers["mlp"]);
  }
}

}  // namespace
}  // namespace isthmus::training
