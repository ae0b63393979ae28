// The trained model in demo/ answers every question about its pictures with the reference's token
// ids.
#include <filesystem>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/json_view.h"
#include "isthmus/model.h"

namespace isthmus {
namespace {

// Below this distance between the best and the second best logit, another order of the same sums
// may choose the other token.
constexpr double kSmallestMargin = 0.02;

// The turns of a recorded vicuna_v1 prompt: "… USER: <image>\nQ ASSISTANT: A</s>USER: Q
// ASSISTANT:".
Request request_of(const std::string& prompt, const std::filesystem::path& picture) {
  const std::string opening = "USER: <image>\n", asks = " ASSISTANT:", ends = "</s>USER: ";
  Request request;
  request.conversation_template = "vicuna_v1";
  request.generate.max_new_tokens = 64;
  size_t at = prompt.find(opening) + opening.size();
  for (;;) {
    const size_t question_end = prompt.find(asks, at);
    request.messages.push_back({"user", {Part::of_text(prompt.substr(at, question_end - at))}});
    at = question_end + asks.size() + 1;
    if (at >= prompt.size()) break;
    const size_t answer_end = prompt.find(ends, at);
    request.messages.push_back({"assistant", {Part::of_text(prompt.substr(at, answer_end - at))}});
    at = answer_end + ends.size();
  }
  auto& first = request.messages.front().content;
  first.insert(first.begin(), Part::of_image(picture));
  return request;
}

struct Agreement {
  int asked = 0, equal = 0;
};

// Questions whose answer is decided by at least `margin` between the best two logits.
Agreement agreement(const LoadOptions& options, double margin) {
  const auto demo = std::filesystem::path(ISTHMUS_SOURCE_DIR) / "demo";
  const JsonView answers = JsonView::load(demo / "pictures/answers.json");
  const Pretrained loaded =
      load_pretrained_model((demo / "llava/llava-v1.5-tabletop").string(), "", "", options);
  Agreement result;
  for (const JsonView& picture : answers.at("pictures").elements())
    for (const JsonView& entry : picture.at("requests").elements()) {
      if (entry.number("min_margin") < margin) continue;
      const auto file = demo / "pictures" / picture.string("picture");
      const Answer answer = loaded.model.generate(request_of(entry.string("prompt"), file));
      result.equal += answer.text == entry.string("answer") ? 1 : 0;
      ++result.asked;
    }
  return result;
}

// A small model feels every bit more than a large one: 128 columns to a row.
TEST(Demo, QuantisedAnswersAreTheSameWhereTheyAreClear) {
  LoadOptions options;
  options.decoder_storage = options.encoder_storage = options.aligner_storage = "q8";
  const Agreement q8 = agreement(options, 0.5);
  EXPECT_GT(q8.asked, 90);
  EXPECT_EQ(q8.equal, q8.asked);
  options.encoder_storage = options.aligner_storage = "stored";
  options.decoder_storage = "q6";
  const Agreement q6 = agreement(options, 0.5);
  EXPECT_EQ(q6.equal, q6.asked);
  options.decoder_storage = "q5";
  const Agreement q5 = agreement(options, 1.0);
  EXPECT_GT(q5.asked, 60);
  EXPECT_EQ(q5.equal, q5.asked);
  options.decoder_storage = "q4";
  const Agreement q4 = agreement(options, 1.5);
  EXPECT_GT(q4.asked, 40);
  EXPECT_EQ(q4.equal, q4.asked);
}

TEST(Demo, RoundedKeysAndValuesChangeNoClearAnswer) {
  LoadOptions options;
  options.kv_cache = "f16";
  const Agreement f16 = agreement(options, 0.02);
  EXPECT_GT(f16.asked, 90);
  EXPECT_EQ(f16.equal, f16.asked);
  options.kv_cache = "q8";
  const Agreement q8 = agreement(options, 0.5);
  EXPECT_GT(q8.asked, 90);
  EXPECT_EQ(q8.equal, q8.asked);
}

TEST(Demo, EveryQuestionIsAnsweredWithTheRecordedTokens) {
  const auto demo = std::filesystem::path(ISTHMUS_SOURCE_DIR) / "demo";
  const JsonView answers = JsonView::load(demo / "pictures/answers.json");
  const Pretrained loaded = load_pretrained_model((demo / "llava/llava-v1.5-tabletop").string());
  int asked = 0;
  for (const JsonView& picture : answers.at("pictures").elements()) {
    const auto file = demo / "pictures" / picture.string("picture");
    for (const JsonView& entry : picture.at("requests").elements()) {
      if (entry.number("min_margin") < kSmallestMargin) continue;
      const Answer answer = loaded.model.generate(request_of(entry.string("prompt"), file));
      std::vector<int64_t> expected;
      for (const JsonView& id : entry.at("output_ids").elements())
        expected.push_back(id.as_integer());
      EXPECT_EQ(answer.output_ids, expected) << file << ": " << entry.string("question");
      EXPECT_EQ(answer.text, entry.string("answer")) << file << ": " << entry.string("question");
      ++asked;
    }
  }
  EXPECT_EQ(asked, 161);  // of 164 in answers.json
}

}  // namespace
}  // namespace isthmus
