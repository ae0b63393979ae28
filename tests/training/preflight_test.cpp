// What is found out before the first step: whether samples can be learnt from, how long they are,
// and what memory and work the stage takes.
#include <filesystem>
#include <fstream>
#include <numeric>

#include <gtest/gtest.h>

#include "error_message.h"
#include "isthmus/error.h"
#include "nn/slots.h"
#include "small_llava.h"
#include "training/data_sets.h"
#include "training/estimate.h"
#include "training/held_out.h"
#include "training/measurements.h"
#include "training/stage_setup.h"
#include "training/survey.h"

namespace isthmus::training {
namespace {

namespace fs = std::filesystem;

// The tiny CLIP's features of one picture, and the widths of the tiny Vicuna.
constexpr int64_t kPatches = 9;
constexpr int64_t kHidden = 48, kVocabulary = 700;

std::vector<Shown> surveyed(families::Family& family, const recipe::Recipe& recipe) {
  const auto data = open_mixture(recipe.stages[0], {});
  return survey(family, recipe.stages[0], *data);
}

TEST(Survey, KnowsHowLongSamplesAreAndWhatTheirMediaBecome) {
  const fs::path folder = fresh_folder("survey");
  const recipe::Recipe recipe = written(folder, recipe_text());
  const auto family = fresh_llava(folder, recipe);
  const auto shown = surveyed(*family, recipe);
  ASSERT_EQ(shown.size(), 1u);
  EXPECT_EQ(shown[0].looked_at, 20);
  EXPECT_EQ(shown[0].sizes.size(), 20u);
  ASSERT_EQ(shown[0].media.size(), 1u);
  EXPECT_EQ(shown[0].media[0].features, kPatches);
  EXPECT_EQ(shown[0].media[0].tokens, kPatches);
  EXPECT_TRUE(shown[0].media[0].in_sequence);
  const SampleSize& size = shown[0].sizes.front();
  EXPECT_EQ(size.rows, 1 + kPatches + size.targets);  // BOS, picture, caption
  EXPECT_EQ(size.features, kPatches);
}

std::string conversations_text(const std::string& file, const std::string& name) {
  return "{type: conversations, path: " + file + ", template: " + name + "}";
}

TEST(Survey, TemplatesThatDoNotFitAreRefusedWithTheEntrysName) {
  const fs::path folder = fresh_folder("templates");
  std::ofstream(folder / "chat.json")
      << R"([{"id": 1, "conversations": [{"from": "human", "value": "Hi"},
             {"from": "gpt", "value": "Say ASSISTANT: yes"}]}])";
  const auto error = [&](const std::string& name) {
    const recipe::Recipe recipe =
        written(folder, replaced(recipe_text(), captions_text(),
                                 conversations_text((folder / "chat.json").string(), name)));
    const auto family = fresh_llava(folder, recipe);
    return message_of<UsageError>([&] { surveyed(*family, recipe); });
  };
  const std::string chatml = error("chatml_direct");
  EXPECT_NE(chatml.find("chat.json: template chatml_direct does not fit the tokenizer"),
            std::string::npos)
      << chatml;
  EXPECT_NE(chatml.find("vicuna-tiny/tokenizer.model"), std::string::npos) << chatml;
  EXPECT_NE(error("caption").find("chat.json: LLaVA is not trained with"), std::string::npos);
  const std::string mismatch = error("v1");
  EXPECT_NE(mismatch.find("chat.json: template v1"), std::string::npos) << mismatch;
  EXPECT_NE(mismatch.find("the turns of none of 20 samples can be told apart"), std::string::npos)
      << mismatch;
  EXPECT_EQ(error("v0"), "no error");
}

TEST(Survey, SamplesThatSayNothingAreCounted) {
  const fs::path folder = fresh_folder("counted");
  std::ofstream(folder / "chat.json")
      << R"([{"id": 1, "conversations": [{"from": "human", "value": "Hi"},
             {"from": "gpt", "value": "Say ASSISTANT: yes"}]},
            {"id": 2, "conversations": [{"from": "human", "value": "Hi"},
             {"from": "gpt", "value": "Yes."}]},
            {"id": 3, "image": "gone.png", "conversations": [{"from": "human", "value": "<image>"},
             {"from": "gpt", "value": "Yes."}]},
            {"id": 4, "conversations": [{"from": "human", "value": "Hi"}]}])";
  const recipe::Recipe recipe =
      written(folder, replaced(recipe_text(), captions_text(),
                               conversations_text((folder / "chat.json").string(), "v1")));
  const auto family = fresh_llava(folder, recipe);
  const auto shown = surveyed(*family, recipe);
  EXPECT_EQ(shown[0].mismatched + shown[0].without_loss, 10);
  EXPECT_GE(shown[0].mismatched, 5);
  EXPECT_EQ(shown[0].unusable, 5);
  EXPECT_EQ(shown[0].sizes.size(), 5u);
}

Shown with_rows(const std::vector<int64_t>& rows) {
  Shown shown;
  for (const int64_t count : rows) shown.sizes.push_back({count, 2, 1, 4, 0});
  shown.media = {{.tiles = 2, .features = 4, .values = 10, .width = 3}};
  return shown;
}

TEST(BatchShape, IsPaddedToTheLongestThatIsExpected) {
  const Shown shown = with_rows({10, 20});
  EXPECT_DOUBLE_EQ(batch_shape(shown, 1).rows, 15);
  EXPECT_DOUBLE_EQ(batch_shape(shown, 2).rows, 10 * .25 + 20 * .75);
  const BatchShape batch = batch_shape(shown, 6);
  EXPECT_DOUBLE_EQ(batch.targets, 12);
  EXPECT_DOUBLE_EQ(batch.features, 24);
  EXPECT_DOUBLE_EQ(batch.keys, 2);
  EXPECT_DOUBLE_EQ(batch.medium_values, 60);
}

TEST(Work, IsCountedByTheFormula) {
  LayerCost frozen{.name = "decoder.layers.0",
                   .products = 100,
                   .outputs = 30,
                   .widest = 20,
                   .width = 10,
                   .heads = 2};
  BatchShape batch;
  batch.sequences = 3, batch.rows = 5, batch.targets = 4;
  Work work = work_of({frozen}, batch);
  EXPECT_DOUBLE_EQ(work.forward, 15 * (100 + 2 * 10 * 5));
  EXPECT_DOUBLE_EQ(work.backward, 0);
  EXPECT_DOUBLE_EQ(work.moved, 15 * 2 * 30);
  frozen.records = true;
  work = work_of({frozen}, batch);
  EXPECT_DOUBLE_EQ(work.backward, 15 * (100 + 4 * 10 * 5));
  EXPECT_DOUBLE_EQ(work.moved, 15 * 6 * (30 + 20 + 2 * 10));
  LayerCost learnt = frozen;
  learnt.learning = 100, learnt.inputs = 40;
  work = work_of({learnt}, batch);
  EXPECT_DOUBLE_EQ(work.learning, 15 * 300);
  EXPECT_DOUBLE_EQ(work.forward, 15 * 2 * 10 * 5);
  // Kept rows, widest rows beside them, three tables of logits.
  EXPECT_DOUBLE_EQ(activation_numbers({learnt}, batch, 7),
                   15 * (30 + 20 + 2 * 10 + 20) + 15 * 3 * 20 + 3 * 4 * 7);
  // Computed twice, a layer keeps what enters, and all of one layer stands beside it.
  frozen.recomputed = true;
  EXPECT_DOUBLE_EQ(work_of({frozen}, batch).forward, 15 * 2 * (100 + 2 * 10 * 5));
  EXPECT_DOUBLE_EQ(activation_numbers({frozen, frozen}, batch, 7),
                   15 * 2 * 10 + 15 * (30 + 20 + 2 * 10) + 15 * 3 * 20 + 3 * 4 * 7);
}

TEST(LayerCosts, FollowTheOrderOfTheComputation) {
  const fs::path folder = fresh_folder("costs");
  const recipe::Recipe recipe = written(folder, recipe_text());
  const auto family = fresh_llava(folder, recipe);
  const auto trainables = open_weights(family->modules(), recipe.stages[0]);
  const auto layers = layer_costs(*family, trainables, false);
  std::vector<std::string> names;
  for (const LayerCost& layer : layers) names.push_back(layer.name);
  EXPECT_EQ(names.back(), "decoder.lm_head");
  const auto find = [&](const std::string& name) {
    const auto found = std::ranges::find(layers, name, &LayerCost::name);
    EXPECT_NE(found, layers.end()) << name;
    return *found;
  };
  const LayerCost block = find("decoder.layers.0");
  EXPECT_EQ(block.learning, 0);
  EXPECT_EQ(block.width, kHidden);
  EXPECT_TRUE(block.records);
  EXPECT_EQ(find("decoder.lm_head").products, kHidden * kVocabulary);
  EXPECT_EQ(find("decoder.lm_head").rows, LayerCost::Rows::kTargets);
  int64_t learning = 0, recorded_before = 0;
  for (const LayerCost& layer : layers) {
    learning += layer.learning;
    if (layer.name.starts_with("encoder.")) recorded_before += layer.records ? 1 : 0;
  }
  EXPECT_EQ(recorded_before, 0);
  int64_t matrices = 0;
  for (const Trainable& trainable : trainables)
    if (trainable.value.dim() == 2) matrices += trainable.value.numel();
  EXPECT_EQ(learning, matrices);

  // The last block's values would be made again at once.
  for (const LayerCost& layer : layer_costs(*family, trainables, true))
    EXPECT_EQ(layer.recomputed, layer.name == "decoder.layers.0") << layer.name;
}

TEST(Memory, CountsWhatTheStageAsksFor) {
  const fs::path folder = fresh_folder("memory");
  const auto memory = [&](const std::string& more) {
    const recipe::Recipe recipe = written(folder, recipe_text(more));
    const auto family = fresh_llava(folder, recipe);
    const auto trainables = open_weights(family->modules(), recipe.stages[0]);
    const auto shown = surveyed(*family, recipe);
    return memory_of(*family, recipe.stages[0], trainables,
                     layer_costs(*family, trainables, recipe.stages[0].gradient_checkpointing),
                     shown, 1, 1000);
  };
  const MemoryEstimate plain = memory("");
  EXPECT_EQ(plain.program, 1000);
  EXPECT_EQ(plain.gradients, 4 * 4320);
  EXPECT_EQ(plain.optimizer, 8 * 4320);
  EXPECT_EQ(plain.average, 0);
  EXPECT_EQ(plain.features, 0);
  EXPECT_GT(plain.activations, 0);
  EXPECT_EQ(plain.total(), 1000 + plain.weights + 12 * 4320 + plain.activations + plain.batches);
  EXPECT_EQ(memory("    ema: 0.9\n").average, 4 * 4320);
  // Biases stay with AdamW.
  EXPECT_EQ(memory("    optimizer: {kind: muon}\n").optimizer, 4 * 4320 + 4 * 2 * kHidden);
  EXPECT_EQ(memory("    feature_cache: {memory_mb: 3}\n").features, 3 << 20);
  EXPECT_GT(memory("    accumulation: 2\n").total(), 0);
  EXPECT_EQ(memory("    accumulation: 2\n").activations, plain.activations);
}

TEST(Words, AreThoseOfPeople) {
  EXPECT_EQ(bytes_in_words(2'740'000), "2.7 MB");
  EXPECT_EQ(bytes_in_words(340'000'000), "340 MB");
  EXPECT_EQ(bytes_in_words(1'240'000'000), "1.2 GB");
  EXPECT_EQ(bytes_in_words(41'000'000'000), "41 GB");
  EXPECT_EQ(seconds_in_words(40), "40 s");
  EXPECT_EQ(seconds_in_words(240), "4 min");
  EXPECT_EQ(seconds_in_words(3.5 * 3600), "3.5 h");
  EXPECT_EQ(seconds_in_words(72 * 3600), "3.0 days");
}

TEST(Speed, SecondsAddUp) {
  const Speed speed{.forward = 10, .backward = 5, .learning = 4, .moved = 2};
  EXPECT_DOUBLE_EQ(speed.seconds({.forward = 10, .backward = 10, .learning = 4, .moved = 1}), 4.5);
  EXPECT_DOUBLE_EQ(Speed{}.seconds({}), 0);
}

TEST(Speed, FeedingTakesWhatComputingLeaves) {
  EXPECT_DOUBLE_EQ(seconds_of_step(4, 1, 2, 2), 4.5);
  EXPECT_DOUBLE_EQ(seconds_of_step(4, 1, 1, 2), 4);
  EXPECT_DOUBLE_EQ(seconds_of_step(1, 4, 1, 2), 4);
}

TEST(HeldOut, KeptFeaturesChangeNothingThatIsMeasured) {
  const fs::path folder = fresh_folder("held_out_cache");
  const recipe::Recipe recipe = written(
      folder,
      recipe_text("    held_out:\n      batch: 2\n      data:\n        - " + captions_text() +
                  "\n        - {type: world, kind: questions, split: test, side: 42, template: v1, "
                  "samples: 7}\n"));
  const auto family = fresh_llava(folder, recipe);
  HeldOut kept(*family, recipe.stages[0].held_out, size_t{1} << 20),
      little(*family, recipe.stages[0].held_out, 3 * kPatches * 40 * sizeof(float)),
      none(*family, recipe.stages[0].held_out, 0);
  for (size_t e = 0; e < kept.size(); ++e)
    for (int round = 0; round < 2; ++round) {
      const std::string expected = measure(*family, none, e).dump();
      EXPECT_EQ(measure(*family, kept, e).dump(), expected) << kept.name(e);
      EXPECT_EQ(measure(*family, little, e).dump(), expected) << kept.name(e);
    }
  // Every picture once, and a blank one.
  EXPECT_EQ(kept.features()->computed(), 5 + 7 + 1);
  EXPECT_GT(none.features()->computed(), kept.features()->computed());
}

TEST(HeldOut, AnEncoderThatLearnsIsAskedEveryTime) {
  const fs::path folder = fresh_folder("held_out_learns");
  const recipe::Recipe recipe =
      written(folder, replaced(recipe_text("    held_out: {data: [" + captions_text() + "]}\n"),
                               "[\"aligner.*\"]", "[\"aligner.*\", \"encoder.*\"]"));
  const auto family = fresh_llava(folder, recipe);
  const auto trainables = open_weights(family->modules(), recipe.stages[0]);
  HeldOut held_out(*family, recipe.stages[0].held_out, size_t{1} << 20);
  EXPECT_EQ(held_out.features(), nullptr);
  EXPECT_GT(measure(*family, held_out, 0).at("loss").get<double>(), 0);
}

}  // namespace
}  // namespace isthmus::training
