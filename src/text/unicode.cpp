#include "text/unicode.h"

#include <algorithm>
#include <array>
#include <initializer_list>
#include <vector>

#include "text/utf8.h"

namespace isthmus::text {

namespace {

// In the order of Category.
constexpr std::array<std::string_view, 30> kCategoryNames = {
    "Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Me", "Nd", "Nl", "No", "Pc", "Pd", "Ps", "Pe",
    "Pi", "Pf", "Po", "Sm", "Sc", "Sk", "So", "Zs", "Zl", "Zp", "Cc", "Cf", "Cs", "Co", "Cn"};

constexpr CategorySet set_of(std::initializer_list<Category> categories) {
  CategorySet set = 0;
  for (const Category category : categories) set |= CategorySet{1} << static_cast<int>(category);
  return set;
}
constexpr CategorySet kLetters =
    set_of({Category::kLu, Category::kLl, Category::kLt, Category::kLm, Category::kLo});
constexpr CategorySet kNumbers = set_of({Category::kNd, Category::kNl, Category::kNo});
constexpr CategorySet kWordCharacters =
    kLetters | set_of({Category::kMn, Category::kMc, Category::kMe, Category::kNd, Category::kNl,
                       Category::kPc});

// Hangul syllables are composed by arithmetic (Unicode 15, section 3.12).
constexpr char32_t kHangulFirst = 0xAC00, kLeadFirst = 0x1100, kVowelFirst = 0x1161,
                   kTailFirst = 0x11A7;
constexpr char32_t kLeads = 19, kVowels = 21, kTails = 28, kSyllables = kLeads * kVowels * kTails;

template <typename Entry>
const Entry* find_range(std::span<const Entry> table, char32_t c) {
  const auto after =
      std::upper_bound(table.begin(), table.end(), c,
                       [](char32_t value, const Entry& e) { return value < e.first; });
  if (after == table.begin()) return nullptr;
  const Entry& entry = *std::prev(after);
  return c <= entry.last ? &entry : nullptr;
}

struct Marked {
  char32_t code_point;
  bool trusted;
  uint8_t combining_class;
};

uint8_t combining_class(char32_t c) {
  if (c < 0x300) return 0;
  const auto* entry = find_range(unicode_tables::kCombiningClasses, c);
  return entry ? entry->value : 0;
}

void decompose(char32_t c, bool trusted, std::vector<Marked>& out) {
  if (c >= kHangulFirst && c < kHangulFirst + kSyllables) {
    const char32_t index = c - kHangulFirst;
    out.push_back({kLeadFirst + index / (kVowels * kTails), trusted, 0});
    out.push_back({kVowelFirst + index % (kVowels * kTails) / kTails, trusted, 0});
    if (index % kTails != 0) out.push_back({kTailFirst + index % kTails, trusted, 0});
    return;
  }
  const auto table = unicode_tables::kDecompositions;
  const auto found =
      std::lower_bound(table.begin(), table.end(), c,
                       [](const auto& entry, char32_t value) { return entry.code_point < value; });
  if (c < 0xC0 || found == table.end() || found->code_point != c) {
    out.push_back({c, trusted, combining_class(c)});
    return;
  }
  decompose(found->first, trusted, out);  // at most four levels deep in Unicode's own data
  if (found->second != 0) decompose(found->second, trusted, out);
}

// (first, second) -> composed, sorted; built once from the decompositions.
struct Composition {
  uint32_t first, second, composed;
};

const std::vector<Composition>& compositions() {
  static const std::vector<Composition> table = [] {
    std::vector<Composition> built;
    for (const auto& d : unicode_tables::kDecompositions)
      if (d.composes && d.second != 0) built.push_back({d.first, d.second, d.code_point});
    std::sort(built.begin(), built.end(), [](const Composition& a, const Composition& b) {
      return std::pair(a.first, a.second) < std::pair(b.first, b.second);
    });
    return built;
  }();
  return table;
}

// 0 when the two do not compose.
char32_t compose(char32_t first, char32_t second) {
  if (first >= kLeadFirst && first < kLeadFirst + kLeads && second >= kVowelFirst &&
      second < kVowelFirst + kVowels)
    return kHangulFirst + ((first - kLeadFirst) * kVowels + (second - kVowelFirst)) * kTails;
  if (first >= kHangulFirst && first < kHangulFirst + kSyllables &&
      (first - kHangulFirst) % kTails == 0 && second > kTailFirst && second < kTailFirst + kTails)
    return first + (second - kTailFirst);
  const auto& table = compositions();
  const auto found = std::lower_bound(
      table.begin(), table.end(), std::pair<uint32_t, uint32_t>(first, second),
      [](const Composition& c, const auto& key) { return std::pair(c.first, c.second) < key; });
  if (found == table.end() || found->first != first || found->second != second) return 0;
  return found->composed;
}

}  // namespace

CategorySet categories_named(std::string_view name) {
  CategorySet found = 0;
  for (size_t i = 0; i < kCategoryNames.size(); ++i)
    if (!name.empty() && kCategoryNames[i].starts_with(name)) found |= CategorySet{1} << i;
  return found;
}

CategorySet category_bit(char32_t c) {
  const auto* entry = find_range(unicode_tables::kCategories, c);
  return CategorySet{1} << static_cast<int>(entry ? entry->category : Category::kCn);
}

bool is_letter(char32_t c) { return (category_bit(c) & kLetters) != 0; }
bool is_number(char32_t c) { return (category_bit(c) & kNumbers) != 0; }
bool is_word_character(char32_t c) { return (category_bit(c) & kWordCharacters) != 0; }

bool is_white_space(char32_t c) {
  return (c >= 0x09 && c <= 0x0D) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
         c == 0x3000;
}

std::string_view strip(std::string_view text) {
  // Also the four separators that are white space to Python and not to Unicode.
  const auto is_stripped = [](char32_t c) { return is_white_space(c) || (c >= 0x1C && c <= 0x1F); };
  while (!text.empty()) {
    const Utf8Char first = decode_utf8(text, 0);
    if (!is_stripped(first.code_point)) break;
    text.remove_prefix(first.length);
  }
  while (!text.empty()) {
    size_t start = text.size() - 1;
    while (start > 0 && (static_cast<unsigned char>(text[start]) & 0xC0) == 0x80) --start;
    if (!is_stripped(decode_utf8(text, start).code_point)) break;
    text.remove_suffix(text.size() - start);
  }
  return text;
}

MarkedText to_nfc(const MarkedText& text) {
  // Everything below U+0300 is already composed and combines with nothing below U+0300.
  const auto is_plain = [](char c) { return static_cast<unsigned char>(c) < 0xCC; };
  if (std::all_of(text.text.begin(), text.text.end(), is_plain)) return text;

  std::vector<Marked> chars;
  chars.reserve(text.text.size());
  for (size_t i = 0; i < text.text.size();) {
    const Utf8Char c = decode_utf8(text.text, i);
    decompose(c.code_point, text.all_trusted(i, i + c.length), chars);
    i += c.length;
  }
  // Canonical order: runs of non-starters sorted by combining class, stably.
  for (size_t i = 0; i < chars.size();) {
    size_t end = i;
    while (end < chars.size() && chars[end].combining_class != 0) ++end;
    std::stable_sort(
        chars.begin() + static_cast<ptrdiff_t>(i), chars.begin() + static_cast<ptrdiff_t>(end),
        [](const Marked& a, const Marked& b) { return a.combining_class < b.combining_class; });
    i = std::max(end, i + 1);
  }
  // Each character joins the last starter unless one of its class or higher stands between them.
  std::vector<Marked> out;
  out.reserve(chars.size());
  ptrdiff_t starter = -1;
  for (const Marked& c : chars) {
    if (starter >= 0) {
      const bool adjacent = starter + 1 == static_cast<ptrdiff_t>(out.size());
      const bool blocked = !adjacent && (out.back().combining_class >= c.combining_class);
      Marked& base = out[static_cast<size_t>(starter)];
      const char32_t composed = blocked ? 0 : compose(base.code_point, c.code_point);
      if (composed != 0) {
        base.code_point = composed;
        base.trusted = base.trusted && c.trusted;
        continue;
      }
    }
    if (c.combining_class == 0) starter = static_cast<ptrdiff_t>(out.size());
    out.push_back(c);
  }
  MarkedText result;
  for (const Marked& c : out) {
    const size_t before = result.text.size();
    append_utf8(c.code_point, result.text);
    result.trusted.append(result.text.size() - before, c.trusted ? '\1' : '\0');
  }
  return result;
}

}  // namespace isthmus::text
