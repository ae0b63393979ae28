#include "grammar/automaton.h"

#include "grammar/grammar_testing.h"

namespace isthmus::grammar {
namespace {

TEST(Automaton, ChoicesThatBeginAlikeAreOneWayUntilTheyPart) {
  const auto automaton = gbnf("root ::= \"abc\" | \"abd\" | \"ab\" [e-z]");
  StackSets sets(automaton);
  const auto set = sets.step(sets.step(sets.start(), 'a'), 'b');
  EXPECT_EQ(sets.stacks(set).size(), 1u);
}

TEST(Automaton, CallsOfOneRuleAreOneWayUntilTheyPart) {
  // Were they two, there would be 2^40 ways to have read as many x.
  const auto automaton = gbnf("root ::= \"x\" root \"a\" | \"x\" root \"b\" | \"x\"");
  EXPECT_TRUE(
      accepts(automaton, std::string(40, 'x') + std::string(20, 'a') + std::string(19, 'b')));
  EXPECT_FALSE(accepts(automaton, std::string(40, 'x') + std::string(40, 'a')));
}

TEST(Automaton, ARuleThatEndsInACallLeavesNothingOnTheStack) {
  const auto automaton = gbnf("root ::= \"x\" root | \"y\"");
  StackSets sets(automaton);
  StackSets::Set set = sets.start();
  const auto first = sets.step(set, 'x');
  for (int i = 0; i < 1000; ++i) set = sets.step(set, 'x');
  EXPECT_EQ(set, first);
}

TEST(Automaton, WhatMayBeEmptyIsPassedOver) {
  for (const char* text : {"root ::= (\"a\"*)*", "root ::= ((\"a\"*)*)*",
                           "root ::= a* \nb ::= \"\"\na ::= b \"a\" b | b",
                           "root ::= (b | \"a\")*\nb ::= \"\" | \"b\"?"}) {
    const auto automaton = gbnf(text);
    EXPECT_TRUE(accepts(automaton, "")) << text;
    EXPECT_TRUE(accepts(automaton, std::string(200, 'a'))) << text;
    EXPECT_FALSE(accepts(automaton, "c")) << text;
  }
}

TEST(Automaton, WhatWouldGrowByMergingIsNotMerged) {
  // As sets of states there would be 2^40 of these.
  const auto automaton = gbnf("root ::= [ab]* \"a\" [ab]{40}");
  EXPECT_TRUE(accepts(automaton, "a" + std::string(40, 'b')));
  EXPECT_FALSE(accepts(automaton, "b" + std::string(40, 'a')));
  EXPECT_TRUE(accepts(automaton, std::string(100, 'a')));
}

TEST(StackSets, ForgettingKeepsWhatMayFollow) {
  const auto automaton = gbnf("root ::= \"[\" (root (\",\" root)*)? \"]\" | [0-9]+");
  StackSets sets(automaton);
  StackSets::Set set = sets.start();
  const std::string text = "[1,[22,[],[3,4],5]]";
  for (size_t i = 0; i < text.size(); ++i) {
    set = sets.step(set, static_cast<uint8_t>(text[i]));
    ASSERT_NE(set, StackSets::kNone) << i;
    if (i % 3 == 0) set = sets.keep_only(set);
  }
  EXPECT_TRUE(sets.complete(set));
  EXPECT_EQ(sets.step(set, ']'), StackSets::kNone);
}

}  // namespace
}  // namespace isthmus::grammar
