#include "metrics/ptb_tokenizer.h"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <utility>

#include "metrics/ptb_abbreviations.h"
#include "metrics/ptb_characters.h"
#include "metrics/ptb_patterns.h"

namespace isthmus::metrics {
namespace {

using namespace ptb;  // NOLINT: the shapes are this file's vocabulary

// Deleted by pycocoevalcap. Quirk: its list spells the names of brackets in capitals, which never
// meet lower-cased tokens, so brackets stay as -lrb- and so on.
constexpr std::string_view kPunctuation[] = {"''", "'", "``", "`", ".",   "?", "!", ",",
                                             ":",  "-", "--", "...", ";"};

// Every rule offers the text it matches; the one that reaches furthest, what it looked at behind
// the token included, gives the next token; of equals the first.
class Scanner {
 public:
  explicit Scanner(std::string_view line);
  std::vector<std::string> tokens();

 private:
  // What a token shows instead of its text.
  enum class Style { kPlain, kRoundBrackets, kAllBrackets, kQuotes, kVerbatim };
  struct Offer {
    Text end = nullptr, reach = nullptr;
    Style style = Style::kPlain;
    Text split = nullptr;               // a second token begins here
    const char* replacement = nullptr;  // the whole token
    bool period_again = false;          // its last character is a token once more
  };

  void offer(Text end, Text reach, Style style = Style::kPlain) {
    if (end != nullptr && reach > best_.reach) best_ = {end, reach, style};
  }
  void offer(Text end, Style style = Style::kPlain) { offer(end, end, style); }
  void offer_twice(Text end, Text reach) {
    if (reach > best_.reach) best_ = {end, reach, Style::kPlain, nullptr, nullptr, true};
  }
  void split(Text end, Text second) {
    if (end != nullptr && end > best_.reach) best_ = {end, end, Style::kPlain, second};
  }
  void replace(Text end, const char* replacement) {
    if (end != nullptr && end > best_.reach)
      best_ = {end, end, Style::kPlain, nullptr, replacement};
  }

  void fixed_splits(Text p);
  void words(Text p);
  void addresses(Text p);
  void numbers(Text p);
  void abbreviations(Text p);
  void compounds(Text p);
  void quotes(Text p);
  void marks(Text p);
  void named(Text p);
  void symbols(Text p);

  void emit(Text begin, Text end, Style style);

  std::u32string text_;
  Offer best_;
  std::vector<std::string> tokens_;
};

struct Name {
  char32_t character;
  const char* name;
};

constexpr Name kBrackets[] = {{U'(', "-lrb-"}, {U')', "-rrb-"}, {U'[', "-lsb-"},
                              {U']', "-rsb-"}, {U'{', "-lcb-"}, {U'}', "-rcb-"}};
constexpr Name kQuotes[] = {{0x91, "`"},    {0x2018, "`"}, {0x201B, "`"},   {0x2039, "`"},
                            {0x92, "'"},    {0x2019, "'"}, {0x203A, "'"},   {0x93, "``"},
                            {0xAB, "``"},   {0x201C, "``"}, {0x94, "''"}, {0xBB, "''"},
                            {0x201D, "''"}};
constexpr Name kSymbols[] = {
    {0x96, "--"},  {0x97, "--"},    {0x2013, "--"},   {0x2014, "--"},   {0x2015, "--"},
    {0x80, "$"},   {0xA4, "$"},     {0x20A0, "$"},    {0x20AC, "$"},    {0xA2, "cents"},
    {0xA3, "#"},   {0xBC, "1/4"},   {0xBD, "1/2"},    {0xBE, "3/4"},    {0x2153, "1/3"},
    {0x2154, "2/3"}, {0x2026, "..."}, {kSoftHyphen, "-"}};

// nullptr for a character that is not in the table.
template <size_t N>
const char* name_of(char32_t c, const Name (&table)[N]) {
  for (const Name& each : table)
    if (each.character == c) return each.name;
  return nullptr;
}

bool is_quote(char32_t c) {
  return c == U'`' || name_of(c, kQuotes) != nullptr || (c >= 0x201A && c <= 0x201F) ||
         c == 0x82 || c == 0x84;
}

// Entities that count as the characters they name wherever they stand.
std::string without_entities(std::string_view line) {
  constexpr std::pair<std::string_view, char> kEntities[] = {
      {"&nbsp;", ' '}, {"&quot;", '"'}, {"&apos;", '\''}, {"&amp;", '&'}};
  std::string text;
  while (!line.empty()) {
    size_t length = 1;
    char c = line.front();
    for (const auto& [entity, character] : kEntities)
      if (line.starts_with(entity)) {
        length = entity.size();
        c = character;
      }
    text += c;
    line.remove_prefix(length);
  }
  return text;
}

Scanner::Scanner(std::string_view line) : text_(decode_utf8(without_entities(line))) {
  for (char32_t& c : text_)
    if ((c < 0x20 && c != U'\t') || c == 0x7F || c == 0x85 || c == 0x2028 || c == 0x2029 ||
        c == kReplacement)
      c = U' ';
  text_ += U'\n';
}

void Scanner::fixed_splits(Text p) {
  split(literal(p, "cannot"), p + 3);
  for (const char* word : {"gonna", "gotta", "wanna", "lemme", "gimme"})
    split(literal(p, word), p + 3);
  for (const char* word : {"'tis", "'twas"}) split(literal(p, word), p + 2);
}

void Scanner::words(Text p) {
  if (const Text end = word(p)) {
    if (const Text reach = auxiliary(end)) offer(end, reach);
    // isn't: the n belongs to the second token.
    const auto is_plain = [](char32_t c) { return is_ascii_letter(c) || c == kSoftHyphen; };
    if (end > p + 1 && end[-2] != U'n' && end[-2] != U'N' && std::all_of(p, end, is_plain))
      if (const Text reach = not_contraction(end - 1)) offer(end - 1, reach);
    offer(end);
  }
  offer(special_apostrophe(p));
  if ((*p == U'y' || *p == U'Y') && is_apostrophe(p[1]) && is_letter(p[2])) offer(p + 2, p + 3);
}

void Scanner::addresses(Text p) {
  offer(address(p), Style::kVerbatim);
  offer(mail_address(p), Style::kVerbatim);
  if (const Text end = file_name(p)) offer(end, end + 1, Style::kVerbatim);
  offer(user_or_topic(p), Style::kVerbatim);
}

void Scanner::numbers(Text p) {
  for (const Text end : {auxiliary(p), not_contraction(p)})
    if (end != nullptr && !is_ascii_letter(*end)) offer(end, end + 1, Style::kQuotes);
  if (*p != U'\'') offer(auxiliary(p), Style::kQuotes);
  offer(date(p));
  offer(number(p));
  offer(fraction(p));
  offer(raised_number(p));
  if (is_apostrophe(*p) && is_digit(p[1]) && is_digit(p[2]) && (is_blank(p[3]) || p[3] == U'\n'))
    offer(p + 3, p + 4);
  offer(slashed(p));
  Text dollar = p;
  while (is_upper(*dollar)) ++dollar;
  if (*dollar == U'$') offer(dollar + 1);
}

void Scanner::abbreviations(Text p) {
  const auto [kind, end] = abbreviation(p);
  switch (kind) {
    case Abbreviation::kNone: break;
    case Abbreviation::kTitle: offer(end); break;
    case Abbreviation::kClosing:
      if (sentence_end_follows(end)) offer_twice(end, end + 2);
      offer(end, end + 2);
      break;
    case Abbreviation::kAcronym:
      if (sentence_starter_follows(end)) offer_twice(end, end + 2);
      offer(end);
      break;
    case Abbreviation::kInitial:
      if (!sentence_starter_follows(end)) offer(end);
      break;
    case Abbreviation::kBeforeNumber:
      if (is_digit(*end) || (is_blank(*end) && is_digit(end[1]))) offer(end, end + 2);
      break;
  }
  // A period before a comma belongs to the word.
  for (const Text plain : {word(p), compound(p), dotted_compound(p), ampersand_letters(p)})
    if (plain != nullptr && *plain == U'.')
      if (plain[1] == U',' || plain[1] == U';' || plain[1] == U':') offer(plain + 1, plain + 2);
  offer(phone(p), Style::kRoundBrackets);
}

void Scanner::compounds(Text p) {
  offer(dotted_compound(p));
  offer(compound(p));
  offer(ampersand_letters(p));
}

void Scanner::quotes(Text p) {
  if (*p == U'"') {
    if (is_ascii_alnum(p[1]) || p[1] == U'$')
      replace(p + 1, "``");
    else
      replace(p + 1, "''");
  }
  if (p[0] == U'\'' && p[1] == U'\'') replace(p + 2, "''");
  if (p[0] == U'\'' && is_ascii_letter(p[1]) && !is_blank(p[2]) && p[2] != U'\n')
    if (p + 3 > best_.reach) best_ = {p + 1, p + 3, Style::kPlain, nullptr, "`"};
  // Two at most make one token: "“‘" is ```.
  for (int count = 1; count <= 2 && is_quote(p[count - 1]); ++count)
    offer(p + count, Style::kQuotes);
  if ((p[0] == U'<' || p[0] == U'>') && p[1] == p[0]) offer(p + 2);
}

void Scanner::marks(Text p) {
  offer(tag(p));
  if (const Text end = smiley(p))
    if (!is_ascii_alnum(*end)) offer(end, end + 1, Style::kRoundBrackets);
  offer(upright_smiley(p), Style::kRoundBrackets);
  if (name_of(*p, kBrackets) != nullptr) offer(p + 1, Style::kAllBrackets);
  Text end = p;
  while (*end == U'-') ++end;
  if (end - p >= 2 && end - p <= 4)
    replace(end, "--");
  else if (end > p)
    offer(end);
  end = p;
  while (*end == U'.' && end - p < 5) ++end;
  if (end - p >= 3) replace(end, "...");
  end = p;
  for (int dots = 1; *end == U'.' && dots <= 5; ++dots) {
    ++end;
    if (dots >= 3) replace(end, "...");
    if (!is_blank(*end)) break;
    ++end;
  }
  end = p;
  while (end - p < 6 && end[0] == U'\\' && end[1] == U'*') end += 2;
  if (end > p) offer(end);
  for (const char32_t repeated : {U'@', U'#', U'_', U'*'}) {
    end = p;
    while (*end == repeated) ++end;
    if (end > p) offer(end);
  }
  end = p;
  while (*end == U'?' || *end == U'!') ++end;
  if (end > p) offer(end);
}

void Scanner::named(Text p) {
  for (const char* name : {"c++", "c#", "f#", "-lrb-", "-rrb-", "-lsb-", "-rsb-", "-lcb-", "-rcb-",
                           "c.d.s", "pro-", "anti-", "s&p-500"})
    offer(literal(p, name));
  if (*p != U'&') return;
  offer(entity(p));
  replace(literal(p, "&lt;"), "<");
  replace(literal(p, "&gt;"), ">");
  for (const char* dash : {"&mdash;", "&md;", "&ndash;"}) replace(literal(p, dash), "--");
}

void Scanner::symbols(Text p) {
  if (const char* name = name_of(*p, kSymbols))
    replace(p + 1, name);
  else if (*p < 0x80 ? *p > U' ' && *p != 0x7F
                     : *p == 0x2044 || ptb_class_of(*p) != PtbClass::kOther)
    offer(p + 1);
}

void Scanner::emit(Text begin, Text end, Style style) {
  std::string token;
  for (Text p = begin; p < end; ++p) {
    const char* name = nullptr;
    if (style == Style::kQuotes)
      name = name_of(*p, kQuotes);
    else if (style == Style::kAllBrackets ||
             (style == Style::kRoundBrackets && (*p == U'(' || *p == U')')))
      name = name_of(*p, kBrackets);
    if (name != nullptr) {
      token += name;
    } else if (*p == 0x130) {  // I with a dot: i and the dot
      token += "i\u0307";
    } else if (*p == 0x3A3 && p > begin && is_letter(p[-1]) && (p + 1 == end || !is_letter(p[1]))) {
      append_utf8(0x3C2, token);  // a sigma that ends a word
    } else if (*p != kSoftHyphen || style == Style::kVerbatim) {
      append_utf8(is_blank(*p) ? kNoBreakSpace : ptb_lower_case(*p), token);
    }
  }
  if (begin < end) tokens_.push_back(token.empty() ? "-" : std::move(token));  // soft hyphens
}

std::vector<std::string> Scanner::tokens() {
  for (Text p = text_.data(); *p != U'\n';) {
    if (is_blank(*p)) {
      ++p;
      continue;
    }
    best_ = {};
    fixed_splits(p);
    words(p);
    abbreviations(p);
    addresses(p);
    numbers(p);
    quotes(p);
    marks(p);
    compounds(p);
    named(p);
    symbols(p);
    if (best_.end == nullptr) {  // a character the tokenizer drops
      ++p;
    } else if (best_.replacement != nullptr) {
      tokens_.emplace_back(best_.replacement);
      p = best_.end;
    } else {
      const Text second = best_.split != nullptr ? best_.split : best_.end;
      emit(p, second, best_.style);
      emit(second, best_.end, best_.style);
      if (best_.period_again) tokens_.emplace_back(".");
      p = best_.end;
    }
  }
  return std::move(tokens_);
}

}  // namespace

std::vector<std::string> ptb_tokens(std::string_view line) { return Scanner(line).tokens(); }

std::string ptb_caption(std::string_view caption) {
  std::string joined;
  for (const std::string& token : ptb_tokens(caption)) {
    if (std::find(std::begin(kPunctuation), std::end(kPunctuation), token) !=
        std::end(kPunctuation))
      continue;
    if (!joined.empty()) joined += ' ';
    joined += token;
  }
  return joined;
}

}  // namespace isthmus::metrics
