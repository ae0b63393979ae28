#include "grammar/vocabulary.h"

#include <algorithm>
#include <filesystem>
#include <random>

#include <gtest/gtest.h>

#include "text/utf8.h"

namespace isthmus::grammar {
namespace {

const std::filesystem::path kFixtures = ISTHMUS_FIXTURES;

TEST(Vocabulary, NodesAndTokensStandInTheOrderOfTheirStrings) {
  const Vocabulary vocabulary({"ab", "", "a", "b", "abc", "a", "\xFF"});
  EXPECT_EQ(vocabulary.nodes().size(), 6u);  // "", a, ab, abc, b, FF
  const std::vector<uint32_t> order(vocabulary.tokens().begin(), vocabulary.tokens().end());
  EXPECT_EQ(order, (std::vector<uint32_t>{2, 5, 0, 4, 3, 6}));
  const uint32_t a = vocabulary.child(0, 'a'), ab = vocabulary.child(a, 'b');
  EXPECT_EQ(vocabulary.tokens_at(a).size(), 2u);
  EXPECT_EQ(vocabulary.tokens_below(a).size(), 4u);
  EXPECT_EQ(vocabulary.tokens_at(ab).front(), 0u);
  EXPECT_EQ(vocabulary.node(a).end, vocabulary.child(0, 'b'));
  EXPECT_EQ(vocabulary.child(ab, 'x'), 0u);
  EXPECT_EQ(vocabulary.tokens_at(vocabulary.child(0, 0xFF)).front(), 6u);
  EXPECT_EQ(vocabulary.bytes(-1), "");
  EXPECT_EQ(vocabulary.bytes(7), "");
  EXPECT_TRUE(Vocabulary({}).tokens().empty());
}

std::string without_spaces(std::string text) {
  std::erase(text, ' ');
  return text;
}

class OfTokenizer : public testing::TestWithParam<const char*> {};

// Tokens one after the other decode to their bytes one after the other.
TEST_P(OfTokenizer, BytesAreWhatIsDecoded) {
  const auto tokenizer = text::Tokenizer::load(kFixtures / GetParam());
  const Vocabulary vocabulary(*tokenizer);
  ASSERT_EQ(vocabulary.size(), tokenizer->vocab_size());
  EXPECT_GT(vocabulary.tokens().size(), vocabulary.size() / 2);
  std::mt19937 random(1);
  int compared = 0;
  for (int round = 0; round < 3000; ++round) {
    std::vector<text::TokenId> ids;
    std::string bytes;
    for (int i = 0; i < 6; ++i) {
      const uint32_t id = vocabulary.tokens()[random() % vocabulary.tokens().size()];
      const std::string_view own = vocabulary.bytes(id);
      // What decoders do with the first space, and with single spaces at the beginning, differs.
      if (bytes.empty() && own == " ") continue;
      ids.push_back(id);
      bytes += own;
    }
    if (ids.empty() || bytes.starts_with("  ") || !text::is_valid_utf8(bytes)) continue;
    if (vocabulary.drops_first_space() && bytes.starts_with(' ')) bytes.erase(0, 1);
    const std::string decoded = tokenizer->decode(ids, true);
    ++compared;
    if (decoded == bytes) continue;
    // Cleaning up takes spaces away before . and ,
    EXPECT_EQ(without_spaces(decoded), without_spaces(bytes));
  }
  EXPECT_GT(compared, 100);
}

TEST_P(OfTokenizer, SpecialTokensSpellNothing) {
  const auto tokenizer = text::Tokenizer::load(kFixtures / GetParam());
  for (size_t id = 0; id < tokenizer->vocab_size(); ++id)
    if (tokenizer->is_special(static_cast<text::TokenId>(id))) {
      EXPECT_EQ(tokenizer->bytes_of(static_cast<text::TokenId>(id)), "") << id;
    }
  if (const auto eos = tokenizer->eos_id()) {
    EXPECT_EQ(tokenizer->bytes_of(*eos), "");
  }
  EXPECT_EQ(tokenizer->bytes_of(-1), "");
  EXPECT_EQ(tokenizer->bytes_of(1 << 20), "");
}

// SentencePiece with byte fallback, the same as a fast tokenizer, byte-level BPE.
INSTANTIATE_TEST_SUITE_P(Tokenizers, OfTokenizer,
                         testing::Values("llava/v15_original/model/llava-v1.5-tiny",
                                         "llava/tokenizer_prompts/model/legacy_false",
                                         "onellm/tiny/model", "openflamingo/mpt7b_every1/model/lm",
                                         "openflamingo/tokenizer_neox/model"));

TEST(Vocabulary, TheFastFormOfATokenizerSpellsTheSame) {
  const auto folder = kFixtures / "llava/hf_llava15/model/llava-1.5-tiny-hf";
  const auto slow = text::Tokenizer::load(folder), fast = text::Tokenizer::load(folder, {true});
  size_t differ = 0;
  for (size_t id = 0; id < slow->vocab_size(); ++id)
    differ += slow->bytes_of(static_cast<text::TokenId>(id)) !=
              fast->bytes_of(static_cast<text::TokenId>(id));
  EXPECT_EQ(differ, 0u);
}

}  // namespace
}  // namespace isthmus::grammar
