// OneLLM from the command line: every kind of medium from a file, and what is refused.
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "program.h"

namespace isthmus::testing_programs {
namespace {

using nlohmann::json;

constexpr int kUsage = 2, kInput = 3, kUnsupported = 5;

std::filesystem::path tiny(const std::string& relative) {
  return std::filesystem::path(ISTHMUS_FIXTURES) / "onellm/tiny" / relative;
}
const std::string kModel = tiny("model").string();

Outcome ask(const std::vector<std::string>& media) {
  std::vector<std::string> arguments{"run", kModel, "-p", "What is this?", "--max-new-tokens", "4",
                                     "--json"};
  arguments.insert(arguments.end(), media.begin(), media.end());
  return isthmus(arguments);
}

void expect_refused(const Outcome& outcome, int status, const std::vector<std::string>& parts) {
  EXPECT_EQ(outcome.status, status) << outcome.err;
  for (const std::string& part : parts)
    EXPECT_NE(outcome.err.find(part), std::string::npos) << outcome.err;
}

TEST(OneLlmProgram, EveryKindOfMediumHasAFlag) {
  const std::string picture = tiny("inputs/image_0.png");
  const std::vector<std::vector<std::string>> all = {
      {"--image", picture},
      {"--video", tiny("inputs/video.mp4")},
      {"--audio", tiny("inputs/audio.wav"), "--end", "2"},
      {"--points", tiny("inputs/point.npy")},
      {"--depth", tiny("inputs/depth.png"), "--rgb", picture},
      {"--normal", tiny("inputs/normal.png"), "--rgb", picture},
      {"--imu", tiny("inputs/imu_a.npy"), "--start", "1.5", "--end", "3.5"},
      {"--fmri", tiny("inputs/fmri.npy")},
      {"--media", "audio=" + tiny("inputs/audio.wav").string()},
  };
  const int64_t text = json::parse(ask({}).out).at("prompt_tokens");
  for (const auto& media : all) {
    const Outcome outcome = ask(media);
    ASSERT_EQ(outcome.status, 0) << media.front() << ": " << outcome.err;
    EXPECT_EQ(json::parse(outcome.out).at("prompt_tokens"), text + 8) << media.front();
  }
  const Outcome two = ask({"--audio", tiny("inputs/audio.wav"), "--image", picture});
  ASSERT_EQ(two.status, 0) << two.err;
  EXPECT_EQ(json::parse(two.out).at("prompt_tokens"), text + 16);
}

TEST(OneLlmProgram, FlagsThatGoWithNothingAreRefused) {
  const std::string picture = tiny("inputs/image_0.png");
  expect_refused(ask({"--image", picture, "--rgb", picture}), kUsage, {"--rgb"});
  expect_refused(ask({"--image", picture, "--start", "1"}), kUsage, {"--start"});
  expect_refused(ask({"--depth", tiny("inputs/depth.png")}), kUsage, {"--rgb"});
  expect_refused(ask({"--media", "audio"}), kUsage, {"NAME=FILE"});
  expect_refused(ask({"--media", "smell=" + picture}), kUnsupported, {"smell", "points"});
}

TEST(OneLlmProgram, AFileOfAnotherKindIsRefused) {
  expect_refused(ask({"--audio", tiny("inputs/image_0.png")}), kInput, {"image_0.png"});
  expect_refused(ask({"--image", tiny("inputs/audio.wav")}), kInput, {"audio.wav"});
  expect_refused(ask({"--fmri", tiny("inputs/point.npy")}), kInput, {"point.npy", "210"});
}

TEST(OneLlmProgram, DescribePrintsTheTreeAndTheExperts) {
  const Outcome outcome = isthmus({"describe", kModel});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  std::string tree = text_of(tiny("expect/model_repr.txt"));
  while (tree.ends_with('\n')) tree.pop_back();
  EXPECT_TRUE(outcome.out.starts_with(tree)) << outcome.out;
  EXPECT_NE(outcome.out.find("what each expert counts"), std::string::npos);
  const json summary = json::parse(isthmus({"describe", kModel, "--json", "--summary"}).out);
  EXPECT_EQ(summary.at("modalities").size(), 8u);
  EXPECT_EQ(summary.at("num_problems"), 0);
}

TEST(OneLlmProgram, TracesTheRouting) {
  const auto folder = fresh_folder();
  const json request{{"prompt",
                      {json{{"type", "audio"}, {"path", tiny("inputs/audio.wav").string()}},
                       json{{"type", "text"}, {"text", "Rain?"}}}},
                     {"generate", {{"max_new_tokens", 2}}}};
  const auto file = put_file(folder / "request.json", request.dump());
  const Outcome outcome =
      isthmus({"trace", kModel, "--request", file, "--out", (folder / "out").string()});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_TRUE(std::filesystem::exists(folder / "out/media.0.routing.npy"));
  EXPECT_TRUE(std::filesystem::exists(folder / "out/media.0.tokens.npy"));
}

}  // namespace
}  // namespace isthmus::testing_programs
