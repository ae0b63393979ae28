#include "text/pattern.h"
#include "base/ordered_json.h"

#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/rng.h"
#include "error_message.h"
#include "text/byte_level.h"
#include "text/text_normalizers.h"
#include "text/utf8.h"
#include "text/word_cuts.h"

namespace isthmus::text {
namespace {

std::vector<std::string> matches(std::string_view expression, std::string_view text) {
  std::vector<std::string> found;
  for (const auto& [begin, end] : Pattern::parse(expression, "test").find_all(text))
    found.emplace_back(text.substr(begin, end - begin));
  return found;
}

TEST(Pattern, MatchesAsRegularExpressionsDo) {
  using Words = std::vector<std::string>;
  EXPECT_EQ(matches("abc|ab", "ababc"), (Words{"ab", "abc"}));  // the first branch that fits
  EXPECT_EQ(matches("ab|abc", "ababc"), (Words{"ab", "ab"}));
  EXPECT_EQ(matches("a{2,3}", "aaaaaaa"), (Words{"aaa", "aaa"}));
  EXPECT_EQ(matches("a{2}", "aaaaa"), (Words{"aa", "aa"}));
  EXPECT_EQ(matches("a{2,}", "aaaaa"), (Words{"aaaaa"}));
  EXPECT_EQ(matches("(ab){1,2}c?", "ababababc"), (Words{"abab", "ababc"}));
  EXPECT_EQ(matches("a+b", "aaac aab"), (Words{"aab"}));
  EXPECT_EQ(matches("a++a", "aaaa"), Words{});  // possessive: nothing is given back
  EXPECT_EQ(matches("(?>a+|b)a", "aaa ba"), (Words{"ba"}));
  EXPECT_EQ(matches("a*", "baac"), (Words{"aa"}));
  EXPECT_EQ(matches("(?:a|b)*c", "abac"), (Words{"abac"}));
  EXPECT_EQ(matches("x(?=y)", "xyxz"), (Words{"x"}));
  EXPECT_EQ(matches("x(?!y)", "xyxz"), (Words{"x"}));
  EXPECT_EQ(matches("\\s+(?!\\S)", "a   b "), (Words{"  ", " "}));
  EXPECT_EQ(matches("\\s+$", "a  b \n"), (Words{" \n"}));
  EXPECT_EQ(matches("^a", "aa\na"), (Words{"a", "a"}));
  EXPECT_EQ(matches("(?i:'S|'ll)", "'s'S'LL'\u017f"), (Words{"'s", "'S", "'LL", "'\u017f"}));
  EXPECT_EQ(matches("(?i)ab|C", "aBc"), (Words{"aB", "c"}));
  EXPECT_EQ(matches("[^\\s\\p{L}]+", "ab1, 2é"), (Words{"1,", "2"}));
  EXPECT_EQ(matches("[]a-c^-]+", "x]b^-d"), (Words{"]b^-"}));
  EXPECT_EQ(matches("\\p{Lu}\\p{Ll}+", "AbcDéÉ"), (Words{"Abc", "Dé"}));
  EXPECT_EQ(matches("\\P{L}+", "ab12c"), (Words{"12"}));
  EXPECT_EQ(matches("\\p{^L}+", "ab12c"), (Words{"12"}));
  EXPECT_EQ(matches("\\d{1,3}", "1234٣"), (Words{"123", "4٣"}));
  EXPECT_EQ(matches("a.c", "abc a\nc aéc"), (Words{"abc", "aéc"}));
  EXPECT_EQ(matches("a{,2}b{x}", "aaab{x}"), (Words{"aab{x}"}));
}

TEST(Pattern, WhatIsNoExpressionOrNotKnownIsRefusedByItsPlace) {
  const auto refused = [](std::string_view expression, std::string_view part) {
    const std::string message =
        message_of([&] { Pattern::parse(expression, "tokenizer.json: pattern"); });
    EXPECT_TRUE(message.starts_with("tokenizer.json: pattern: ")) << message;
    EXPECT_NE(message.find(part), std::string::npos) << message;
  };
  refused("(a", "a \"(\" without its \")\"");
  refused("a)", "a \")\" without its \"(\"");
  refused("[a", "ends too early");
  refused("*a", "a repeat of nothing");
  refused("a\\", "ends too early");
  refused("[z-a]", "a range from more to less");
  refused("a{3,2}", "a count from more to less");
  refused("\xff", "no UTF-8");
  refused("\\p{Han}", "a property other than a general category");
  refused("\\p", "expected \\p{");
  refused("\\1", "\\1 at byte");
  refused("a+?", "a lazy repeat");
  refused("(a*)*", "a repeat of what may be empty");
  refused("(?<x>a)", "this kind of group");
  refused("a{1001}", "a count of so many");
  refused("((((a{99}){99}){99}){99}){99}", "an expression of so many parts");
  refused(std::string(500, '('), "nesting so deep");
}

TEST(Pattern, OneThatBacktracksWithoutEndIsGivenUp) {
  const auto hostile = Pattern::parse("(a|a)+b", "tokenizer.json: pattern");
  EXPECT_EQ(message_of([&] { hostile.find_all(std::string(40, 'a')); }),
            "tokenizer.json: pattern: the regular expression backtracks without end");
}

// A second implementation of the one expression that has its own.
TEST(Pattern, CutsAsGpt2sOwnFunction) {
  const auto pattern = Pattern::parse(
      "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+", "test");
  const std::vector<std::string> parts = {"a",  "B",  "é",  "中", "1", "²", " ", "  ", "\n",
                                          "\t", "'s", "'t", "'",  "!", "…", "🚀", "́",   "\u00a0"};
  Rng rng(11);
  for (int round = 0; round < 2000; ++round) {
    std::string text;
    for (uint64_t n = rng.next() % 20; n > 0; --n) text += parts[rng.next() % parts.size()];
    std::vector<std::string_view> found;
    for (const auto& [begin, end] : pattern.find_all(text))
      found.push_back(std::string_view(text).substr(begin, end - begin));
    ASSERT_EQ(found, gpt2_split(text)) << text;
  }
}

// ---- the expressions of models

struct RecordedCuts {
  const char* name;
  std::vector<std::string> texts;  // words apart by ¦
};

// clang-format off
const std::vector<std::string> kCutTexts = {
    "Hello World's DON'T I'LL",
    " can't  WE'VE'll",
    "3.14 12345678 a1b22 x²⅓ ٣٤",
    "Größe ÉCOLE naïve été Straße ǅ",
    "中文和日本語カタカナ 한국어。“引用”！",
    "tab\t\tend \n\n  next\r\n\r\n x",
    "   ",
    "a \n b  \n\n",
    "don’t 'Tis ''s'D",
    "camelCase HTTPServer iPhone XMLHttp2Request",
    "$9.99+<tag>/path/x_y=={}[]!!?\n/\n",
    "Здравствуй, мир… العربية، हिन्दी",
    "🚀👩\u200d💻 ok\u00a0nbsp\u3000wide",
    "Հայերեն ქართული, abc",
};

const std::vector<RecordedCuts> kRecordedCuts = {
    {"gpt-2",
     {
         "Hello¦ World¦'s¦ DON¦'¦T¦ I¦'¦LL",
         " can¦'t¦ ¦ WE¦'¦VE¦'ll",
         "3¦.¦14¦ 12345678¦ a¦1¦b¦22¦ x¦²⅓¦ ٣٤",
         "Größe¦ ÉCOLE¦ naïve¦ e¦́¦te¦́¦ Straße¦ ǅ",
         "中文和日本語カタカナ¦ 한국어¦。“¦引用¦”！",
         "tab¦\t¦\t¦end¦ \n\n ¦ next¦\r\n\r\n¦ x",
         "   ",
         "a¦ \n¦ b¦  \n\n",
         "don¦’¦t¦ '¦Tis¦ ''¦s¦'¦D",
         "camelCase¦ HTTPServer¦ iPhone¦ XMLHttp¦2¦Request",
         "$¦9¦.¦99¦+<¦tag¦>/¦path¦/¦x¦_¦y¦=={}[]!!?¦\n¦/¦\n",
         "Здравствуй¦,¦ мир¦…¦ العربية¦،¦ ह¦ि¦न¦्¦द¦ी",
         "🚀👩\u200d💻¦ ok¦\u00a0¦nbsp¦\u3000¦wide",
         "Հայերեն¦ ქართული¦,¦ abc",
     }},
    {"starcoder",
     {
         "Hello¦ World¦'s¦ DON¦'¦T¦ I¦'¦LL",
         " can¦'t¦ ¦ WE¦'¦VE¦'ll",
         "3¦.¦1¦4¦ ¦1¦2¦3¦4¦5¦6¦7¦8¦ a¦1¦b¦2¦2¦ x¦²¦⅓¦ ¦٣¦٤",
         "Größe¦ ÉCOLE¦ naïve¦ e¦́¦te¦́¦ Straße¦ ǅ",
         "中文和日本語カタカナ¦ 한국어¦。“¦引用¦”！",
         "tab¦\t¦\t¦end¦ \n\n ¦ next¦\r\n\r\n¦ x",
         "   ",
         "a¦ \n¦ b¦  \n\n",
         "don¦’¦t¦ '¦Tis¦ ''¦s¦'¦D",
         "camelCase¦ HTTPServer¦ iPhone¦ XMLHttp¦2¦Request",
         "$¦9¦.¦9¦9¦+<¦tag¦>/¦path¦/¦x¦_¦y¦=={}[]!!?¦\n¦/¦\n",
         "Здравствуй¦,¦ мир¦…¦ العربية¦،¦ ह¦ि¦न¦्¦द¦ी",
         "🚀👩\u200d💻¦ ok¦\u00a0¦nbsp¦\u3000¦wide",
         "Հայերեն¦ ქართული¦,¦ abc",
     }},
    {"falcon",
     {
         "Hello¦ World¦'¦s¦ DON¦'¦T¦ I¦'¦LL",
         " can¦'¦t¦ ¦ WE¦'¦VE¦'¦ll",
         "3¦.¦14¦ ¦123¦456¦78¦ a¦1¦b¦22¦ x¦²⅓¦ ٣٤",
         "Größe¦ ÉCOLE¦ naïve¦ e¦́¦te¦́¦ Straße¦ ǅ",
         "中文和日本語カタカナ¦ 한국어¦。“¦引用¦”！",
         "tab¦\t¦\t¦end¦ \n\n ¦ next¦\r\n\r\n¦ x",
         "   ",
         "a¦ \n¦ b¦  \n\n",
         "don¦’¦t¦ ¦'¦Tis¦ ¦''¦s¦'¦D",
         "camelCase¦ HTTPServer¦ iPhone¦ XMLHttp¦2¦Request",
         "$¦9¦.¦99¦+<¦tag¦>/¦path¦/¦x¦_¦y¦=={}[]!!?¦\n¦/¦\n",
         "Здравствуй¦,¦ мир¦…¦ العربية¦،¦ ह¦ि¦न¦्¦द¦ी",
         "🚀👩\u200d💻¦ ok¦\u00a0¦nbsp¦\u3000¦wide",
         "Հայերեն¦ ქართული¦,¦ abc",
     }},
    {"llama-bpe",
     {
         "Hello¦ World¦'s¦ DON¦'T¦ I¦'LL",
         " can¦'t¦ ¦ WE¦'VE¦'ll",
         "3¦.¦14¦ ¦123¦456¦78¦ a¦1¦b¦22¦ x¦²⅓¦ ¦٣٤",
         "Größe¦ ÉCOLE¦ naïve¦ e¦́te¦́¦ Straße¦ ǅ",
         "中文和日本語カタカナ¦ 한국어¦。“¦引用¦”！",
         "tab¦\t¦\tend¦ \n\n¦ ¦ next¦\r\n\r\n¦ x",
         "   ",
         "a¦ \n¦ b¦  \n\n",
         "don¦’t¦ '¦Tis¦ ''¦s¦'D",
         "camelCase¦ HTTPServer¦ iPhone¦ XMLHttp¦2¦Request",
         "$¦9¦.¦99¦+<¦tag¦>/¦path¦/x¦_y¦=={}[]!!?\n¦/\n",
         "Здравствуй¦,¦ мир¦…¦ العربية¦،¦ ह¦िन¦्द¦ी",
         "🚀👩\u200d💻¦ ok¦\u00a0nbsp¦\u3000wide",
         "Հայերեն¦ ქართული¦,¦ abc",
     }},
    {"qwen2",
     {
         "Hello¦ World¦'s¦ DON¦'T¦ I¦'LL",
         " can¦'t¦ ¦ WE¦'VE¦'ll",
         "3¦.¦1¦4¦ ¦1¦2¦3¦4¦5¦6¦7¦8¦ a¦1¦b¦2¦2¦ x¦²¦⅓¦ ¦٣¦٤",
         "Größe¦ ÉCOLE¦ naïve¦ e¦́te¦́¦ Straße¦ ǅ",
         "中文和日本語カタカナ¦ 한국어¦。“¦引用¦”！",
         "tab¦\t¦\tend¦ \n\n¦ ¦ next¦\r\n\r\n¦ x",
         "   ",
         "a¦ \n¦ b¦  \n\n",
         "don¦’t¦ '¦Tis¦ ''¦s¦'D",
         "camelCase¦ HTTPServer¦ iPhone¦ XMLHttp¦2¦Request",
         "$¦9¦.¦9¦9¦+<¦tag¦>/¦path¦/x¦_y¦=={}[]!!?\n¦/\n",
         "Здравствуй¦,¦ мир¦…¦ العربية¦،¦ ह¦िन¦्द¦ी",
         "🚀👩\u200d💻¦ ok¦\u00a0nbsp¦\u3000wide",
         "Հայերեն¦ ქართული¦,¦ abc",
     }},
    {"qwen35",
     {
         "Hello¦ World¦'s¦ DON¦'T¦ I¦'LL",
         " can¦'t¦ ¦ WE¦'VE¦'ll",
         "3¦.¦1¦4¦ ¦1¦2¦3¦4¦5¦6¦7¦8¦ a¦1¦b¦2¦2¦ x¦²¦⅓¦ ¦٣¦٤",
         "Größe¦ ÉCOLE¦ naïve¦ été¦ Straße¦ ǅ",
         "中文和日本語カタカナ¦ 한국어¦。“¦引用¦”！",
         "tab¦\t¦\tend¦ \n\n¦ ¦ next¦\r\n\r\n¦ x",
         "   ",
         "a¦ \n¦ b¦  \n\n",
         "don¦’t¦ '¦Tis¦ ''¦s¦'D",
         "camelCase¦ HTTPServer¦ iPhone¦ XMLHttp¦2¦Request",
         "$¦9¦.¦9¦9¦+<¦tag¦>/¦path¦/x¦_y¦=={}[]!!?\n¦/\n",
         "Здравствуй¦,¦ мир¦…¦ العربية¦،¦ हिन्दी",
         "🚀👩\u200d💻¦ ok¦\u00a0nbsp¦\u3000wide",
         "Հայերեն¦ ქართული¦,¦ abc",
     }},
    {"tekken",
     {
         "Hello¦ World¦'s¦ DON¦'T¦ I¦'LL",
         " can¦'t¦ ¦ WE¦'VE¦'ll",
         "3¦.¦1¦4¦ ¦1¦2¦3¦4¦5¦6¦7¦8¦ a¦1¦b¦2¦2¦ x¦²¦⅓¦ ¦٣¦٤",
         "Größe¦ ÉCOLE¦ naïve¦ été¦ Straße¦ ǅ",
         "中文和日本語カタカナ¦ 한국어¦。“¦引用¦”！",
         "tab¦\t¦\tend¦ \n\n¦ ¦ next¦\r\n\r\n¦ x",
         "   ",
         "a¦ \n¦ b¦  \n\n",
         "don¦’t¦ '¦Tis¦ ''¦s¦'D",
         "camel¦Case¦ HTTPServer¦ i¦Phone¦ XMLHttp¦2¦Request",
         "$¦9¦.¦9¦9¦+<¦tag¦>/¦path¦/x¦_y¦=={}[]!!?\n/\n",
         "Здравствуй¦,¦ мир¦…¦ العربية¦،¦ हिन्दी",
         "🚀👩\u200d💻¦ ok¦\u00a0nbsp¦\u3000wide",
         "Հայերեն¦ ქართული¦,¦ abc",
     }},
    {"gpt-4o",
     {
         "Hello¦ World's¦ DON'T¦ I'LL",
         " can't¦ ¦ WE'VE¦'ll",
         "3¦.¦14¦ ¦123¦456¦78¦ a¦1¦b¦22¦ x¦²⅓¦ ¦٣٤",
         "Größe¦ ÉCOLE¦ naïve¦ été¦ Straße¦ ǅ",
         "中文和日本語カタカナ¦ 한국어¦。“¦引用¦”！",
         "tab¦\t¦\tend¦ \n\n¦ ¦ next¦\r\n\r\n¦ x",
         "   ",
         "a¦ \n¦ b¦  \n\n",
         "don¦’t¦ '¦Tis¦ ''¦s'D",
         "camel¦Case¦ HTTPServer¦ i¦Phone¦ XMLHttp¦2¦Request",
         "$¦9¦.¦99¦+<¦tag¦>/¦path¦/x¦_y¦=={}[]!!?\n/\n",
         "Здравствуй¦,¦ мир¦…¦ العربية¦،¦ हिन्दी",
         "🚀👩\u200d💻¦ ok¦\u00a0nbsp¦\u3000wide",
         "Հայերեն¦ ქართული¦,¦ abc",
     }},
    {"bloom",
     {
         "Hello¦ World's¦ DON'T¦ I'LL",
         " can't¦ ¦ WE'VE'll",
         "3¦.¦14¦ 12345678¦ a1b22¦ x²⅓¦ ٣٤",
         "Größe¦ ÉCOLE¦ naïve¦ été¦ Straße¦ ǅ",
         "中文和日本語カタカナ¦ 한국어¦。¦“引用”！",
         "tab¦\t\t¦end¦ \n\n ¦ next¦\r\n\r\n¦ x",
         "   ",
         "a¦ \n¦ b¦  \n\n",
         "don’t¦ 'Tis¦ ''s'D",
         "camelCase¦ HTTPServer¦ iPhone¦ XMLHttp2Request",
         "$9¦.¦99+<tag>/path/x_y=={}[]¦!!?\n¦/¦\n",
         "Здравствуй¦,¦ мир¦…¦ العربية¦،¦ हिन्दी",
         "🚀👩\u200d💻¦ ok¦\u00a0¦nbsp¦\u3000¦wide",
         "Հայերեն¦ ქართული¦,¦ abc",
     }},
    {"viking",
     {
         "Hello¦ World's¦ DON'T¦ I'LL",
         " can't¦ ¦ WE'VE'll",
         "3¦.¦1¦4¦ ¦1¦2¦3¦4¦5¦6¦7¦8¦ a¦1¦b¦2¦2¦ x¦²¦⅓¦ ¦٣¦٤",
         "Größe¦ ÉCOLE¦ naïve¦ été¦ Straße¦ ǅ",
         "中文和日本語カタカナ¦ 한국어¦。¦“引用”！",
         "tab¦\t\t¦end¦ \n\n ¦ next¦\r\n\r\n¦ x",
         "   ",
         "a¦ \n¦ b¦  \n\n",
         "don’t¦ 'Tis¦ ''s'D",
         "camelCase¦ HTTPServer¦ iPhone¦ XMLHttp¦2¦Request",
         "$¦9¦.¦9¦9¦+<tag>/path/x_y=={}[]¦!!?\n¦/¦\n",
         "Здравствуй¦,¦ мир¦…¦ العربية¦،¦ हिन्दी",
         "🚀👩\u200d💻¦ ok¦\u00a0¦nbsp¦\u3000¦wide",
         "Հայերեն¦ ქართული¦,¦ abc",
     }},
    {"deepseek-llm",
     {
         "Hello¦ World¦'¦s¦ DON¦'¦T¦ I¦'¦LL",
         " can¦'¦t¦ ¦ WE¦'¦VE¦'¦ll",
         "3¦.¦14¦ ¦12345678¦ a¦1¦b¦22¦ x¦²¦⅓¦ ¦٣٤",
         "Gr¦öß¦e¦ É¦COLE¦ na¦ï¦ve¦ e¦́¦te¦́¦ Stra¦ß¦e¦ ǅ",
         "中文和日本語カタカナ¦ ¦한국어¦。“¦引用¦”¦！",
         "tab¦\t¦\tend¦ ¦\n¦\n¦ ¦ next¦\r¦\n¦\r¦\n¦ x",
         "   ",
         "a¦ ¦\n¦ b¦  ¦\n¦\n",
         "don¦’¦t¦ '¦Tis¦ ''¦s¦'¦D",
         "camelCase¦ HTTPServer¦ iPhone¦ XMLHttp¦2¦Request",
         "$¦9¦.¦99¦+<¦tag¦>/¦path¦/¦x¦_¦y¦=={}[]!!?¦\n¦/¦\n",
         "Здравствуй¦,¦ мир¦…¦ العربية، ¦हिन्दी",
         "🚀👩¦\u200d¦💻¦ ok¦\u00a0nbsp¦\u3000¦wide",
         "Հ¦այերեն ¦ქართული¦,¦ abc",
     }},
    {"deepseek-coder",
     {
         "Hello¦ World¦'¦s¦ DON¦'¦T¦ I¦'¦LL",
         " can¦'¦t¦ ¦ WE¦'¦VE¦'¦ll",
         "3¦.¦1¦4¦ ¦1¦2¦3¦4¦5¦6¦7¦8¦ a¦1¦b¦2¦2¦ x¦²¦⅓¦ ¦٣¦٤",
         "Größe¦ ÉCOLE¦ naïve¦ e¦́¦te¦́¦ Straße¦ ǅ",
         "中文和日本語カタカナ¦ ¦한국어¦。“¦引用¦”¦！",
         "tab¦\t¦\tend¦ ¦\n¦\n¦ ¦ next¦\r¦\n¦\r¦\n¦ x",
         "   ",
         "a¦ ¦\n¦ b¦  ¦\n¦\n",
         "don¦’¦t¦ '¦Tis¦ ''¦s¦'¦D",
         "camelCase¦ HTTPServer¦ iPhone¦ XMLHttp¦2¦Request",
         "$¦9¦.¦9¦9¦+<¦tag¦>¦/¦path¦/¦x¦_¦y¦==¦{}[]!!?¦\n¦/¦\n",
         "Здравствуй¦,¦ мир¦…¦ العربية¦،¦ ¦ह¦ि¦न¦्¦द¦ी",
         "🚀👩¦\u200d¦💻¦ ok¦\u00a0nbsp¦\u3000¦wide",
         "Հայերեն¦ ¦ქართული¦,¦ abc",
     }},
    {"deepseek-v3",
     {
         "Hello¦ World¦'s¦ DON¦'T¦ I¦'LL",
         " can¦'t¦ ¦ WE¦'VE¦'ll",
         "3¦.¦14¦ ¦123¦456¦78¦ a¦1¦b¦22¦ x¦²⅓¦ ¦٣٤",
         "Größe¦ ÉCOLE¦ naïve¦ été¦ Straße¦ ǅ",
         "中文和日本語カタカナ¦ 한국어¦。“¦引用¦”！",
         "tab¦\t¦\tend¦ \n\n¦ ¦ next¦\r\n\r\n¦ x",
         "   ",
         "a¦ \n¦ b¦  \n\n",
         "don¦’¦t¦ '¦Tis¦ ''¦s¦'D",
         "camelCase¦ HTTPServer¦ iPhone¦ XMLHttp¦2¦Request",
         "$¦9¦.¦99¦+<¦tag¦>/¦path¦/x¦_y¦=={}[]!!?\n¦/\n",
         "Здравствуй¦,¦ мир¦…¦ العربية¦،¦ हिन्दी",
         "🚀👩¦\u200d¦💻¦ ok¦\u00a0nbsp¦\u3000wide",
         "Հայերեն¦ ქართული¦,¦ abc",
     }},
};
// clang-format on

// What Python's `regex` makes of the expressions that llama.cpp holds or, where it replaces them by
// others, says they were.
TEST(WordCuts, AreThoseOfTheReference) {
  for (const RecordedCuts& recorded : kRecordedCuts) {
    const WordCuts* cuts = find_word_cuts(recorded.name);
    ASSERT_NE(cuts, nullptr) << recorded.name;
    const auto pre_tokenizer =
        PreTokenizer::parse(JsonView::of(pre_tokenizer_json(*cuts, false), "test"));
    ASSERT_EQ(recorded.texts.size(), kCutTexts.size());
    for (size_t i = 0; i < kCutTexts.size(); ++i) {
      std::vector<std::string> words;
      for (const auto& word : pre_tokenizer->apply({{kCutTexts[i], true}}))
        words.push_back(byte_level_decode(word.text));
      EXPECT_EQ(fmt::format("{}", fmt::join(words, "¦")), recorded.texts[i]) << recorded.name;
    }
  }
}

TEST(WordCuts, EveryExpressionIsRead) {
  for (const std::string_view name : word_cut_names()) {
    const auto pre_tokenizer =
        PreTokenizer::parse(JsonView::of(pre_tokenizer_json(*find_word_cuts(name), false), "test"));
    std::string joined;
    for (const auto& word : pre_tokenizer->apply({{"Some words, 12 of them.\n", true}}))
      joined += byte_level_decode(word.text);
    EXPECT_EQ(joined, "Some words, 12 of them.\n") << name;
  }
  EXPECT_EQ(find_word_cuts("nonsense"), nullptr);
}

TEST(WordCuts, ASplitOfTokenizerJsonMayBeInverted) {
  const auto words_of = [](const nlohmann::json& json) {
    std::vector<std::string> words;
    for (const auto& word :
         PreTokenizer::parse(JsonView::of(json, "test"))->apply({{"ab 12 c", true}}))
      words.push_back(word.text);
    return words;
  };
  nlohmann::json split = {{"type", "Split"},
                          {"pattern", {{"Regex", "[a-z]+|\\d+"}}},
                          {"behavior", "Removed"},
                          {"invert", true}};
  EXPECT_EQ(words_of(split), (std::vector<std::string>{"ab", "12", "c"}));
  split["invert"] = false;
  EXPECT_EQ(words_of(split), (std::vector<std::string>{" ", " "}));
}

}  // namespace
}  // namespace isthmus::text
