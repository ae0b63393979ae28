// OneLLM end to end: its golden case from every layout of files, what the reference cannot do, and
// a modality that exists in no program.
#include <cmath>
#include <fstream>

#include <gtest/gtest.h>
#include <torch/types.h>

#include "engine/golden.h"
#include "engine/load.h"
#include "isthmus/error.h"
#include "layout/onellm_pieces.h"

namespace isthmus::engine {
namespace {

namespace fs = std::filesystem;
using layout::onellm_case;

// The reference takes the spectrum in float32 with a library whose rounding shows where a bin holds
// next to nothing: 2 of the 131,072 values of audio.wav lie up to 3.7e-5 from ours, and the case
// allows 2e-5. Every stage behind it starts from the reference's own values.
constexpr int64_t kSpectrumRounding = 2;

void expect_all_agree(const GoldenReport& report) {
  EXPECT_GT(report.stages.size(), 100u);
  for (const StageResult& stage : report.stages) {
    if (stage.stage == "audio.input" && stage.num_outside <= kSpectrumRounding &&
        stage.max_difference < 4e-5)
      continue;
    ASSERT_TRUE(stage.agrees) << report.name << ": " << stage.request << ": " << stage.stage
                              << " differs: " << stage.detail;
  }
}

TEST(OneLlmGolden, EveryStageAgreesFused) {
  expect_all_agree(verify_golden(onellm_case(), "", {}));
}

TEST(OneLlmGolden, EveryStageAgreesComposed) {
  LoadOptions options;
  options.composed = true;
  expect_all_agree(verify_golden(onellm_case(), "", options));
}

TEST(OneLlmGolden, InAFloat16CacheNoAnswerChanges) {
  LoadOptions options;
  options.kv_cache = "f16";
  for (const StageResult& stage : verify_golden(onellm_case(), "", options).stages) {
    // Of numbers behind rounded keys and values, as docs/numerics.md says.
    const bool near = stage.max_difference > 0 && stage.max_difference <= 0.05;
    EXPECT_TRUE(stage.agrees || near) << stage.request << ": " << stage.stage << stage.detail;
  }
}

TEST(OneLlmGolden, EveryStageAgreesFromTwoRanks) {
  const auto folder = layout::onellm_in_ranks("onellm_engine_ranks", 2);
  expect_all_agree(verify_golden(onellm_case(), folder.string(), {}));
}

TEST(OneLlmGolden, EveryStageAgreesFromThreeParts) {
  const auto folder = layout::onellm_in_parts("onellm_engine_parts", 3);
  expect_all_agree(
      verify_golden(onellm_case(), (folder / "consolidated.00-of-01.s0.pth").string(), {}));
}

TEST(OneLlmGolden, PreprocessingAgreesWithoutAModel) {
  const GoldenReport report = verify_golden(onellm_case("preproc") / "", "", {});
  EXPECT_EQ(report.name, "onellm/preproc");
  EXPECT_GT(report.stages.size(), 30u);
  for (const StageResult& stage : report.stages)
    EXPECT_TRUE(stage.agrees) << stage.stage << " differs: " << stage.detail;
}

std::unique_ptr<Engine> tiny() {
  return load_engine((onellm_case() / "model").string(), "", "", {});
}

Request question_about(std::vector<Part> media, const std::string& text = "What is this?") {
  Request request;
  media.push_back(Part::of_text(text));
  request.messages = {{"user", std::move(media)}};
  request.generate.max_new_tokens = 8;
  return request;
}

Part image(int i = 0) {
  return Part::of_image(onellm_case() / fmt::format("inputs/image_{}.png", i));
}
Part audio() { return Part::of_media("audio", onellm_case() / "inputs/audio.wav"); }

TEST(OneLlm, SeveralMediaFollowEachOther) {
  const auto engine = tiny();
  const int64_t text = engine->generate(question_about({}), {}).timings.prompt_tokens;
  const int64_t rows = 6 + 2;
  EXPECT_EQ(engine->generate(question_about({image()}), {}).timings.prompt_tokens, text + rows);
  const Answer both = engine->generate(question_about({image(), audio()}), {});
  EXPECT_EQ(both.timings.prompt_tokens, text + 2 * rows);
  const auto fresh = tiny();
  EXPECT_EQ(fresh->generate(question_about({image(), audio()}), {}).output_ids, both.output_ids);
  EXPECT_NE(fresh->generate(question_about({audio(), image()}), {}).output_ids, both.output_ids);
}

// With the reference's offset the answer lies over the end of the prompt: what follows must not be
// taken from there.
TEST(OneLlm, ASecondTurnIsTheSameWithAndWithoutAKeptCache) {
  for (const bool offset : {true, false}) {
    const auto engine = tiny();
    Request request = question_about({image()});
    request.generate.quirks["decode_offset_ignores_tags"] = offset;
    const Answer first = engine->generate(request, {});
    request.messages.push_back({"assistant", {Part::of_text(first.text)}});
    request.messages.push_back({"user", {Part::of_text("And now?")}});
    const Answer second = engine->generate(request, {});
    EXPECT_GT(second.timings.reused_tokens, 50);
    EXPECT_LT(second.timings.reused_tokens, first.timings.prompt_tokens + 8);
    engine->forget();
    EXPECT_EQ(engine->generate(request, {}).output_ids, second.output_ids) << offset;
  }
}

// The demo model learnt to answer behind its prompt, and its onellm.json says so.
TEST(OneLlm, AModelSaysWhetherAnswersLieOverTheEndOfItsPrompts) {
  const fs::path demo = fs::path(ISTHMUS_SOURCE_DIR) / "demo";
  const auto engine = load_engine((demo / "models/onellm").string(), "", "", {});
  Request request = question_about({Part::of_image(demo / "pictures/table02.png")}, "what is it ?");
  request.generate.max_new_tokens = 8;
  const auto own = engine->generate(request, {}).output_ids;
  request.generate.quirks["decode_offset_ignores_tags"] = false;
  EXPECT_EQ(engine->generate(request, {}).output_ids, own);
  request.generate.quirks["decode_offset_ignores_tags"] = true;
  EXPECT_NE(engine->generate(request, {}).output_ids, own);
}

TEST(OneLlm, ABatchOfQuestionsWithAndWithoutMediaIsAnsweredAsEachAlone) {
  const auto engine = tiny();
  const std::vector<Request> requests = {question_about({image()}), question_about({}),
                                         question_about({image(1)}, "Name three colors.")};
  const auto together = engine->generate_batch(requests);
  for (size_t i = 0; i < requests.size(); ++i) {
    engine->forget();
    EXPECT_EQ(engine->generate(requests[i], {}).output_ids, together[i].output_ids) << i;
  }
}

TEST(OneLlm, ARequestFileNamesAnyKindAndTheModelKnowsWhich) {
  const Request request = Request::parse(
      R"({"prompt": [{"type": "smell", "path": "rose.bin"}, {"type": "text", "text": "?"}]})",
      "request.json", onellm_case());
  try {
    tiny()->generate(request, {});
    FAIL() << "no error";
  } catch (const UnsupportedError& error) {
    EXPECT_NE(std::string(error.what()).find("points, depth, normal"), std::string::npos)
        << error.what();
  }
  EXPECT_THROW(
      tiny()->generate(
          question_about({Part::of_media("depth", onellm_case() / "inputs/depth.png")}), {}),
      UsageError);  // without --rgb
}

TEST(OneLlm, ALlamaInMetasFilesAnswersText) {
  const auto llama = load_engine(layout::onellm_llama("onellm_engine_llama").string(), "", "", {});
  EXPECT_EQ(llama->generate(question_about({}), {}).output_ids,
            tiny()->generate(question_about({}), {}).output_ids);
  EXPECT_THROW(llama->generate(question_about({image()}), {}), UnsupportedError);
}

TEST(OneLlm, MissingAndUnexpectedTensorsAreSaidTogether) {
  const auto folder = layout::onellm_changed("onellm_broken", [](formats::RawTensor t) {
    if (t.name == "llma.clip_proj2.audio.0.bias") return std::optional<formats::RawTensor>();
    if (t.name == "llma.end_tag.imu") t.name = "llma.end_tags.imu";
    return std::optional(std::move(t));
  });
  try {
    load_engine(folder.string(), "", "", {});
    FAIL() << "no error";
  } catch (const ModelError& error) {
    const std::string message = error.what();
    for (const char* part : {"llma.clip_proj2.audio.0.bias is missing",
                             "llma.end_tag.imu is missing", "llma.end_tags.imu is unexpected"})
      EXPECT_NE(message.find(part), std::string::npos) << message;
  }
}

// A tensor of small numbers that differ.
formats::RawTensor waves(const std::string& name, const Shape& shape) {
  auto values = std::make_shared<std::vector<float>>(static_cast<size_t>(*num_elements(shape)));
  for (size_t i = 0; i < values->size(); ++i)
    (*values)[i] = 0.1f * std::sin(static_cast<float>(i) * 0.37f);
  formats::RawTensor tensor;
  tensor.name = name;
  tensor.dtype = DType::kF32;
  tensor.shape = shape;
  tensor.strides = formats::row_major_strides(shape);
  tensor.bytes = std::as_bytes(std::span(*values));
  tensor.owner = values;
  return tensor;
}

// The tiny OneLLM with a ninth modality: two leads of an electrocardiogram, 200 samples of them, in
// pieces of 10: 20 tokens. Its heads are those of the IMU.
fs::path with_ecg() {
  std::vector<formats::RawTensor> added = {waves("llma.conv1.ecg.weight", {48, 2, 10}),
                                           waves("llma.conv1.ecg.bias", {48}),
                                           waves("llma.positional_embedding.ecg", {21, 48})};
  const auto whole = layout::tiny_onellm();
  for (const std::string& name : whole.names())
    for (const char* table :
         {"resample_tokens", "clip_proj1", "clip_proj2", "routers", "start_tag", "end_tag"}) {
      const std::string imu = fmt::format("llma.{}.imu", table);
      if (!name.starts_with(imu)) continue;
      formats::RawTensor tensor = whole.at(name);
      tensor.name = fmt::format("llma.{}.ecg{}", table, name.substr(imu.size()));
      added.push_back(std::move(tensor));
    }
  const auto folder = layout::onellm_changed(
      "onellm_ecg", [](formats::RawTensor t) { return std::optional(std::move(t)); }, added);
  std::ofstream(folder / "onellm.json") << R"({
    "resampler_heads": 6, "point_group_size": 16, "clip_heads": 4,
    "modalities": [{"name": "ecg", "reader": "csv", "columns": ["lead_1", "lead_2"],
                    "tokenizer": "conv1d", "window": 200, "stride": 10,
                    "normalise": {"mean": [0.5, 0.5], "std": [2, 1]}}]})";
  std::ofstream csv(folder / "heart.csv");
  csv << "lead_1,lead_2\n";
  for (int i = 0; i < 200; ++i)
    csv << 0.5 + std::sin(i * 0.2) << "," << 0.5 + std::cos(i * 0.1) << "\n";
  return folder;
}

TEST(OneLlm, ANinthModalityIsOneEntryOfAFile) {
  const fs::path folder = with_ecg();
  const auto engine = load_engine(folder.string(), "", "", {});
  const Request request =
      question_about({Part::of_media("ecg", folder / "heart.csv")}, "Is it regular?");
  const Trace trace = engine->trace(request, false);
  const auto shape_of = [&](const char* name) {
    const torch::Tensor* tensor = trace.find(name);
    return tensor != nullptr ? tensor->sizes().vec() : std::vector<int64_t>();
  };
  EXPECT_EQ(shape_of("media.0.input"), (std::vector<int64_t>{2, 200}));
  EXPECT_EQ(shape_of("media.0.tokens"), (std::vector<int64_t>{1, 20, 48}));
  EXPECT_EQ(shape_of("media.0.features"), (std::vector<int64_t>{1, 21, 48}));
  EXPECT_EQ(shape_of("media.0.aligned"), (std::vector<int64_t>{8, 88}));
  EXPECT_EQ(shape_of("media.0.routing"), (std::vector<int64_t>{6, 3}));
  EXPECT_NEAR((*trace.find("media.0.input"))[0][10].item<double>(), std::sin(10 * 0.2) / 2, 1e-5);
  EXPECT_NEAR((*trace.find("media.0.input"))[1][10].item<double>(), std::cos(10 * 0.1), 1e-5);
  EXPECT_EQ(engine->generate(request, {}).output_ids, trace.output_ids);
  EXPECT_FALSE(trace.output_ids.empty());
}

}  // namespace
}  // namespace isthmus::engine
