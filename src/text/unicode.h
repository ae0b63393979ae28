// The few Unicode properties that tokenizers need, and canonical composition (NFC).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "text/marked_text.h"

namespace isthmus::text {

// General category: the first letter is its group. kCn: no character.
enum class Category : uint8_t {
  kLu,
  kLl,
  kLt,
  kLm,
  kLo,
  kMn,
  kMc,
  kMe,
  kNd,
  kNl,
  kNo,
  kPc,
  kPd,
  kPs,
  kPe,
  kPi,
  kPf,
  kPo,
  kSm,
  kSc,
  kSk,
  kSo,
  kZs,
  kZl,
  kZp,
  kCc,
  kCf,
  kCs,
  kCo,
  kCn
};
using CategorySet = uint32_t;  // a bit for each
// The categories of "L", "Lu" …; 0: there are none of this name.
CategorySet categories_named(std::string_view name);
CategorySet category_bit(char32_t code_point);

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
struct CategoryRange {
  uint32_t first, last;
  Category category;
};
struct CombiningClass {
  uint32_t first, last;
  uint8_t value;
};
struct Decomposition {
  uint32_t code_point, first, second;  // second 0: a singleton
  bool composes;                       // false for composition exclusions
};
extern const std::span<const CategoryRange> kCategories;
extern const std::span<const CombiningClass> kCombiningClasses;
extern const std::span<const Decomposition> kDecompositions;
}  // namespace unicode_tables

}  // namespace isthmus::text
