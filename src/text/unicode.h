// The few Unicode properties that tokenizers need, and canonical composition (NFC).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "text/marked_text.h"

namespace isthmus::text {

bool is_letter(char32_t code_point);       // general category L*
bool is_number(char32_t code_point);       // general category N*
bool is_white_space(char32_t code_point);  // property White_Space
bool is_word_character(
    char32_t code_point);  // L*, M*, Nd, Nl, Pc: \w of the usual regular expressions

// As Python's str.strip.
std::string_view strip(std::string_view text);

// Normalization Form C (Unicode Annex 15). A composed character is trusted if all its parts are.
MarkedText to_nfc(const MarkedText& text);

// Generated tables (make_unicode_tables.py), sorted by code point.
namespace unicode_tables {
struct Range {
  uint32_t first, last;
};
struct CombiningClass {
  uint32_t first, last;
  uint8_t value;
};
struct Decomposition {
  uint32_t code_point, first, second;  // second 0: a singleton
  bool composes;                       // false for composition exclusions
};
extern const std::span<const Range> kLetters, kNumbers, kWordMarks;
extern const std::span<const CombiningClass> kCombiningClasses;
extern const std::span<const Decomposition> kDecompositions;
}  // namespace unicode_tables

}  // namespace isthmus::text
