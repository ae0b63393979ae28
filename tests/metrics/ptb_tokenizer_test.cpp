#include "metrics/ptb_tokenizer.h"

#include <chrono>

#include "base/rng.h"
#include "metrics/metrics_testing.h"
#include "metrics/ptb_characters.h"

namespace isthmus::metrics {
namespace {

std::string joined(const std::vector<std::string>& tokens) {
  std::string text;
  for (const std::string& token : tokens) text += (text.empty() ? "" : " ") + token;
  return text;
}

TEST(PtbTokenizer, GivesEveryGoldenCaptionAndProbe) {
  const nlohmann::json expect = expect_of("metric_cider");
  for (const auto& probe : expect["ptb_probes"])
    EXPECT_EQ(ptb_caption(probe["text"].get<std::string>()), probe["tok"]) << probe["text"];
  for (const auto& item : expect["items"]) {
    EXPECT_EQ(ptb_caption(item["hypothesis"].get<std::string>()), item["hypothesis_tok"]);
    for (size_t i = 0; i < item["references"].size(); ++i)
      EXPECT_EQ(ptb_caption(item["references"][i].get<std::string>()), item["references_tok"][i]);
  }
}

// Made by the PTBTokenizer of Stanford CoreNLP 3.4.1 with -preserveLines -lowerCase: hand-written
// probes of every rule, then lines put together from random pieces. Punctuation is still there.
TEST(PtbTokenizer, GivesTheTokensOfTheOriginalOnProbesOfEveryRule) {
  const nlohmann::json lines = json_of(std::filesystem::path(ISTHMUS_SOURCE_DIR) /
                                       "tests/metrics/data/ptb_lines.json");
  ASSERT_GT(lines.size(), 900u);
  for (const auto& line : lines)
    EXPECT_EQ(joined(ptb_tokens(line["text"].get<std::string>())), line["tokens"]) << line["text"];
}

TEST(PtbTokenizer, EmptyAndBlankLinesHaveNoToken) {
  EXPECT_TRUE(ptb_tokens("").empty());
  EXPECT_TRUE(ptb_tokens(" \t\n\xC2\xA0").empty());
  EXPECT_EQ(ptb_caption("?!... \"\""), "?!");  // only single marks are in the list
}

TEST(PtbTokenizer, LineBreaksInACaptionAreBlanks) {
  EXPECT_EQ(ptb_caption("a dog\r\nruns\xE2\x80\xA8" "fast"), "a dog runs fast");
}

TEST(PtbTokenizer, LowerCasesOtherScripts) {
  EXPECT_EQ(ptb_caption("ÜNAL ΟΔΟΣ ЖУК İstanbul"), "ünal οδος жук i\xCC\x87stanbul");
}

TEST(PtbTokenizer, DropsEmojiAndBrokenBytes) {
  EXPECT_EQ(ptb_caption("a \xF0\x9F\x98\x80 dog\xFF\xC3"), "a dog");
  EXPECT_EQ(ptb_caption(std::string_view("a\0b", 3)), "a b");
}

TEST(PtbTokenizer, RandomBytesGiveTokensWithoutSpaces) {
  Rng rng(3);
  for (int round = 0; round < 3000; ++round) {
    std::string line;
    for (uint64_t n = rng.next() % 40; n > 0; --n) line += static_cast<char>(rng.next());
    for (const std::string& token : ptb_tokens(line)) {
      EXPECT_FALSE(token.empty());
      EXPECT_EQ(token.find_first_of(" \n\t"), std::string::npos) << token;
      EXPECT_EQ(decode_utf8(token).find(U'\uFFFD'), std::u32string::npos);
    }
  }
}

TEST(PtbTokenizer, LongHostileLinesTakeLinearTime) {
  const auto start = std::chrono::steady_clock::now();
  for (const char* piece :
       {"a", "a ", "1,", "a,1,", "a.1.", "@a", "<a ", "'", "-", ". ", "&amp;", "a@", "http://",
        "(^", "\xF0\x9F\x98\x80", "a'", "U.", "$A", "#a"}) {
    std::string line;
    while (line.size() < 20'000) line += piece;
    ptb_tokens(line);
  }
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  EXPECT_LT(seconds.count(), 60);  // sanitizers are slow
}

}  // namespace
}  // namespace isthmus::metrics
