// Grammars made to take long or to grow: each ends soon, with an answer or with an error.
#include <chrono>

#include <fmt/format.h>

#include "grammar/grammar_testing.h"

namespace isthmus::grammar {
namespace {

std::string times(const std::string& text, size_t count) {
  std::string all;
  for (size_t i = 0; i < count; ++i) all += text;
  return all;
}

// "" where it is accepted.
template <typename Make>
std::string outcome(Make make) {
  const auto begin = std::chrono::steady_clock::now();
  std::string message;
  try {
    make();
  } catch (const UsageError& error) {
    message = error.what();
  }
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - begin;
  EXPECT_LT(taken.count(), 20) << message;  // seconds, where sanitizers slow everything down
  return message;
}

TEST(HostileGrammars, LongOnesAreRefused) {
  EXPECT_NE(outcome([] { gbnf("root ::= " + times("\"a\" ", 250'000)); }).find("at most 262144"),
            std::string::npos);
  EXPECT_NE(outcome([] { schema("[" + times("[],", 350'000) + "1]"); }).find("at most 262144"),
            std::string::npos);
}

TEST(HostileGrammars, LongOnesThatAreReadEnd) {
  outcome([] { gbnf("root ::= " + times("\"a\"|", 60'000) + "\"b\""); });
  outcome([] { gbnf("root ::= " + times("[^a]", 50'000)); });
  outcome([] { gbnf("root ::= " + times("\"a\"?", 50'000)); });
  outcome([] { gbnf("root ::= " + times("\"a\"*", 50'000)); });
  outcome([] { gbnf("root ::= " + times("root?", 50'000) + "\"a\""); });
  std::string chain = "root ::= r0\n", reversed;
  for (int i = 0; i < 9'000; ++i) {
    chain += fmt::format("r{} ::= r{} \"x\"\n", i, i + 1);
    reversed = fmt::format("r{} ::= r{} | \"\"\n", i, i + 1) + reversed;
  }
  EXPECT_EQ(outcome([&] {
              EXPECT_TRUE(accepts(gbnf(chain + "r9000 ::= \"y\""), "y" + std::string(9000, 'x')));
            }),
            "");
  outcome([&] { accepts(gbnf("root ::= r0\nr9000 ::= \"y\"\n" + reversed), "y"); });
}

TEST(HostileGrammars, DeepOnesAreRefused) {
  EXPECT_NE(outcome([] { gbnf("root ::= " + times("(", 100'000)); }).find("groups deep"),
            std::string::npos);
  EXPECT_NE(outcome([] { gbnf("root ::= \"a\"" + times("*", 100'000)); }).find("repetitions of"),
            std::string::npos);
  EXPECT_NE(outcome([] { schema(times("[", 100'000)); }).find("deep"), std::string::npos);
  EXPECT_NE(outcome([] { schema(times(R"({"items":)", 20'000)); }).find("deep"), std::string::npos);
  EXPECT_NE(outcome([] {
              schema(R"({"type":"string","pattern":")" + times("(", 10'000) + R"("})");
            }).find("groups deep"),
            std::string::npos);
}

TEST(HostileGrammars, RepetitionsOfRepetitionsAreRefused) {
  for (const std::string text : {"root ::= \"a\"{99999}{99999}",
                                 "root ::= (\"\"{9999}){9999}{9999}", "root ::= [^a]{50000}{0,100}",
                                 "root ::= \"a\"{0,9}{0,9}{0,9}{0,9}{0,9}{0,9}{0,9}{0,9}{0,9}"})
    EXPECT_NE(outcome([&] { gbnf(text); }).find("too large"), std::string::npos) << text;
}

TEST(HostileGrammars, AmbiguityEndsInAnError) {
  const std::string xs(3000, 'x');
  // Fine, however they are nested.
  EXPECT_EQ(outcome([&] { accepts(gbnf("root ::= (((\"x\"*)*)*)*"), xs); }), "");
  EXPECT_EQ(outcome([&] { accepts(gbnf("root ::= ((\"x\"+ | \"x\"*)+)* [x]{0,50}"), xs); }), "");
  // More ways with every byte.
  for (const char* text :
       {"root ::= a | b\na ::= \"x\" (a | b) \"1\"?\nb ::= \"x\" (b | a) \"2\"? | \"x\"",
        "root ::= \"x\" root root | \"x\"", "root ::= \"x\" root \"x\" root | \"x\"?",
        "root ::= s\ns ::= \"x\" (s \"a\" | t \"b\") | \"x\"\nt ::= \"x\" (s \"c\" | t \"d\") | "
        "\"x\""}) {
    const std::string message = outcome([&] {
      StackSets sets(gbnf(text));
      StackSets::Set set = sets.start();
      for (const char c : xs) {
        sets.begin_work();
        set = sets.step(set, static_cast<uint8_t>(c));
      }
    });
    EXPECT_TRUE(message.empty() || message.find("too ambiguous") != std::string::npos) << message;
  }
}

TEST(HostileGrammars, SchemasThatHoldThemselvesAreRefused) {
  for (
      const char* text :
      {R"({"$ref": "#"})", R"({"allOf": [{"$ref": "#"}]})", R"({"anyOf": [{"$ref": "#"}]})",
       R"({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}})",
       R"({"$ref": "#/$defs/a", "type": "object", "$defs": {"a": {"$ref": "#/$defs/a", "required": ["x"]}}})",
       R"({"allOf": [{"type": "object"}, {"$ref": "#"}], "properties": {"a": {}}})",
       R"({"properties": {"a": {"$ref": "#"}}, "required": ["a"]})"})
    EXPECT_NE(outcome([&] { schema(text); }), "") << text;
}

TEST(HostileGrammars, AlternativesOfAlternativesAreBounded) {
  std::string parts;
  for (int i = 0; i < 8; ++i)
    parts += fmt::format(
        R"({}{{"anyOf":[{{"minLength":{}}},{{"maxLength":{}}},{{"minLength":{}}},{{"maxLength":{}}}]}})",
        i == 0 ? "" : ",", i, i + 100, i + 20, i + 200);
  EXPECT_NE(outcome([&] { schema(R"({"type":"string","allOf":[)" + parts + "]}"); }), "");
}

}  // namespace
}  // namespace isthmus::grammar
