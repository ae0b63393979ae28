#include "protocol/calls.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace isthmus::protocol {
namespace {

ToolUse two_tools(bool forced) {
  return {{{"weather", "", "{}"}, {"now", "", "{}"}}, forced, /*only_first=*/false};
}

// What was said, in one line.
std::string line(const std::vector<Spoken>& spoken) {
  std::string out;
  for (const Spoken& one : spoken)
    out += one.call
               ? "[" + one.call->name + " " + one.call->arguments + (one.call->complete ? "]" : "")
               : one.text;
  return out;
}

std::string line(const ToolUse& use, CallFinder::Forced forced, const std::string& answer,
                 size_t piece) {
  std::vector<Spoken> spoken;
  CallFinder finder(use, forced);
  for (size_t at = 0; at < answer.size(); at += piece)
    add_said(finder.take(answer.substr(at, piece)), spoken);
  add_said(finder.finish(), spoken);
  return line(spoken);
}

TEST(Calls, AreTheSameHoweverAnAnswerIsCut) {
  const struct {
    bool forced;
    std::string answer, said;
  } cases[]{
      {false, "", ""},
      {false, "plain text\n ", "plain text\n "},
      {false, "Well.\n<tool_call>\n{\"name\": \"now\", \"arguments\": {}}\n</tool_call>\n",
       "Well.[now {}]"},
      {false, "<tool_call>{\"name\": \"now\"}</tool_call> <tool_call>{\"name\": \"now\"}",
       "[now {}][now {}]"},
      {false, "a <b> <tool_calls> <tool_call>{\"name\": \"rm\"}</tool_call> c",
       "a <b> <tool_calls><tool_call>{\"name\": \"rm\"}</tool_call> c"},
      {false, "<tool_call>{\"name\": \"weather\", \"arguments\": {\"a\": ",
       "<tool_call>{\"name\": \"weather\", \"arguments\": {\"a\": "},
      {true, "\n{ \"name\" : \"wea\\u0074her\" ,\n\"arguments\": { \"a\": \"}\\\"\" } } \n",
       "[weather { \"a\": \"}\\\"\" }]"},
      {true, "{\"name\": \"now\", \"arguments\": {\"a\": [1, {", "[now {\"a\": [1, {"},
      {true, "{\"name\": \"now\"", "[now "},
      {true, "{\"name\": \"no", "{\"name\": \"no"},
      {true, "{\"name\": \"rm\", \"arguments\": {}}", "{\"name\": \"rm\", \"arguments\": {}}"},
  };
  for (const auto& [forced, answer, said] : cases) {
    const ToolUse use = two_tools(forced);
    EXPECT_EQ(line(spoken_in(use, answer)), said);
    for (const size_t piece : {1, 2, 3, 7})
      EXPECT_EQ(line(use, CallFinder::Forced::kInPieces, answer, piece), said) << piece;
  }
}

TEST(Calls, AreHeldBackWhereTheyAreToldWhole) {
  const ToolUse use = two_tools(/*forced=*/true);
  const std::string cut = R"({"name": "now", "arguments": {"a": )";
  EXPECT_EQ(line(use, CallFinder::Forced::kWhole, cut, 5), cut);
  EXPECT_EQ(line(use, CallFinder::Forced::kWhole, cut + "1}}", 5), R"([now {"a":1}])");
}

TEST(Calls, OneThatIsBrokenOffIsNoneToBeMade) {
  const auto calls = [](const std::string& answer) {
    return calls_tools(spoken_in(two_tools(/*forced=*/true), answer));
  };
  EXPECT_TRUE(calls(R"({"name": "now", "arguments": {}})"));
  EXPECT_TRUE(calls(R"({"name": "now", "arguments": {})"));
  EXPECT_FALSE(calls(R"({"name": "now", "arguments": {)"));
  EXPECT_FALSE(calls("text"));
}

TEST(Calls, ArgumentsAreAnObjectWhateverIsMissing) {
  EXPECT_EQ(arguments_of({"now", R"({"a": {"b": 1}, "c": [2, 3)", false}),
            Json({{"a", {{"b", 1}}}, {"c", {2}}}));
  EXPECT_EQ(arguments_of({"now", "", false}), Json::object());
}

}  // namespace
}  // namespace isthmus::protocol
