// What a Flamingo's answer depends on: rows of a batch, pictures it has read before, text before a
// picture, markers that are generated.
#include <algorithm>
#include <filesystem>

#include <gtest/gtest.h>
#include <torch/types.h>

#include "engine/load.h"
#include "engine/rows.h"
#include "families/flamingo/load.h"
#include "flamingo_testing.h"
#include "layout/flamingo_folder.h"

namespace isthmus {
namespace {

using namespace flamingo_testing;
using engine::Engine;

const char* const kNeoxCase = "neox_rpj_every2";

std::unique_ptr<Engine> engine_of(const std::string& model) {
  return engine::load_engine(model, "", "", {});
}

std::vector<int64_t> answer_of(const Pretrained& loaded, const Request& request) {
  return loaded.model.generate(request).output_ids;
}

// --- Batches ---

TEST(FlamingoBatch, RowsWithDifferentNumbersOfPicturesAnswerAsEachAlone) {
  for (const char* golden : {"mpt1b_mosaic_every1", "mpt7b_every1", kNeoxCase, "opt_every2"}) {
    const Pretrained loaded = load(golden);
    std::vector<Request> requests{
        prompt(golden, "Output:A cat.<|endofchunk|>Output:"), prompt(golden, "<image>Output:", {0}),
        prompt(golden, "<image>Output:A train.<|endofchunk|>\n<image>Output:", {1, 0}),
        prompt(golden, "Look: <image><image>Output:A<|endofchunk|><image>Output:", {0, 1, 2})};
    for (const int64_t beams : {1, 3}) {
      for (Request& request : requests) {
        request.generate.num_beams = beams;
        request.generate.length_penalty = 0;
        // With it a marker that one row generates changes what the others read.
        request.generate.quirks["image_token_resets_media"] = false;
      }
      const std::vector<Answer> together = loaded.model.generate_batch(requests);
      for (size_t i = 0; i < requests.size(); ++i) {
        const Answer alone = loaded.model.generate(requests[i]);
        EXPECT_EQ(together[i].output_ids, alone.output_ids) << golden << " " << beams << " " << i;
        EXPECT_EQ(together[i].text, alone.text);
        EXPECT_EQ(together[i].timings.prompt_tokens, alone.timings.prompt_tokens);
      }
    }
  }
}

TEST(FlamingoBatch, RowsReadInSeveralPassesReadTheirOwnPictures) {
  for (const char* golden : {"mpt1b_mosaic_every1", kNeoxCase, "opt_every2"}) {
    const Pretrained loaded = load(golden);
    std::vector<Request> requests;
    for (int i = 0; i < 150; ++i)
      requests.push_back(
          i % 3 == 0
              ? prompt(golden, "Look:<image>Output:", {i % 2})
              : prompt(golden, "<image>Output:A train.<|endofchunk|><image>Output:", {i % 2, 2}));
    int64_t rows = 0;
    for (Request& request : requests) {
      request.generate.max_new_tokens = 3;
      request.generate.quirks["image_token_resets_media"] = false;
    }
    const std::vector<Answer> together = loaded.model.generate_batch(requests);
    for (const Answer& answer : together) rows += answer.timings.prompt_tokens;
    EXPECT_GT(rows, 704) << "as many as one pass takes";
    for (size_t i = 0; i < 6; ++i)
      EXPECT_EQ(together[i].output_ids, answer_of(loaded, requests[i])) << golden << " " << i;
  }
}

TEST(FlamingoBatch, RankingOfABatchIsThatOfEachAlone) {
  const Pretrained loaded = load(kNeoxCase);
  const std::vector<std::string> names{"yes", "no", "yes it is"};
  const std::vector<Request> contexts{
      prompt(kNeoxCase, "<image>Is it hateful? Answer:", {0}),
      prompt(kNeoxCase,
             "<image>Is it hateful? Answer:no<|endofchunk|><image>Is it hateful? Answer:", {1, 2}),
      prompt(kNeoxCase, "Is it hateful? Answer:")};
  const auto together = loaded.model.rank(contexts, names);
  ASSERT_EQ(together.size(), contexts.size());
  for (size_t i = 0; i < contexts.size(); ++i) {
    const auto alone = loaded.model.rank(std::span(&contexts[i], 1), names);
    ASSERT_EQ(together[i].size(), names.size());
    for (size_t name = 0; name < names.size(); ++name) {
      EXPECT_LT(together[i][name], 0);
      EXPECT_NEAR(together[i][name], alone[0][name], 5e-4) << i << " " << names[name];
    }
  }
  const std::vector<std::string> empty{"yes", ""};
  expect_names(message_of<UsageError>([&] { loaded.model.rank(contexts, empty); }),
               {"class name", "no tokens"});
}

// --- What is known is not computed again ---

TEST(FlamingoReuse, ARepeatedPromptComputesItsLastRowAlone) {
  const Pretrained loaded = load(kNeoxCase);
  const Request request =
      prompt(kNeoxCase, "<image>Output:A cat.<|endofchunk|><image>Output:", {0, 1});
  const Answer first = loaded.model.generate(request), again = loaded.model.generate(request);
  EXPECT_EQ(first.timings.reused_tokens, 0);
  EXPECT_EQ(again.timings.reused_tokens, first.timings.prompt_tokens - 1);
  EXPECT_EQ(again.output_ids, first.output_ids);
}

TEST(FlamingoReuse, RowsThatReadAnotherPictureAreComputedAnew) {
  const std::string text = "<image>Output:A cat.<|endofchunk|><image>Output:";
  const Pretrained loaded = load(kNeoxCase);
  const Answer first = loaded.model.generate(prompt(kNeoxCase, text, {0, 1}));
  const Answer second = loaded.model.generate(prompt(kNeoxCase, text, {0, 4}));
  // <image>, the answer and <|endofchunk|> of the example, and nothing behind it.
  const auto example = static_cast<int64_t>(loaded.tokenizer.encode("Output:A cat.").size()) + 2;
  EXPECT_EQ(second.timings.reused_tokens, example);
  EXPECT_EQ(second.output_ids, answer_of(load(kNeoxCase), prompt(kNeoxCase, text, {0, 4})));
  EXPECT_NE(second.output_ids, first.output_ids);  // else this test sees nothing

  const Answer third = loaded.model.generate(prompt(kNeoxCase, text, {1, 4}));
  EXPECT_EQ(third.timings.reused_tokens, 0);
  EXPECT_EQ(third.output_ids, answer_of(load(kNeoxCase), prompt(kNeoxCase, text, {1, 4})));
}

TEST(FlamingoReuse, ALongerPromptContinuesTheAnswerItContains) {
  const Pretrained loaded = load("mpt7b_every1");
  const std::string question = "<image>Output:";
  const Answer first = loaded.model.generate(prompt("mpt7b_every1", question, {0}));
  const Request longer =
      prompt("mpt7b_every1", question + "A cat.<|endofchunk|><image>Output:", {0, 1});
  const Answer second = loaded.model.generate(longer);
  EXPECT_GE(second.timings.reused_tokens, first.timings.prompt_tokens);
  EXPECT_EQ(second.output_ids, answer_of(load("mpt7b_every1"), longer));
}

// In this mode text before the first picture reads all pictures evenly, those after it too.
TEST(FlamingoReuse, NothingIsKeptWhereEarlyTextReadsLaterPictures) {
  const auto folder = fresh_folder();
  const auto pieces = fixture("media_masking/model").string();
  put(folder / "isthmus.json", R"({"family": "flamingo", "only_attend_immediate_media": false,
    "vision": ")" + pieces + R"(/clip", "language_model": ")" +
                                   pieces + R"(/lm",
    "checkpoint": ")" + pieces + R"(/checkpoint.pt"})");
  const std::string text = "Some words come first. <image>Output:A cat";
  const auto engine = engine_of(folder.string());
  const auto logits_of = [&](Engine& answering, int i) {
    answering.generate(prompt("media_masking", text, {0}), {});
    const engine::Trace trace = answering.trace(prompt("media_masking", text, {i}), false);
    return trace.find("logits")->clone();
  };
  const torch::Tensor of_first = logits_of(*engine, 0), of_other = logits_of(*engine, 3);
  EXPECT_FALSE(torch::equal(of_first[0], of_other[0]));
  engine->generate(prompt("media_masking", text, {0}), {});
  const Answer after = engine->generate(prompt("media_masking", text, {3}), {});
  EXPECT_EQ(after.timings.reused_tokens, 0);
  const auto fresh = engine_of(folder.string());
  EXPECT_EQ(after.output_ids, fresh->generate(prompt("media_masking", text, {3}), {}).output_ids);
}

TEST(FlamingoReuse, APictureIsEncodedOnceWhateverItsFileIsCalled) {
  const auto engine = engine_of(fixture("neox_rpj_every2/model").string());
  int prepared = 0;
  engine->media().prepare_with([&](const families::MediaSource& source) {
    ++prepared;
    return engine->family().prepare(source);
  });
  const auto copy = fresh_folder() / "another name.png";
  std::filesystem::copy_file(picture(kNeoxCase, 0), copy);
  const auto first = engine->generate(prompt(kNeoxCase, "<image>Output:", {0}), {});
  EXPECT_EQ(prepared, 1);
  Request renamed = flamingo_prompt("<image>Output:", std::span(&copy, 1));
  renamed.generate.max_new_tokens = 8;
  double quickest = 1;
  for (int i = 0; i < 3; ++i) {
    const Answer again = engine->generate(renamed, {});
    EXPECT_EQ(again.output_ids, first.output_ids);
    quickest = std::min(quickest, again.timings.encode);
  }
  EXPECT_EQ(prepared, 1);
  EXPECT_LT(quickest, first.timings.encode);
  // Twice in one prompt is once, too; and in a batch.
  engine->generate(prompt(kNeoxCase, "<image>A<image>B<image>", {2, 2, 0}), {});
  EXPECT_EQ(prepared, 2);
  const std::vector<Request> batch{prompt(kNeoxCase, "<image>", {3}),
                                   prompt(kNeoxCase, "<image>", {3})};
  engine->generate_batch(batch);
  EXPECT_EQ(prepared, 3);
}

// --- Which picture text reads ---

TEST(FlamingoMask, TextBeforeTheFirstPictureIsTheSameWithAnyPictureOrNone) {
  for (const char* golden : {"mpt7b_every1", "opt_every2"}) {
    const auto engine = engine_of(fixture(std::string(golden) + "/model").string());
    const std::string before = "Some words come first.", after = "<image>Output:";
    const auto logits_of = [&](const Request& request) {
      return engine->trace(request, false).find("logits")->clone();
    };
    const auto alone = logits_of(prompt(golden, before));
    const auto one = logits_of(prompt(golden, before + after, {0}));
    const auto other = logits_of(prompt(golden, before + after, {2}));
    const int64_t rows = alone.size(0);
    EXPECT_TRUE(torch::equal(one.narrow(0, 0, rows), other.narrow(0, 0, rows))) << golden;
    // Another length may sum in another order.
    EXPECT_TRUE(torch::allclose(one.narrow(0, 0, rows), alone, 1e-4, 1e-4)) << golden;
    EXPECT_GT((one[rows] - other[rows]).abs().max().item<double>(), 1e-3) << golden;
  }
}

TEST(FlamingoMask, AMarkerReadsItsOwnPicture) {
  const auto engine = engine_of(fixture("mpt7b_every1/model").string());
  const std::vector<Request> requests{prompt("mpt7b_every1", "<image><image>", {0, 2}),
                                      prompt("mpt7b_every1", "<image><image>", {0, 1})};
  const auto pass = engine->forward_batch(requests, families::Padding::kLeft, nullptr);
  EXPECT_TRUE(torch::equal(pass.logits[0][0], pass.logits[1][0]));
  EXPECT_FALSE(torch::allclose(pass.logits[0][1], pass.logits[1][1], 1e-3, 1e-3));
}

// --- Markers that are generated ---

// Logits [steps][rows, vocab] of rows that continue two prompts of two pictures each.
std::vector<torch::Tensor> continued(Engine& engine, families::LateMarker late_marker,
                                     const std::vector<std::vector<int64_t>>& steps) {
  const c10::InferenceMode inference;
  const std::string text = "<image>Output:A<|endofchunk|><image>Output:";
  const std::vector<families::Sequence> sequences{
      engine.sequence(prompt("media_masking", text, {0, 1})),
      engine.sequence(prompt("media_masking", text, {2, 3}))};
  families::Family& family = engine.family();
  engine::Rows rows(family, sequences,
                    std::make_shared<nn::KvCache>(family.language_model().cache_geometry(), 2, 64),
                    late_marker);
  rows.prefill();
  std::vector<torch::Tensor> logits;
  for (const auto& tokens : steps) logits.push_back(rows.last_logits(rows.step(tokens)));
  return logits;
}

TEST(FlamingoQuirk, image_token_resets_media) {
  using families::LateMarker;
  const auto engine = engine_of(fixture("media_masking/model").string());
  const int64_t image = engine->family().media_marker();
  const std::vector<std::vector<int64_t>> steps{{72, 72}, {image, 72}, {13, 13}};
  const auto resets = continued(*engine, LateMarker::kResets, steps);
  const auto ignored = continued(*engine, LateMarker::kIgnored, steps);
  const auto counts = continued(*engine, LateMarker::kCounts, steps);
  const auto differ = [](const torch::Tensor& a, const torch::Tensor& b) {
    return (a - b).abs().max().item<double>() > 1e-3;
  };
  EXPECT_TRUE(torch::equal(resets[0], ignored[0]));
  EXPECT_TRUE(torch::equal(resets[0], counts[0]));
  for (const size_t step : {1, 2}) {
    EXPECT_TRUE(differ(resets[step][0], ignored[step][0])) << step;
    EXPECT_TRUE(differ(counts[step][0], ignored[step][0])) << step;
    // The row that generated none reads nothing from then on, by the quirk alone.
    EXPECT_TRUE(differ(resets[step][1], ignored[step][1])) << step;
    EXPECT_TRUE(torch::equal(counts[step][1], ignored[step][1])) << step;
  }

  GenerationConfig config;
  EXPECT_EQ(engine->family().late_marker(config), LateMarker::kResets);
  config.quirks["image_token_resets_media"] = true;
  EXPECT_EQ(engine->family().late_marker(config), LateMarker::kResets);
  config.quirks["image_token_resets_media"] = false;
  EXPECT_EQ(engine->family().late_marker(config), LateMarker::kIgnored);
  // Its config turns the cache off: the reference reads the whole sequence for every token.
  const auto mosaic = engine_of(fixture("mpt1b_mosaic_every1/model").string());
  EXPECT_EQ(mosaic->family().late_marker({}), LateMarker::kCounts);
  EXPECT_EQ(mosaic->family().late_marker(config), LateMarker::kIgnored);
}

TEST(FlamingoQuirk, marker_without_image_reads_all) {
  const auto engine = engine_of(fixture("media_masking/model").string());
  Request request = prompt("media_masking", "<image>Output:A", {0});
  request.prompt.push_back(Part::of_token("<image>"));
  request.prompt.push_back(Part::of_text("Output:"));
  expect_names(message_of<UsageError>([&] { engine->generate(request, {}); }),
               {"<image>", "no picture", "marker_without_image_reads_all"});
  request.generate.quirks["marker_without_image_reads_all"] = true;
  EXPECT_FALSE(engine->generate(request, {}).output_ids.empty());
  request.prompt.push_back(Part::of_image(picture("media_masking", 1)));
  expect_names(message_of<UsageError>([&] { engine->generate(request, {}); }),
               {"stands before a picture"});
}

// --- An aligner that nobody has trained ---

TEST(FlamingoFresh, TheSameSeedGivesTheSameLatents) {
  const std::string model = fixture("neox_rpj_every2/model").string();
  const auto sources = layout::assemble_flamingo(
      {model + "/clip/ViT-tiny.pt", model + "/lm", "", "", 2}, layout::ModelLocator{});
  const auto latents = [&] {
    const auto family = families::flamingo::load(sources, LoadOptions{});
    const c10::InferenceMode inference;
    const Part part = Part::of_image(picture(kNeoxCase, 0));
    const auto prepared = family->prepare({&part, "picture"});
    return family->encode(std::span(&prepared, 1), nullptr).front().memory->latents.clone();
  };
  const torch::Tensor one = latents();
  EXPECT_TRUE(torch::equal(one, latents()));
  EXPECT_TRUE(torch::isfinite(one).all().item<bool>());
  EXPECT_GT(one.abs().max().item<double>(), 0.1);
}

}  // namespace
}  // namespace isthmus
