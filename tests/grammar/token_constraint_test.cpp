#include "grammar/token_constraint.h"

#include <cmath>
#include <random>

#include "grammar/grammar_testing.h"

namespace isthmus::grammar {
namespace {

// Every byte, and random pieces of JSON besides; the last token ends an answer.
std::vector<std::string> tokens_of_json(std::mt19937& random) {
  std::vector<std::string> tokens(1);  // a special one
  for (int byte = 0; byte < 256; ++byte) tokens.emplace_back(1, static_cast<char>(byte));
  const std::vector<std::string> parts = {"\"", "\":", "{\"", "\"}",  "},",    " ",
                                          "\n", "ab",  "1",   "true", "[",     "]",
                                          ",",  "\"",  "é",   "\\",   "\\u00", "null"};
  for (int i = 0; i < 600; ++i) {
    std::string token;
    for (size_t n = 1 + random() % 4; n > 0; --n) token += parts[random() % parts.size()];
    tokens.push_back(token.substr(0, 1 + random() % token.size()));
  }
  tokens.emplace_back();
  return tokens;
}

struct Setting {
  std::shared_ptr<const Automaton> automaton;
  std::shared_ptr<const Vocabulary> vocabulary;
  std::shared_ptr<StateMasks> masks;
  int64_t end;

  Setting(std::shared_ptr<const Automaton> of, std::vector<std::string> tokens, bool drops = false)
      : automaton(std::move(of)), end(std::ssize(tokens) - 1) {
    vocabulary = std::make_shared<const Vocabulary>(std::move(tokens), drops);
    masks = std::make_shared<StateMasks>(automaton, vocabulary);
  }
  TokenConstraint constraint() const { return {masks, {end}}; }
};

std::vector<int64_t> left_by(TokenConstraint& constraint, size_t size) {
  std::vector<float> logits(size, 1.0F);
  constraint.mask(logits);
  std::vector<int64_t> ids;
  for (size_t id = 0; id < size; ++id)
    if (!std::isinf(logits[id])) ids.push_back(static_cast<int64_t>(id));
  return ids;
}

// The masks against every token walked by itself.
TEST(TokenConstraint, LeavesExactlyTheTokensThatCanFollow) {
  std::mt19937 random(5);
  for (
      const auto& automaton :
      {schema("{}"),
       schema(
           R"({"properties":{"ab":{"type":"string"},"b":{"items":{"type":"integer"}}},"required":["ab"]})"),
       schema(R"({"items":{"type":"string","maxLength":5}})"),
       gbnf("root ::= [^\"]* \"\\\"\" root | \"1\""),
       schema(
           R"({"anyOf":[{"enum":["ab","aé","true"]},{"type":"boolean"},{"type":"array"},{"type":"object"},{"type":"number"}]})")}) {
    const Setting s(automaton, tokens_of_json(random));
    const size_t size = s.vocabulary->size();
    for (int round = 0; round < 6; ++round) {
      TokenConstraint constraint = s.constraint();
      std::string text;
      StackSets sets(automaton);
      StackSets::Set here = sets.start();
      for (int step = 0; step < 40; ++step) {
        std::vector<int64_t> want;
        for (size_t id = 0; id < size; ++id) {
          const std::string_view bytes = s.vocabulary->bytes(static_cast<int64_t>(id));
          if (bytes.empty()) continue;
          sets.begin_work();
          StackSets::Set set = here;
          for (const char c : bytes) set = sets.step(set, static_cast<uint8_t>(c));
          if (set != StackSets::kNone) want.push_back(static_cast<int64_t>(id));
        }
        EXPECT_EQ(constraint.complete(), accepts(automaton, text));
        if (constraint.complete()) want.push_back(s.end);
        ASSERT_EQ(left_by(constraint, size), want) << text;
        const int64_t id = want[random() % want.size()];
        EXPECT_TRUE(constraint.allows(id));
        if (id == s.end) break;
        constraint.accept(id);
        for (const char c : s.vocabulary->bytes(id))
          here = sets.step(here, static_cast<uint8_t>(c));
        text += s.vocabulary->bytes(id);
      }
    }
  }
}

TEST(TokenConstraint, CharactersMayBeSplitOverTokens) {
  const Setting s(gbnf("root ::= \"\xE2\x82\xAC\""),
                  {"\xE2", "\x82", "\x82\xAC", "\xAC", "\xE2\x82\xAC", ""});
  TokenConstraint constraint = s.constraint();
  EXPECT_EQ(left_by(constraint, 6), (std::vector<int64_t>{0, 4}));
  constraint.accept(0);
  EXPECT_EQ(left_by(constraint, 6), (std::vector<int64_t>{1, 2}));
  constraint.accept(1);
  EXPECT_EQ(left_by(constraint, 6), (std::vector<int64_t>{3}));
  constraint.accept(3);
  EXPECT_EQ(left_by(constraint, 6), (std::vector<int64_t>{5}));
  EXPECT_TRUE(constraint.complete());
}

TEST(TokenConstraint, TheFirstSpaceIsNotShown) {
  const Setting s(gbnf("root ::= \"{\" \" \"? \"}\""), {" {", "{", " ", "  {", "}", " }", ""},
                  true);
  TokenConstraint constraint = s.constraint();
  EXPECT_EQ(left_by(constraint, 7), (std::vector<int64_t>{0, 1}));
  constraint.accept(0);
  EXPECT_EQ(left_by(constraint, 7), (std::vector<int64_t>{2, 4, 5}));
  // A grammar that begins with a space cannot have it shown.
  const Setting spaced(gbnf("root ::= \" \"? \"}\""), {" {", "{", " ", "  }", "}", " }", ""}, true);
  TokenConstraint other = spaced.constraint();
  EXPECT_EQ(left_by(other, 7), (std::vector<int64_t>{4, 5}));
}

TEST(TokenConstraint, LogitsMayBeMoreOrFewerThanTokens) {
  const Setting s(gbnf("root ::= \"a\"+"), {"a", "b", ""});
  TokenConstraint constraint = s.constraint();
  EXPECT_EQ(left_by(constraint, 200), (std::vector<int64_t>{0}));
  EXPECT_EQ(left_by(constraint, 1), (std::vector<int64_t>{0}));
}

TEST(TokenConstraint, SaysSoWhenNoTokenCanFollow) {
  const Setting s(gbnf("root ::= \"a\" \"c\""), {"a", "b", ""});
  TokenConstraint constraint = s.constraint();
  constraint.accept(0);
  std::vector<float> logits(3, 0.0F);
  EXPECT_NE(message_of<UsageError>([&] {
              constraint.mask(logits);
            }).find("no token of this model's vocabulary"),
            std::string::npos);
}

TEST(TokenConstraint, WithoutEndTokensItIsDoneWhenNothingCanFollow) {
  const Setting s(gbnf("root ::= \"a\" \"a\"?"), {"a"});
  TokenConstraint constraint(s.masks, {});
  EXPECT_FALSE(constraint.done());
  constraint.accept(0);
  EXPECT_TRUE(constraint.complete());
  EXPECT_FALSE(constraint.done());
  constraint.accept(0);
  EXPECT_TRUE(constraint.done());
}

TEST(TokenConstraint, LongAnswersForgetWhatTheyNoLongerNeed) {
  const Setting s(gbnf("root ::= \"[\" (root (\",\" root)*)? \"]\""),
                  {"[", "]", ",", "],", "[[", "]]", "],[", ""});
  TokenConstraint constraint = s.constraint();
  std::mt19937 random(1);
  for (int step = 0; step < 20'000; ++step) {
    const auto left = left_by(constraint, 8);
    int64_t id = left[random() % left.size()];
    if (id == s.end) {
      if (left.size() == 1) break;
      id = left.front();
    }
    // Deeper and deeper, mostly.
    if (constraint.allows(4) && random() % 2 == 0) id = 4;
    constraint.accept(id);
  }
}

}  // namespace
}  // namespace isthmus::grammar
