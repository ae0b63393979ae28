#include "text/stop_strings.h"
#include "text/stream_detokenizer.h"
#include "text/utf8.h"
#include "text_testing.h"

namespace isthmus::text {
namespace {

std::string stream(StreamDetokenizer& detokenizer, const std::vector<TokenId>& ids) {
  std::string all;
  for (const TokenId id : ids) {
    const std::string piece = detokenizer.push(id);
    EXPECT_TRUE(is_valid_utf8(piece));
    all += piece;
  }
  return all + detokenizer.flush();
}

TEST(StreamDetokenizer, PiecesJoinToTheFinalDecode) {
  const std::vector<std::pair<std::filesystem::path, bool>> folders{
      {kLlava / "tokenizer_prompts/model/legacy_false", false},
      {kLlava / "tokenizer_prompts/model/legacy_true", false},
      {kLlava / "tokenizer_prompts/model/legacy_true", true},
      {kLlava / "hf_llava15/model/llava-1.5-tiny-hf", true},
      {kFixtures / "openflamingo/tokenizer_neox/model", true}};
  uint64_t state = 1;
  const auto random = [&](size_t below) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return static_cast<size_t>(state >> 33) % below;
  };
  for (const auto& [folder, fast] : folders) {
    const std::vector<std::string> added{"<im_start>", "<im_end>"};
    const auto tokenizer = Tokenizer::load(folder, {.prefer_fast = fast})->with_added_tokens(added);
    for (const bool skip : {false, true}) {
      StreamDetokenizer detokenizer(tokenizer, skip);
      for (int round = 0; round < 300; ++round) {
        std::vector<TokenId> ids(random(12));
        for (TokenId& id : ids) {
          // Bytes, specials and ordinary pieces in equal parts.
          const size_t kind = random(4);
          const size_t size = tokenizer->vocab_size();
          id = static_cast<TokenId>(kind == 0   ? random(3)
                                    : kind == 1 ? size - 1 - random(2)
                                                : random(kind == 2 ? 259 : size));
        }
        EXPECT_EQ(stream(detokenizer, ids), tokenizer->decode(ids, skip))
            << folder << testing::PrintToString(ids);
      }
    }
  }
}

TEST(StreamDetokenizer, NeverReturnsHalfACharacter) {
  const auto tokenizer = Tokenizer::load(kLlava / "tokenizer_prompts/model/legacy_false");
  StreamDetokenizer detokenizer(tokenizer);
  const auto ids = tokenizer->encode("\U0001F600!", false);
  ASSERT_EQ(ids.size(), 6u);  // the prefix, four bytes, the exclamation mark
  std::vector<std::string> pieces;
  for (const TokenId id : ids) pieces.push_back(detokenizer.push(id));
  EXPECT_EQ(pieces, (std::vector<std::string>{"", "", "", "", "\U0001F600", "!"}));
}

TEST(StreamDetokenizer, TextBehindOtherTextKeepsItsFirstSpace) {
  const auto tokenizer = Tokenizer::load(kLlava / "tokenizer_prompts/model/legacy_true");
  const auto ids = tokenizer->encode("the cat", false);
  StreamDetokenizer detokenizer(tokenizer);
  EXPECT_EQ(stream(detokenizer, ids), "the cat");
  detokenizer.continue_after(ids);
  EXPECT_EQ(stream(detokenizer, ids), " the cat");
  // Nothing was shown yet.
  detokenizer.continue_after(tokenizer->encode("", true));
  EXPECT_EQ(stream(detokenizer, ids), "the cat");
  const auto half = tokenizer->encode("the \U0001F600", false);
  detokenizer.continue_after(std::span(half).first(half.size() - 2));
  EXPECT_EQ(stream(detokenizer, ids), " the cat");
}

TEST(StreamDetokenizer, OrdinaryTextComesWithItsToken) {
  const auto tokenizer = Tokenizer::load(kLlava / "tokenizer_prompts/model/legacy_true");
  StreamDetokenizer detokenizer(tokenizer);
  for (const TokenId id : tokenizer->encode("the cat is sitting", false))
    EXPECT_NE(detokenizer.push(id), "");
  EXPECT_EQ(detokenizer.flush(), "");
}

TEST(StopStrings, HoldBackWhatMayBecomeOne) {
  StopStrings stops({"###", "</s>"});
  EXPECT_EQ(stops.push("a <"), "a ");
  EXPECT_EQ(stops.push("/"), "");
  EXPECT_EQ(stops.push("b #"), "</b ");
  EXPECT_EQ(stops.push("# "), "## ");
  EXPECT_EQ(stops.push("x##"), "x");
  EXPECT_FALSE(stops.stopped());
  EXPECT_EQ(stops.push("# tail"), "");
  EXPECT_EQ(stops.match(), "###");
  EXPECT_EQ(stops.push("more"), "");
  EXPECT_EQ(stops.flush(), "");
}

TEST(StopStrings, TheFirstToBeginWinsHoweverTheTextIsCut) {
  const std::string text = "one abc two";
  for (size_t cut = 0; cut <= text.size(); ++cut) {
    StopStrings stops({"bc", "abc", "abcd"});
    std::string shown = stops.push(text.substr(0, cut));
    shown += stops.push(text.substr(cut));
    shown += stops.flush();
    EXPECT_EQ(shown, "one ") << cut;
    EXPECT_EQ(stops.match(), "abc") << cut;
  }
}

TEST(StopStrings, AMatchWaitsForAnEarlierOneUntilTheEnd) {
  StopStrings stops({"aXb", "X"});
  EXPECT_EQ(stops.push("1aX"), "1");
  EXPECT_EQ(stops.flush(), "a");
  EXPECT_EQ(stops.match(), "X");
  StopStrings none({""});
  EXPECT_EQ(none.push("all"), "all");
  EXPECT_EQ(none.flush(), "");
}

}  // namespace
}  // namespace isthmus::text
