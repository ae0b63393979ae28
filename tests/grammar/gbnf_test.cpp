#include "grammar/gbnf.h"

#include "grammar/grammar_testing.h"

namespace isthmus::grammar {
namespace {

struct Case {
  const char* grammar;
  std::vector<std::string> right, wrong;
};

TEST(Gbnf, TextsFollowTheirGrammar) {
  const std::vector<Case> cases = {
      {R"(root ::= "yes" | "no")", {"yes", "no"}, {"", "y", "yesno", "maybe"}},
      {"root ::= [a-c]+ [^a-c]? \"!\"", {"a!", "abcd!", "cb\xC3\xA9!"}, {"!", "d!", "abcde!", "a"}},
      {"root ::= a{2} b{1,} c{0,2}\na ::= \"a\"\nb ::= \"b\"\nc ::= \"c\"",
       {"aab", "aabbbcc"},
       {"ab", "aacc", "aabccc", "aaab"}},
      {"root ::= (\"a\" | \"b\" (\"c\" # comment\n | \"d\"))* # the end",
       {"", "a", "bc", "abdabc"},
       {"b", "cb"}},
      {"root ::= \"a\"\n  | \"b\"\n  | \"c\" |\n  \"d\"\n\n# nothing more\n",
       {"a", "b", "c", "d"},
       {"ab", ""}},
      {R"(root ::= "\x41\u00e9\U0001F600\n\t\"\\" [\]\[\-x])",
       {"A\xC3\xA9\xF0\x9F\x98\x80\n\t\"\\]", "A\xC3\xA9\xF0\x9F\x98\x80\n\t\"\\-"},
       {"A"}},
      {"root ::= . .",
       {"ab", "\xC3\xA9\xE2\x82\xAC", "\n\n"},
       {"a", "\xC3\xA9", "\xC3\xA9\xC3", "\xFF\xFF", "\xED\xA0\x80z"}},
      {"root ::= \"(\" root \")\" | \"\"", {"", "()", "((()))"}, {"(", "())", ")("}},
      {"root ::= x x?\nx ::= \"a\"?", {"", "a", "aa"}, {"aaa", "b"}},
      {"root ::= [a-]+ \"\"", {"a-", "-"}, {"b"}},
      {"root ::= \"x\"{0}", {""}, {"x"}},
      {"root::=\"a\"|", {"a", ""}, {"b"}},
  };
  for (const Case& c : cases) {
    const auto automaton = gbnf(c.grammar);
    for (const auto& text : c.right)
      EXPECT_TRUE(accepts(automaton, text)) << c.grammar << ": " << text;
    for (const auto& text : c.wrong)
      EXPECT_FALSE(accepts(automaton, text)) << c.grammar << ": " << text;
  }
}

TEST(Gbnf, TheJsonGrammarOfLlamaCppIsRead) {
  const auto json = gbnf(R"(
root   ::= object
value  ::= object | array | string | number | ("true" | "false" | "null") ws
object ::=
  "{" ws (
            string ":" ws value
    ("," ws string ":" ws value)*
  )? "}" ws
array  ::=
  "[" ws (
            value
    ("," ws value)*
  )? "]" ws
string ::=
  "\"" (
    [^"\\\x7F\x00-\x1F] |
    "\\" (["\\bfnrt] | "u" [0-9a-fA-F]{4}) # escapes
  )* "\"" ws
number ::= ("-"? ([0-9] | [1-9] [0-9]{0,15})) ("." [0-9]+)? ([eE] [-+]? [0-9] [1-9]{0,15})? ws
# Optional space: by convention, applied in this grammar after literal chars when allowed
ws ::= | " " | "\n" [ \t]{0,20}
)");
  EXPECT_TRUE(accepts(json, R"({"a": [1, -2.5e3, {"b": null}], "\u00e9": "x\n"})"));
  EXPECT_FALSE(accepts(json, R"({"a": [1, -2.5e3, {"b": null}]])"));
  EXPECT_FALSE(accepts(json, "[1]"));
}

TEST(Gbnf, ErrorsSayWhereAndWhat) {
  const std::vector<std::pair<const char*, const char*>> cases = {
      {"root ::= \"a", "line 1, column 10: this literal has no closing \""},
      {"root ::= [a", "line 1, column 10: this class has no closing ]"},
      {"root ::= (\"a\"", "line 1, column 14: expected ), | or an element, found the end"},
      {"root ::= \"a\"\nroot = \"b\"", "line 2, column 6: expected ::=, found ="},
      {"root ::= item\n", "line 1, column 10: there is no rule item"},
      {"x ::= \"a\"", "there is no rule root"},
      {"", "there is no rule root"},
      {"root ::= \"a\"\nroot ::= \"b\"", "line 2, column 1: rule root is defined twice"},
      {"root ::= \"\\q\"", "line 1, column 11: expected an escape"},
      {"root ::= \"\\ud800\"", "U+D800 is not a character"},
      {"root ::= \"\\u12\"", "expected 4 hexadecimal digits, found \""},
      {"root ::= [z-a]", "line 1, column 11: the range ends before it begins"},
      {"root ::= []", "holds no character"},
      {"root ::= \"a\"{3,2}", "{3,2}: the second number is below the first"},
      {"root ::= \"a\"{x}", "column 14: expected a number, found x"},
      {"root ::= \"a\"{99999999999999}", "more than 100000 repetitions"},
      {"root ::= \"a\" )", "expected |, an element, or a new line, found )"},
      {"root ::= \"\xFF\"", "line 1, column 11: this is not UTF-8"},
      {"root ::= <think>", "found <"},
      {"::= \"a\"", "line 1, column 1: expected the name of a rule, found :"},
      {"root ::= root \"a\" | \"b\"", "rule root can begin with itself"},
      {"root ::= a \"x\"\na ::= \"b\"? a | \"c\"", "rule a can begin with itself"},
      {"root ::= \"x\" | a\na ::= \"y\" a", "rule a can never end"},
      {"root ::= b a\nb ::= \"b\"?\na ::= root", "can never end"},
      {"root ::= b root | \"x\"\nb ::= \"b\"?", "rule root can begin with itself"},
  };
  for (const auto& [grammar, message] : cases) {
    const std::string got = message_of<UsageError>([grammar = grammar] { gbnf(grammar); });
    EXPECT_NE(got.find(message), std::string::npos) << grammar << "\n" << got;
  }
}

}  // namespace
}  // namespace isthmus::grammar
