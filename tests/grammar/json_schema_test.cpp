#include "grammar/json_schema.h"

#include <nlohmann/json.hpp>

#include "grammar/grammar_testing.h"

namespace isthmus::grammar {
namespace {

struct SchemaCase {
  const char* schema;
  std::vector<const char*> right, wrong;
};

void check(const std::vector<SchemaCase>& cases) {
  for (const SchemaCase& c : cases) {
    const auto automaton = schema(c.schema);
    for (const char* text : c.right)
      EXPECT_TRUE(accepts(automaton, text)) << c.schema << "\n" << text;
    for (const char* text : c.wrong)
      EXPECT_FALSE(accepts(automaton, text)) << c.schema << "\n" << text;
  }
}

TEST(JsonSchema, Scalars) {
  check({
      {R"({"type":"boolean"})", {"true", "false"}, {"True", "null", ""}},
      {R"({"type":"null"})", {"null"}, {"nul", "0"}},
      {R"({"type":"integer"})", {"0", "-12", "123"}, {"01", "1.5", "1e3", "+1"}},
      {R"({"type":"number"})",
       {"0", "-1.25", "1e-7", "1.5E+10", "0.1234567890123456"},
       {"01", ".5", "1.", "1e", "NaN"}},
      {R"({"type":"string"})",
       {R"("")", R"("a\n\"\\\/\u00e9\ud83d\ude00 é😀")"},
       {R"("a)", "\"\n\"", R"("\x")", R"("\ud83d")", R"("\ude00")"}},
      {R"({"type":["integer","null"]})", {"3", "null"}, {"\"3\"", "true"}},
      {R"({"type":"integer","minimum":3,"exclusiveMaximum":12})",
       {"3", "9", "10", "11"},
       {"2", "12", "-3", "03"}},
      {R"({"type":"integer","minimum":-2.5,"maximum":1e1})", {"-2", "0", "10"}, {"-3", "11"}},
      {R"({"type":"number","minimum":0,"maximum":1})",
       {"0", "0.5", "1", "1.0", "0.999"},
       {"1.01", "2", "-0.1"}},
      {R"({"type":"number","exclusiveMinimum":0})", {"0.001", "5"}, {"0", "0.0", "-1"}},
  });
}

TEST(JsonSchema, Strings) {
  check({
      {R"({"type":"string","minLength":2,"maxLength":3})",
       {R"("ab")", R"("é😀\n")", R"("\ud83d\ude00a")"},
       {R"("a")", R"("abcd")"}},
      {R"({"maxLength":1})", {R"("")", R"("a")"}, {R"("ab")", "3"}},
      {R"({"type":"string","pattern":"^[A-Z]{2}-\\d+$"})",
       {R"("AB-1")", R"("XY-0042")"},
       {R"("AB-")", R"("ab-1")", R"("AB-1 ")"}},
      {R"({"type":"string","pattern":"b+"})", {R"("b")", R"("aabbc\n")"}, {R"("")", R"("aac")"}},
      {R"({"type":"string","pattern":"^(?:a|b\"|\\\\)*?$"})",
       {R"("")", R"("ab\"\\")"},
       {R"("b")", R"("c")"}},
      {R"({"type":"string","pattern":"^x|y$"})", {R"("xab")", R"("aby")"}, {R"("ax")", R"("yb")"}},
      {R"({"type":"string","pattern":"^[^\\w\\s]\\.\\u00e9[\\x41-\\x43-]$"})",
       {R"("!.éA")", R"("#.\u00e9-")"},
       {R"("a.éA")", R"("!xéA")"}},
      {R"({"type":"string","format":"date"})",
       {R"("2024-02-29")", R"("2000-02-29")", R"("1999-12-31")"},
       {R"("2023-02-29")", R"("1900-02-29")", R"("2024-04-31")", R"("2024-13-01")",
        R"("0000-01-01")"}},
      {R"({"format":"time"})",
       {R"("23:59:59Z")", R"("00:00:00.25+05:30")"},
       {R"("24:00:00Z")", R"("12:00:00")"}},
      {R"({"format":"date-time"})",
       {R"("2024-01-31T12:00:00Z")"},
       {R"("2024-01-31 12:00:00Z")", R"("2024-01-31")"}},
      {R"({"format":"uuid"})",
       {R"("123e4567-e89b-12d3-a456-426614174000")"},
       {R"("123e4567e89b12d3a456426614174000")"}},
      {R"({"enum":["red","gr\u00fcn","\ud83d\ude00",3,null,{"a":[1,2.5]}]})",
       {R"("red")", R"("grün")", R"("gr\u00fcn")", R"("😀")", R"("\ud83d\uDE00")", "3", "null",
        R"({"a": [1, 2.5]})", R"({"a":[1,2.5]})"},
       {R"("gr")", "4", "{}"}},
      {R"({"const":"a\"b\\c/d\n"})", {R"("a\"b\\c/d\n")", R"("a\"b\\c/d\u000a")"}, {R"("a")"}},
      {R"({"type":"string","enum":["a",1]})", {R"("a")"}, {"1"}},
  });
}

TEST(JsonSchema, Arrays) {
  check({
      {R"({"type":"array"})",
       {"[]", "[ ]", R"([1, "a", [null], {}])", "[\n  1,\n  2\n]"},
       {"[1,]", "[,1]", "[", "[1 2]"}},
      {R"({"items":{"type":"integer"},"minItems":1,"maxItems":3})",
       {"[1]", "[1,2,3]"},
       {"[]", "[1,2,3,4]", "[\"a\"]"}},
      {R"({"items":{"type":"boolean"},"minItems":2})",
       {"[true,false]", "[true, true, true]"},
       {"[true]", "[]"}},
      {R"({"items":{"type":"boolean"},"maxItems":0})", {"[]"}, {"[true]"}},
      {R"({"prefixItems":[{"type":"integer"},{"type":"string"}]})",
       {"[]", "[1]", "[1, \"a\"]"},
       {"[\"a\"]", "[1,\"a\",2]"}},
      {R"({"prefixItems":[{"type":"integer"}],"items":{"type":"null"},"minItems":2,"maxItems":3})",
       {"[1,null]", "[1,null,null]"},
       {"[1]", "[1,null,null,null]", "[null,null]"}},
      {R"({"prefixItems":[{"type":"integer"},{"type":"integer"}],"items":false,"minItems":2})",
       {"[1,2]"},
       {"[1]", "[1,2,3]"}},
      {R"({"prefixItems":[{"type":"integer"},{"type":"integer"}],"maxItems":1})",
       {"[]", "[1]"},
       {"[1,2]"}},
      {R"({"items":[{"type":"integer"}],"additionalItems":{"type":"string"}})",
       {"[1,\"a\",\"b\"]", "[1]"},
       {"[\"a\"]", "[1,2]"}},
      {R"({"type":"array","minItems":2,"maxItems":2})", {"[1,{}]"}, {"[1]", "[1,2,3]"}},
  });
}

TEST(JsonSchema, Objects) {
  check({
      {R"({"type":"object"})",
       {"{}", "{ }", R"({"a": 1, "b": {"c": []}})", "{\n    \"a\": 1\n}"},
       {"[]", R"({"a"})", R"({a:1})", R"({"a":1,})"}},
      {R"({"properties":{"a":{"type":"integer"},"b":{"type":"string"}},"required":["a","b"]})",
       {R"({"a":1,"b":"x"})", R"({"a": 1, "b": "x"})", "{\n  \"a\": 1,\n  \"b\": \"x\"\n}"},
       {R"({"b":"x","a":1})", R"({"a":1})", "{}", R"({"a":1,"b":"x","c":1})"}},
      {R"({"properties":{"z":{"type":"null"},"a":{"type":"null"}}})",
       {"{}", R"({"z":null})", R"({"a":null})", R"({"z":null,"a":null})"},
       {R"({"a":null,"z":null})"}},
      {R"({"properties":{"a":{"type":"null"},"b":{"type":"null"},"c":{"type":"null"},"d":{"type":"null"}},"required":["c"]})",
       {R"({"c":null})", R"({"a":null,"c":null})", R"({"b":null,"c":null,"d":null})",
        R"({"a":null,"b":null,"c":null})"},
       {"{}", R"({"a":null,"b":null})", R"({"a":null,"d":null})", R"({"d":null})",
        R"({,"c":null})"}},
      {R"({"properties":{"a":{"type":"null"}},"additionalProperties":{"type":"integer"}})",
       {"{}", R"({"a":null})", R"({"a":null,"b":1})", R"({"b":1,"ab":2,"":3})", R"({"b\u00e9":1})",
        R"({"\u00e9":1})"},
       {R"({"a":1})", R"({"b":1,"a":2})", R"({"b":null})", R"({"\u0061":1})"}},
      {R"({"additionalProperties":{"type":"integer"}})",
       {"{}", R"({"a":1,"\u00e9":2})"},
       {R"({"a":"b"})"}},
      {R"({"type":"object","additionalProperties":false})", {"{}"}, {R"({"a":1})"}},
      {R"({"properties":{"a":true},"additionalProperties":true,"required":["a"]})",
       {R"({"a":[1]})", R"({"a":1,"b":{}})"},
       {"{}", R"({"b":1})"}},
      {R"({"required":["k"]})", {R"({"k":1})"}, {"{}", R"({"j":1})"}},
      {R"({"properties":{"a":{"type":"null"},"b":false},"required":["a"]})",
       {R"({"a":null})"},
       {R"({"a":null,"b":1})"}},
  });
}

TEST(JsonSchema, Combinations) {
  check({
      {R"({"anyOf":[{"type":"integer"},{"type":"string"}]})", {"1", "\"a\""}, {"null"}},
      {R"({"oneOf":[{"properties":{"kind":{"const":"a"},"x":{"type":"integer"}},"required":["kind","x"]},{"properties":{"kind":{"const":"b"}},"required":["kind"]}]})",
       {R"({"kind":"a","x":1})", R"({"kind":"b"})"},
       {R"({"kind":"a"})", R"({"kind":"b","x":1})"}},
      {R"({"properties":{"n":{"type":"integer"}},"required":["n"],"anyOf":[{"properties":{"a":{"type":"null"}},"required":["a"]},{"properties":{"b":{"type":"null"}},"required":["b"]}]})",
       {R"({"n":1,"a":null})", R"({"n":1,"b":null})"},
       {R"({"n":1})", R"({"n":1,"a":null,"b":null})"}},
      {R"({"allOf":[{"properties":{"a":{"type":"integer","minimum":2}},"required":["a"]},{"properties":{"a":{"maximum":4},"b":{"type":"null"}},"required":["b"]}]})",
       {R"({"a":3,"b":null})"},
       {R"({"a":5,"b":null})", R"({"a":1,"b":null})", R"({"a":3})"}},
      {R"({"allOf":[{"$ref":"#/$defs/base"}],"properties":{"y":{"type":"null"}},"$defs":{"base":{"properties":{"x":{"type":"null"}},"required":["x"]}}})",
       {R"({"x":null})", R"({"y":null,"x":null})"},
       {R"({"y":null})"}},
      {R"({"allOf":[{"type":["integer","string"]},{"type":["number","null"]}]})",
       {"3"},
       {"\"a\"", "null", "3.5"}},
      {R"({"allOf":[{"enum":[1,2,3]},{"enum":[3,2,4]}]})", {"2", "3"}, {"1", "4"}},
      {R"({"allOf":[{"properties":{"a":{"type":"null"}},"additionalProperties":false},{"properties":{"b":{"type":"null"}}}]})",
       {"{}", R"({"a":null})"},
       {R"({"b":null})"}},
      {R"({"$ref":"#/definitions/node","definitions":{"node":{"properties":{"v":{"type":"integer"},"next":{"anyOf":[{"$ref":"#/definitions/node"},{"type":"null"}]}},"required":["v","next"]}}})",
       {R"({"v":1,"next":{"v":2,"next":null}})", R"({"v":1,"next":null})"},
       {R"({"v":1})", R"({"v":1,"next":{}})"}},
      {R"({"items":{"$ref":"#"}})", {"[]", "[[],[[]]]"}, {"[1]"}},
      {R"({"properties":{"a/b":{"$ref":"#/$defs/x~1y%20z"}},"$defs":{"x/y z":{"type":"null"}}})",
       {R"({"a/b":null})"},
       {R"({"a/b":1})"}},
      {R"({})", {"1", "{}", "[null]"}, {""}},
      {R"(true)", {"1", "{}"}, {""}},
      {R"({"title":"T","description":"d","default":3,"examples":[1],"x-order":1,"$comment":"c"})",
       {"1"},
       {}},
  });
}

TEST(JsonSchema, WhiteSpaceIsBounded) {
  const auto automaton = schema(R"({"type":"object"})");
  EXPECT_TRUE(accepts(automaton, "{\n" + std::string(32, ' ') + "\"a\": 1}"));
  EXPECT_FALSE(accepts(automaton, "{\n" + std::string(33, ' ') + "\"a\": 1}"));
  EXPECT_FALSE(accepts(automaton, "{  \"a\": 1}"));
  EXPECT_FALSE(accepts(automaton, "{\n\n\"a\": 1}"));
  EXPECT_FALSE(accepts(automaton, " {}"));
  EXPECT_FALSE(accepts(automaton, "{} "));
}

TEST(JsonSchema, ErrorsSayWhereAndWhat) {
  const std::vector<std::pair<const char*, const char*>> cases = {
      {"{", "json_schema: not JSON"},
      {"3", "json_schema: #: expected a schema: an object, true or false; found number"},
      {"false", "json_schema: #: false allows nothing"},
      {R"({"properties":{"a":{"type":"strin"}}})",
       R"(json_schema: #/properties/a/type: "strin" is none of object, array)"},
      {R"({"properties":{"a":{"not":{}}}})",
       "json_schema: #/properties/a: the keyword not is not supported"},
      {R"({"if":{}})", "the keyword if is not supported"},
      {R"({"patternProperties":{}})", "the keyword patternProperties is not supported"},
      {R"({"type":"array","uniqueItems":true})", "the keyword uniqueItems is not supported"},
      {R"({"type":"integer","multipleOf":2})", "the keyword multipleOf is not supported"},
      {R"({"requird":["a"]})", "the keyword requird is not supported"},
      {R"({"$ref":"other.json"})", "\"other.json\" is in another document"},
      {R"({"$ref":"#/$defs/none"})", "there is no #/$defs/none"},
      {R"({"type":"string","format":"email"})",
       "json_schema: #/format: \"email\" is not supported; date, time, date-time and uuid are"},
      {R"x({"type":"string","pattern":"(?=a)"})x", "json_schema: #/pattern: at byte 1"},
      {R"({"type":"string","pattern":"a\\b"})", "\\b is not supported"},
      {R"({"type":"string","pattern":"a^"})", "^ and $ may stand only at the ends"},
      {R"({"type":"string","pattern":"a","minLength":2})", "beside another bound"},
      {R"({"type":"string","minLength":3,"maxLength":2})",
       "minLength and maxLength must be counts"},
      {R"({"type":"integer","minimum":3,"maximum":2})",
       "no integer of at most 18 digits lies between 3 and 2"},
      {R"({"type":"number","minimum":"a"})", "#/minimum: expected a number"},
      {R"({"required":["a"],"properties":{},"additionalProperties":false})",
       "\"a\" is required, but"},
      {R"({"enum":[]})", "no value is left"},
      {R"({"enum":["a"],"minLength":2})", "minLength beside enum or const is not supported"},
      {R"({"allOf":[{"type":"integer"},{"type":"string"}]})",
       R"(type ("integer" and "string") have nothing in common)"},
      {R"({"allOf":[{"pattern":"a"},{"pattern":"b"}]})",
       "pattern (\"a\" and \"b\") cannot be joined"},
      {R"({"minItems":3,"prefixItems":[true]})", "minItems is 3, but only 1 items can be there"},
      {R"({"anyOf":[]})", "#/anyOf: expected a list of schemas"},
      {R"({"type":"string","maxLength":900000})", "too large"},
  };
  for (const auto& [text, message] : cases) {
    const std::string got = message_of<UsageError>([text = text] { schema(text); });
    EXPECT_NE(got.find(message), std::string::npos) << text << "\n" << got;
  }
}

}  // namespace
}  // namespace isthmus::grammar
