// How the Penn Treebank tokenizer sees single characters.
#pragma once

#include <string>
#include <string_view>

namespace isthmus::metrics {

enum class PtbClass {
  kOther,   // not tabulated: dropped, but it ends a word
  kLetter,  // letters of all scripts, and digits other than 0 to 9
  kMark,    // combining marks and modifiers: inside words, but not beside digits
  kSymbol,  // a token of its own
};

// Of a character outside ASCII. Tabulated for the Basic Multilingual Plane by what the tokenizer of
// Stanford CoreNLP 3.4.1 does with each; it drops the characters beyond, emoji among them.
PtbClass ptb_class_of(char32_t c);

// Of one character by itself; itself where the lower case is two characters.
char32_t ptb_lower_case(char32_t c);

inline constexpr char32_t kReplacement = 0xFFFD;

// The characters of `bytes`; every byte that is not part of valid UTF-8 becomes kReplacement.
std::u32string decode_utf8(std::string_view bytes);
void append_utf8(char32_t c, std::string& out);

}  // namespace isthmus::metrics
