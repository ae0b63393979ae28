// Requests to LLaVA prompts: where pictures stand, and what user text can never become.
#include "families/llava/prompts.h"

#include <algorithm>
#include <filesystem>

#include <gtest/gtest.h>

#include "families/llava/examples.h"
#include "isthmus/error.h"
#include "text/tokenize_prompt.h"

namespace isthmus::families::llava {
namespace {

std::shared_ptr<const text::Tokenizer> tokenizer() {
  return text::Tokenizer::load(std::filesystem::path(ISTHMUS_FIXTURES) /
                               "llava/tokenizer_prompts/model/legacy_false");
}

const PromptRules kRules{layout::LlavaLayout::kOriginal, "vicuna_v1", false, 0};

std::string user_turn(std::vector<Part> content) {
  Request request;
  request.messages.push_back({"user", std::move(content)});
  const std::string text = text::join(prompt_parts(request, kRules, *tokenizer()));
  const size_t from = text.find("USER: ") + 6;
  return text.substr(from, text.rfind(" ASSISTANT:") - from);
}

Part image() { return Part::of_image("a.png"); }
Part words(const char* text) { return Part::of_text(text); }

TEST(Prompts, OpeningPicturesAreFollowedByALineBreak) {
  EXPECT_EQ(user_turn({image(), words("What?")}), "<image>\nWhat?");
  EXPECT_EQ(user_turn({image(), image(), words("What?")}), "<image>\n<image>\nWhat?");
  EXPECT_EQ(user_turn({image(), words("\n"), image(), words("\nWhat?")}),
            "<image>\n<image>\nWhat?");
}

TEST(Prompts, ElsewherePartsStandAsWritten) {
  EXPECT_EQ(user_turn({words("Look: "), image(), words(" how many?")}), "Look: <image> how many?");
  EXPECT_EQ(user_turn({words("<Image>"), image(), words("</Image>")}), "<Image><image></Image>");
  EXPECT_EQ(user_turn({image()}), "<image>");
}

TEST(Prompts, UserTextNeverBecomesATokenButAWrittenTokenDoes) {
  const auto ids = [](std::vector<Part> prompt) {
    Request request;
    request.prompt = std::move(prompt);
    return std::get<TextSegment>(tokenize(request, kRules, *tokenizer(), {})[0]).ids;
  };
  const auto spelled = ids({words("a</s>")});
  EXPECT_EQ(std::count(spelled.begin(), spelled.end(), 2), 0);
  Part token;
  token.type = Part::Type::kToken;
  token.text = "</s>";
  const auto inserted = ids({words("a"), token});
  EXPECT_EQ(inserted.back(), 2);
  token.text = "<image>";
  EXPECT_THROW(ids({token}), UsageError);
  token.text = "hello";
  EXPECT_THROW(ids({token}), UsageError);
}

TEST(Prompts, PicturesBecomeMediaSegmentsInOrder) {
  Request request;
  request.prompt = {image(), words(" and "), image()};
  const auto segments = tokenize(request, kRules, *tokenizer(), std::vector<int64_t>{4, 4});
  ASSERT_EQ(segments.size(), 5u);
  EXPECT_EQ(std::get<TextSegment>(segments[0]).ids, std::vector<int64_t>{1});
  EXPECT_EQ(std::get<MediaSegment>(segments[1]).input, 0u);
  EXPECT_EQ(std::get<MediaSegment>(segments[3]).input, 1u);
}

TEST(Examples, APictureAndItsCaptionAreAPlainConversation) {
  samples::Sample pair;
  pair.name = "pair";
  pair.document = {image(), words(" a red cube ")};
  pair.weights = {0, .5f};
  const auto plain = as_plain(pair);
  ASSERT_TRUE(plain.has_value());
  const ExampleRules rules{.conversation_template = "plain"};
  const LabelledConversation labelled = label(*plain, rules, *tokenizer());
  std::vector<int64_t> targets;
  for (size_t i = 0; i < labelled.ids.size(); ++i)
    if (labelled.targets[i]) targets.push_back(labelled.ids[i]);
  EXPECT_EQ(tokenizer()->decode(targets, true), "a red cube\n");
  EXPECT_EQ(std::ranges::count(labelled.ids, text::kMediaMarker), 1);
  EXPECT_EQ(plain->weights, (std::vector<float>{0, .5f}));
  pair.document.push_back(words("and more"));
  EXPECT_FALSE(as_plain(pair).has_value());
  EXPECT_FALSE(as_plain({}).has_value());
}

}  // namespace
}  // namespace isthmus::families::llava
