// What a stage may ask for besides the weights that learn: a running mean, low-rank branches, steps
// that are left out; and which checkpoints it does not go on from.
#include <cmath>
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "base/atomic_file.h"
#include "base/json_view.h"
#include "error_message.h"
#include "formats/checkpoint.h"
#include "isthmus/error.h"
#include "nn/slots.h"
#include "small_llava.h"
#include "training/data_sets.h"
#include "training/forward.h"

namespace isthmus::training {
namespace {

namespace fs = std::filesystem;

Tensor parameter(families::Family& family, const std::string& name) {
  return family.modules().named_parameters()[name];
}

TEST(RunningMean, IsTheStagesResultAndNotItsCourse) {
  const double share = 0.8;
  const std::string text = recipe_text("    ema: 0.8\n");
  const fs::path folder = fresh_folder("ema");
  const recipe::Recipe recipe = written(folder, text);
  const auto family = fresh_llava(folder, recipe);
  StageRun run(*family, recipe, 0);
  auto mean = learnt(*family);
  std::vector<double> losses;
  StageCallbacks callbacks;
  callbacks.on_step = [&](const StepReport& report) {
    losses.push_back(report.losses.front());
    for (auto& [name, value] : mean) value.lerp_(learnt(*family).at(name), 1 - share);
  };
  ASSERT_TRUE(run.run(folder / "checkpoints", callbacks));
  EXPECT_EQ(losses, train("ema_without", recipe_text(), {}).losses);
  expect_same_bits(learnt(*family), mean);
  // Interrupted, the run goes on from the weights, with the mean beside them.
  const Whole parts = train("ema_parts", text, {3, 5});
  EXPECT_EQ(parts.losses, losses);
  expect_same_bits(parts.weights, mean);
}

// No weight moves, so every batch has the loss of a run in which nothing went wrong.
TEST(NonFinite, AStepThatIsLeftOutTakesAllOfItsBatchesWithIt) {
  const std::string still =
      replaced(recipe_text("    non_finite: skip\n    accumulation: 2\n"), "1.0e-2", "0");
  const Whole good = train("skip_none", still, {});
  const fs::path folder = fresh_folder("skip");
  const recipe::Recipe recipe = written(folder, still);
  const auto family = fresh_llava(folder, recipe);
  StageRun run(*family, recipe, 0);
  Tensor bias = parameter(*family, "aligner.projector.0.bias");
  const Tensor before = bias.detach().clone();
  std::vector<double> losses;
  std::vector<int64_t> skipped;
  std::vector<std::string> notes;
  StageCallbacks callbacks;
  callbacks.on_note = [&](const std::string& note) { notes.push_back(note); };
  callbacks.on_step = [&](const StepReport& report) {
    losses.push_back(report.losses.front());
    if (report.skipped) skipped.push_back(report.step);
    const torch::NoGradGuard no_gradient;
    if (report.step == 2) bias.fill_(std::nanf(""));
    if (report.step == 3) bias.copy_(before);
  };
  ASSERT_TRUE(run.run(folder / "checkpoints", callbacks));
  EXPECT_EQ(skipped, std::vector<int64_t>{3});
  ASSERT_EQ(losses.size(), 8u);
  for (size_t i = 0; i < losses.size(); ++i) {
    if (i == 2)
      EXPECT_TRUE(std::isnan(losses[i]));
    else
      EXPECT_EQ(losses[i], good.losses[i]) << i;
  }
  ASSERT_EQ(notes.size(), 1u);
  EXPECT_NE(notes[0].find("left out: step 3: the loss is nan; the samples were data.json["),
            std::string::npos)
      << notes[0];
}

TEST(NonFinite, NothingMovesInAStepThatIsLeftOut) {
  const fs::path folder = fresh_folder("skip_all");
  const recipe::Recipe recipe = written(folder, recipe_text("    non_finite: skip\n"));
  const auto family = fresh_llava(folder, recipe);
  StageRun run(*family, recipe, 0);
  {
    const torch::NoGradGuard no_gradient;
    parameter(*family, "aligner.projector.0.bias").fill_(std::nanf(""));
  }
  const auto before = learnt(*family);
  std::vector<int64_t> skipped;
  StageCallbacks callbacks;
  callbacks.on_step = [&](const StepReport& report) {
    if (report.skipped) skipped.push_back(report.step);
  };
  ASSERT_TRUE(run.run(folder / "checkpoints", callbacks));
  EXPECT_EQ(skipped.size(), 8u);
  for (const auto& [name, value] : learnt(*family)) {
    if (name == "aligner.projector.0.bias") continue;
    EXPECT_TRUE(torch::equal(value, before.at(name))) << name;
  }
}

TEST(Resuming, ARecipeThatChangedNamesTheKeys) {
  const fs::path folder = fresh_folder("keys");
  recipe::Recipe recipe = written(folder, recipe_text());
  run_stage(*fresh_llava(folder, recipe), recipe, folder / "checkpoints", 2);
  const std::string text = replaced(recipe_text("    seed: 7\n"), "batch: 3", "batch: 4");
  recipe = written(folder, replaced(text, "    save_every: 2\n", ""));
  const auto family = fresh_llava(folder, recipe);
  const std::string error =
      message_of<UsageError>([&] { run_stage(*family, recipe, folder / "checkpoints"); });
  for (const char* part :
       {"another recipe: ", "stages.0.batch: 3, now 4", "stages.0.seed: absent, now 7",
        "stages.0.save_every: 2, now absent", "remove its checkpoints"})
    EXPECT_NE(error.find(part), std::string::npos) << part << " in " << error;
}

TEST(Resuming, DataThatChangedAreNamed) {
  const fs::path folder = fresh_folder("data");
  const fs::path kept = folder / "kept.json", changed = folder / "changed.json";
  for (const fs::path& file : {kept, changed})
    fs::copy_file(llava_case("train_stage1/inputs/data.json"), file);
  const auto entry = [&](const fs::path& file) {
    return replaced(captions_text(), llava_case("train_stage1/inputs/data.json").string(),
                    file.string());
  };
  const recipe::Recipe recipe = written(
      folder, replaced(recipe_text(), captions_text(), entry(kept) + ", " + entry(changed)));
  run_stage(*fresh_llava(folder, recipe), recipe, folder / "checkpoints", 2);
  std::ofstream(changed) << replaced(read_file(kept), "mountain", "hill");
  const auto family = fresh_llava(folder, recipe);
  const std::string error =
      message_of<UsageError>([&] { run_stage(*family, recipe, folder / "checkpoints"); });
  EXPECT_NE(error.find("other data: " + changed.string() + " changed"), std::string::npos) << error;
}

const char* const kLora =
    "    lora: {rank: 2, alpha: 6, dropout: 0.3, targets: [\"decoder.layers.*.q_proj\", "
    "\"decoder.layers.1.mlp.*\"]}\n";

TEST(LowRank, ResumesToTheBitWithDropout) {
  const Whole whole = train("lora_whole", recipe_text(kLora), {});
  const Whole parts = train("lora_parts", recipe_text(kLora), {1, 4});
  EXPECT_EQ(whole.losses, parts.losses);
  EXPECT_EQ(whole.weights.size(), 4u + 2 * (2 + 3));
  expect_same_bits(whole.weights, parts.weights);
  const Whole dry =
      train("lora_dry", replaced(recipe_text(kLora), "dropout: 0.3", "dropout: 0"), {});
  EXPECT_EQ(dry.losses[0], whole.losses[0]);  // the branches begin as zeros
  EXPECT_NE(dry.losses.back(), whole.losses.back());
}

TEST(GradientCheckpointing, GivesTheSameBits) {
  const std::string again = "    gradient_checkpointing: true\n";
  const std::string all = replaced(recipe_text(), "\"aligner.*\"", "\"aligner.*\", \"decoder.*\"");
  const std::string decoder = replaced(recipe_text(), "aligner.*", "decoder.*");
  for (const std::string& text : {recipe_text(), recipe_text(kLora), all, decoder}) {
    const Whole kept = train("kept", text, {}), recomputed = train("recomputed", text + again, {});
    EXPECT_EQ(kept.losses, recomputed.losses);
    expect_same_bits(kept.weights, recomputed.weights);
  }
}

// The logits of the second caption.
Tensor logits(families::Family& family, const recipe::Recipe& recipe) {
  const torch::NoGradGuard no_gradient;
  const recipe::DataEntry& entry = recipe.stages[0].data[0];
  const families::Example example =
      family.example(open_data_set(entry)->at(1), example_options(entry, 0, {0, 1, 1}));
  return family.language_model().logits(forward(family, std::span(&example, 1)).hidden);
}

TEST(LowRank, LeavesAFolderOfPeftAndFoldsIntoAWholeModel) {
  const fs::path folder = fresh_folder("lora_saved");
  const recipe::Recipe recipe = written(folder, recipe_text(kLora));
  const auto family = fresh_llava(folder, recipe);
  ASSERT_TRUE(run_stage(*family, recipe, folder / "checkpoints").finished);
  const fs::path adapter = folder / "llava-lora", whole = folder / "llava-whole";
  family->save(adapter, {.dtype = "f32", .lora_dropout = 0.3});
  family->save(whole, {.form = families::OutputForm::kFull, .dtype = "f32"});

  const JsonView config = JsonView::load(adapter / "adapter_config.json");
  EXPECT_EQ(config.integer("r"), 2);
  EXPECT_EQ(config.number("lora_alpha"), 6);
  EXPECT_EQ(config.number("lora_dropout"), 0.3);
  const auto branches = formats::Checkpoint::open(adapter / "adapter_model.safetensors");
  EXPECT_EQ(branches.names().size(), 2u * (2 + 3));
  EXPECT_EQ(branches.at("base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight").shape[0],
            2);
  const auto beside = formats::Checkpoint::open(adapter / "non_lora_trainables.bin");
  EXPECT_EQ(beside.names().size(), 4u);

  const Tensor expected = logits(*family, recipe);
  LoadOptions options;
  options.vision = recipe.model.vision;
  options.merge_lora = false;
  const auto apart = families::load_family(adapter.string(), recipe.model.base, "", options);
  EXPECT_LT((logits(*apart, recipe) - expected).abs().max().item<double>(), 1e-5);
  options.merge_lora = true;
  const auto merged = families::load_family(adapter.string(), recipe.model.base, "", options);
  // Folded in float16, as the language model is stored: 2^-11 relative of every weight.
  EXPECT_LT((logits(*merged, recipe) - expected).abs().max().item<double>(), 1e-2);
  const auto full = families::load_family(whole.string(), "", "", options);
  EXPECT_LT((logits(*full, recipe) - logits(*merged, recipe)).abs().max().item<double>(), 1e-5);
}

// What is written whole holds the branches folded in.
void expect_folded_into(const std::string& model, const std::string& target) {
  const fs::path folder = fresh_folder("lora_folded");
  const recipe::Recipe recipe =
      written(folder, "model:\n" + model +
                          "stages:\n  - name: one\n    trainable: [\"aligner.*\"]\n    dtype: f32\n"
                          "    data: [{type: world, kind: captions, side: 32}]\n    batch: 2\n"
                          "    steps: 3\n    groups: [{match: \"*\", rate: 2.0e-2}]\n"
                          "    lora: {rank: 2, targets: [\"" +
                          target + "\"]}\n");
  write_fresh(recipe, 1, folder / "start");
  const auto family = families::load_family((folder / "start").string(), "", "", {});
  const auto logits = [](families::Family& any) {
    const torch::NoGradGuard no_gradient;
    const families::Example example{{families::TextSegment{{1, 40, 300, 17, 25}}}, {}, 0};
    return any.language_model().logits(forward(any, std::span(&example, 1)).hidden);
  };
  const Tensor before = logits(*family);
  ASSERT_TRUE(run_stage(*family, recipe, folder / "checkpoints").finished);
  const Tensor now = logits(*family);
  ASSERT_GT((now - before).abs().max().item<double>(), 1e-2);
  family->save(folder / "model", {.dtype = "f32"});
  const auto again = families::load_family((folder / "model").string(), "", "", {});
  EXPECT_LT((logits(*again) - now).abs().max().item<double>(), 1e-4);
}

TEST(LowRank, IsFoldedIntoWhatAFlamingoSaves) {
  const fs::path parts = fs::path(ISTHMUS_FIXTURES) / "openflamingo/neox_pythia_parallel/model";
  expect_folded_into("  base: " + (parts / "lm").string() +
                         "\n  vision: " + (parts / "clip").string() +
                         "\n  fresh: {kind: gated_cross_attention, cross_attn_every_n_layers: 2, "
                         "resampler_layers: 1, resampler_heads: 1, latents: 2, "
                         "cross_attention_heads: 1, gate: 0.5}\n",
                     "decoder.layers.*.query_key_value");
}

TEST(LowRank, IsFoldedIntoWhatAOneLlmSaves) {
  expect_folded_into(
      replaced(llava_model_text("{kind: universal_projection, modalities: [image], experts: 1, "
                                "resampler_layers: 1, resampler_width: 16, sizes: "
                                "{resampler_heads: 2, resample_tokens: 4}}"),
               "model:\n", ""),
      "decoder.layers.*.q_proj");
}

TEST(LowRank, ATargetThatFitsNothingIsNamed) {
  const fs::path folder = fresh_folder("lora_idle");
  const recipe::Recipe recipe =
      written(folder, recipe_text("    lora: {rank: 2, targets: [\"decoder.layers.*.q_proj\", "
                                  "\"decoder.layers.*.queries\"]}\n"));
  const auto family = fresh_llava(folder, recipe);
  const std::string error = message_of<UsageError>([&] { StageRun(*family, recipe, 0); });
  EXPECT_NE(error.find("no linear map of the model fits decoder.layers.*.queries"),
            std::string::npos)
      << error;
}

}  // namespace
}  // namespace isthmus::training
