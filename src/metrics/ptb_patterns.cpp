#include "metrics/ptb_patterns.h"

#include "metrics/ptb_matching.h"

namespace isthmus::metrics::ptb {
namespace {

int digits_at(Text p, int most) {
  int count = 0;
  while (count < most && is_digit(p[count])) ++count;
  return count;
}

// d' l' o' before a letter or digit, as in d'ye and O'Brien.
Text elision(Text p) {
  const bool matches = is_one_of(lower(*p), "dlo") && is_loose_apostrophe(p[1]) && is_alnum(p[2]);
  return matches ? p + 3 : nullptr;
}

Text compound_part(Text p) {
  if (const Text after = elision(p))
    if (const Text end = one_or_more(after, is_alnum)) return end;
  return one_or_more(p, is_alnum);
}

// a.b. with at least two letters.
Text acronym_with_period(Text p) {
  Text end = p;
  while (is_ascii_letter(*end) && end[1] == U'.') end += 2;
  return end > p + 2 ? end : nullptr;
}

Text hyphened_letters(Text p) {  // [A-Za-z0-9]+ and up to two times -letters
  p = one_or_more(p, is_ascii_alnum);
  for (int i = 0; p != nullptr && i < 2 && *p == U'-'; ++i) {
    const Text end = one_or_more(p + 1, is_ascii_letter);
    if (end == nullptr) break;
    p = end;
  }
  return p;
}

}  // namespace

bool is_letter(char32_t c) {
  return c < 0x80 ? is_ascii_letter(c) : ptb_class_of(c) == PtbClass::kLetter;
}

bool is_word_letter(char32_t c) {
  return is_letter(c) || c == kSoftHyphen || (c >= 0x80 && ptb_class_of(c) == PtbClass::kMark);
}

bool is_apostrophe(char32_t c) { return c == U'\'' || c == 0x92 || c == 0x2019; }

bool is_loose_apostrophe(char32_t c) {
  return is_apostrophe(c) || c == 0x91 || c == 0x2018 || c == 0x201B;
}

bool is_blank(char32_t c) {
  return c == U' ' || c == U'\t' || c == kNoBreakSpace || (c >= 0x2000 && c <= 0x200A) ||
         c == 0x3000;
}

Text literal(Text p, const char* ascii) {
  for (; *ascii != '\0'; ++ascii, ++p)
    if (lower(*p) != static_cast<char32_t>(*ascii)) return nullptr;
  return p;
}

bool begins_with(Text p, const char* ascii) { return literal(p, ascii) != nullptr; }

Text word(Text p) {
  if (!is_word_letter(*p)) return nullptr;
  const auto inside = [](char32_t c) { return is_digit(c) || is_word_letter(c); };
  p = skip_while(p + 1, inside);
  while (is_one_of(*p, ".!?") && is_word_letter(p[1])) p = skip_while(p + 2, inside);
  return p;
}

Text auxiliary(Text p) {
  if (!is_apostrophe(*p)) return nullptr;
  for (const char* ending : {"re", "ve", "ll", "m", "s", "d"})
    if (const Text end = literal(p + 1, ending)) return end;
  return nullptr;
}

Text not_contraction(Text p) {
  return lower(*p) == U'n' && is_loose_apostrophe(p[1]) && lower(p[2]) == U't' ? p + 3 : nullptr;
}

Text special_apostrophe(Text p) {
  Text best = nullptr;
  const auto consider = [&](Text end) { best = longer(best, end); };
  if (is_apostrophe(*p)) {
    if (lower(p[1]) == U'n') consider(is_apostrophe(p[2]) ? p + 3 : p + 2);
    for (const char* ending : {"em", "til", "till", "cause"}) consider(literal(p + 1, ending));
    if (p[1] >= U'2' && p[1] <= U'9' && p[2] == U'0' && p[3] == U's') consider(p + 4);
    return best;
  }
  const Text letters = one_or_more(p, is_letter);
  if (letters == nullptr || !is_loose_apostrophe(*letters)) return nullptr;
  const Text after = letters + 1;
  // One capital or n before at least three letters: B'Gosh.
  if (letters == p + 1 && (*p == U'n' || (is_upper(*p) && *p != U'I' && *p != U'Y')) &&
      is_letter(after[0]) && is_letter(after[1]))
    consider(skip_while(after, is_letter));
  // A vowel on both sides: Hawai'i.
  if (letters > p + 1 && is_one_of(lower(letters[-1]), "aeiouy") &&
      (is_vowel(*after) || is_upper(*after)))
    consider(skip_while(after, is_letter));
  if (!is_apostrophe(*letters)) return best;
  for (const char* stem : {"l", "d", "j", "dunkin", "somethin", "ol"})
    if (literal(p, stem) == letters) consider(after);
  for (const char* known : {"nor'easter", "c'mon", "e'er", "s'mores", "ev'ry", "li'l", "nat'l"})
    consider(literal(p, known));
  return best;
}

Text compound(Text p) {
  const auto is_joint = [](char32_t c) {
    return c == U'-' || c == U'_' || c == 0x58A || c == 0x2010 || c == 0x2011;
  };
  Text end = compound_part(p);
  while (end != nullptr && is_joint(*end)) {
    const Text next = compound_part(end + 1);
    if (next == nullptr) break;
    end = next;
  }
  return end;
}

Text dotted_compound(Text p) {
  if (!is_ascii_alnum(*p)) return nullptr;
  const auto in_part = [](char32_t c) { return is_ascii_alnum(c) || c == kSoftHyphen; };
  const auto inside = [&](char32_t c) { return in_part(c) || c == U'.' || c == U','; };
  const Text limit = p + kMaxSpan;
  while (p < limit && inside(*p)) ++p;
  Text best = nullptr;
  while (*p == U'-') {
    const Text acronym = acronym_with_period(p + 1);
    p = acronym != nullptr ? acronym : one_or_more(p + 1, in_part);
    if (p == nullptr) break;
    best = p;
  }
  return best;
}

Text slashed(Text p) {
  Text end = hyphened_letters(p);
  if (end == nullptr || *end != U'/') return nullptr;
  Text best = nullptr;
  for (int i = 0; i < 2 && *end == U'/'; ++i) {
    const Text next = hyphened_letters(end + 1);
    if (next == nullptr) break;
    best = end = next;
  }
  return best;
}

Text ampersand_letters(Text p) {
  Text end = one_or_more(p, is_upper);
  if (end == nullptr) return nullptr;
  Text best = nullptr;
  while (*end == U'&' || *end == U'+') {
    const Text next = one_or_more(end + 1, is_upper);
    if (next == nullptr) break;
    best = end = next;
  }
  return best;
}

Text number(Text p) {
  if (*p == U'-' || *p == U'+') ++p;
  Text end = skip_while(p, is_digit);
  const auto is_separator = [](char32_t c) {
    return is_one_of(c, ".:,") || c == kSoftHyphen || c == 0x66B || c == 0x66C;
  };
  while (is_separator(*end) && is_digit(end[1])) end = skip_while(end + 1, is_digit);
  return end > p ? end : nullptr;
}

Text date(Text p) {
  for (int part = 0; part < 2; ++part) {
    const int digits = digits_at(p, 2);
    if (digits == 0 || (p[digits] != U'/' && p[digits] != U'-')) return nullptr;
    p += digits + 1;
  }
  const int digits = digits_at(p, 4);
  return digits >= 2 ? p + digits : nullptr;
}

Text fraction(Text p) {
  const auto plain = [](Text q) -> Text {
    const int above = digits_at(q, 4);
    if (above == 0 || (q[above] != U'/' && q[above] != 0x2044)) return nullptr;
    const int below = digits_at(q + above + 1, 4);
    return below == 0 ? nullptr : q + above + 1 + below;
  };
  const int whole = digits_at(p, 4);
  if (whole > 0 && (p[whole] == U' ' || p[whole] == U'-' || p[whole] == kNoBreakSpace))
    if (const Text end = plain(p + whole + 1)) return end;
  return plain(p);
}

Text phone(Text p) {
  const auto is_gap = [](char32_t c) { return c == U' ' || c == U'-' || c == kNoBreakSpace; };
  // Three or four digits, a gap or none, three to five digits.
  const auto tail = [&](Text q) -> Text {
    Text best = nullptr;
    for (int first = 3; first <= digits_at(q, 4); ++first) {
      const Text rest = q + first + (is_gap(q[first]) ? 1 : 0);
      if (const int last = digits_at(rest, 5); last >= 3) best = longer(best, rest + last);
    }
    return best;
  };
  const auto dotted = [](Text q) -> Text {
    const int first = digits_at(q, 4);
    if (first < 2 || q[first] != U'.') return nullptr;
    q += first + 1;
    const int second = digits_at(q, 4);
    if (second < 3 || q[second] != U'.') return nullptr;
    q += second + 1;
    const int third = digits_at(q, 5);
    return third >= 3 ? q + third : nullptr;
  };
  if (*p == U'(') {
    const int code = digits_at(p + 1, 3);
    if (code < 2 || p[1 + code] != U')') return nullptr;
    const Text rest = p + code + 2;
    return tail(is_gap(*rest) && *rest != U'-' ? rest + 1 : rest);
  }
  for (int i = 0; i < 2 && *p == U'+'; ++i) ++p;
  Text best = longer(dotted(p), nullptr);
  const int first = digits_at(p, 4);
  if (first < 2) return best;
  if (p[first] == U'.') best = longer(best, dotted(p + first + 1));
  if (!is_gap(p[first])) return best;
  const Text second = p + first + 1;
  best = longer(best, tail(second));
  const int digits = digits_at(second, 4);
  if (digits >= 2 && is_gap(second[digits])) best = longer(best, tail(second + digits + 1));
  return best;
}

Text raised_number(Text p) {
  const auto is_raised = [](char32_t c) {
    return c == 0x2070 || c == 0xB9 || c == 0xB2 || c == 0xB3 || (c >= 0x2074 && c <= 0x2079);
  };
  const auto is_lowered = [](char32_t c) { return c >= 0x2080 && c <= 0x2089; };
  if (*p == 0x207A || *p == 0x207B || *p == 0x208A || *p == 0x208B) ++p;
  const Text raised = one_or_more(p, is_raised);
  return raised != nullptr ? raised : one_or_more(p, is_lowered);
}

}  // namespace isthmus::metrics::ptb
