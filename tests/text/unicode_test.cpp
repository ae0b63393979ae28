#include "text/unicode.h"
#include "text/utf8.h"
#include "text_testing.h"

namespace isthmus::text {
namespace {

TEST(Utf8, InvalidBytesAreReplacedAsPythonDoes) {
  // Right-hand sides: bytes.decode(errors="replace") of Python 3.
  EXPECT_EQ(replace_invalid_utf8("a\xFFz"), "a\uFFFDz");
  EXPECT_EQ(replace_invalid_utf8("\xE2\x96z"), "\uFFFDz");
  EXPECT_EQ(replace_invalid_utf8("\xE2\x96"), "\uFFFD");
  EXPECT_EQ(replace_invalid_utf8("\xF0\x9F\x98"), "\uFFFD");
  EXPECT_EQ(replace_invalid_utf8("\xE0\x80\x80"), "\uFFFD\uFFFD\uFFFD");
  EXPECT_EQ(replace_invalid_utf8("\xED\xA0\x80"), "\uFFFD\uFFFD\uFFFD");
  EXPECT_EQ(replace_invalid_utf8("\xF4\x90\x80\x80"), "\uFFFD\uFFFD\uFFFD\uFFFD");
  EXPECT_EQ(replace_invalid_utf8("\xC0\xAF\x80"), "\uFFFD\uFFFD\uFFFD");
  EXPECT_EQ(replace_invalid_utf8("\xF0\x9F\x98\x80\xF4\x8F\xBF\xBF"),
            "\xF0\x9F\x98\x80\xF4\x8F\xBF\xBF");
}

TEST(Utf8, AStreamCutAnywhereGivesTheSameText) {
  const std::string bytes = "a\xE2\x96\x81\xE2\x96z\xF0\x9F\x98\x80\xED\xA0\xF0\x9F";
  for (size_t cut = 0; cut <= bytes.size(); ++cut) {
    Utf8Stream stream;
    std::string out;
    stream.push(bytes.substr(0, cut), out);
    EXPECT_TRUE(is_valid_utf8(out));
    stream.push(bytes.substr(cut), out);
    stream.finish(out);
    EXPECT_EQ(out, replace_invalid_utf8(bytes)) << cut;
  }
}

TEST(Unicode, CategoriesAreThoseOfTheStandard) {
  for (const char32_t c : {U'a', U'é', U'日', U'א', U'Ω', char32_t{0x20000}})
    EXPECT_TRUE(is_letter(c));
  for (const char32_t c : {U'1', U'-', U' ', char32_t{0x301}, char32_t{0x1F600}})
    EXPECT_FALSE(is_letter(c));
  for (const char32_t c : {U'7', U'²', U'Ⅷ', U'٣', U'½'}) EXPECT_TRUE(is_number(c));
  for (const char32_t c : {U' ', U'\t', char32_t{0xA0}, char32_t{0x3000}, char32_t{0x2003}})
    EXPECT_TRUE(is_white_space(c));
  for (const char32_t c : {char32_t{0x200B}, char32_t{0x1C}, U'a'}) EXPECT_FALSE(is_white_space(c));
}

TEST(Unicode, StripIsPythons) {
  EXPECT_EQ(strip(" \t\x1c a \u3000b\u2003\n"), "a \u3000b");
  EXPECT_EQ(strip("\u00a0\u0085"), "");
  EXPECT_EQ(strip("\u200ba"), "\u200ba");
}

std::string nfc(const std::string& text) {
  MarkedText marked;
  marked.append(text, false);
  return to_nfc(marked).text;
}

TEST(Unicode, NfcComposesAsTheStandardSays) {
  EXPECT_EQ(nfc("plain"), "plain");
  EXPECT_EQ(nfc("e\u0301"), "\u00E9");
  EXPECT_EQ(nfc("e\u0301\u0301"), "\u00E9\u0301");
  EXPECT_EQ(nfc("a\u0323\u0302"), "\u1EAD");  // both orders of the marks
  EXPECT_EQ(nfc("a\u0302\u0323"), "\u1EAD");
  EXPECT_EQ(nfc("\u1100\u1161\u11A8"), "\uAC01");  // Hangul
  EXPECT_EQ(nfc("\uAC00\u11A8"), "\uAC01");
  EXPECT_EQ(nfc("\u2126"), "\u03A9");        // Ohm sign: a singleton
  EXPECT_EQ(nfc("\u0958"), "\u0915\u093C");  // a composition exclusion
  EXPECT_EQ(nfc("\u0301e"), "\u0301e");
}

TEST(Unicode, AComposedCharacterIsTrustedOnlyIfAllPartsAre) {
  MarkedText text;
  text.append("<e", true);
  text.append("\u0301>", false);
  const MarkedText composed = to_nfc(text);
  EXPECT_EQ(composed.text, "<\u00E9>");
  EXPECT_EQ(composed.trusted, std::string("\1\0\0\0", 4));
}

}  // namespace
}  // namespace isthmus::text
