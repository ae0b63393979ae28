#include "grammar/string_pattern.h"

#include <utility>
#include <vector>

#include <fmt/format.h>

#include "grammar/json_text.h"
#include "isthmus/error.h"
#include "text/utf8.h"

namespace isthmus::grammar {

namespace {

constexpr int kDeepestPattern = 64;
constexpr int64_t kMostPatternRepeats = 10'000;

CodePoints digits() { return CodePoints({{'0', '9'}}); }

CodePoints word() { return CodePoints({{'0', '9'}, {'A', 'Z'}, {'a', 'z'}, {'_', '_'}}); }

CodePoints spaces() {
  return CodePoints({{'\t', '\r'},
                     {' ', ' '},
                     {0xA0, 0xA0},
                     {0x1680, 0x1680},
                     {0x2000, 0x200A},
                     {0x2028, 0x2029},
                     {0x202F, 0x202F},
                     {0x205F, 0x205F},
                     {0x3000, 0x3000},
                     {0xFEFF, 0xFEFF}});
}

CodePoints line_ends() { return CodePoints({{'\n', '\n'}, {'\r', '\r'}, {0x2028, 0x2029}}); }

class PatternParser {
 public:
  PatternParser(std::string_view pattern, const std::string& where)
      : text_(pattern), where_(where) {}

  Expr parse() {
    std::vector<Expr> alternatives;
    do {
      std::vector<Expr> parts;
      if (!take("^")) parts.push_back(anything());
      parts.push_back(parse_sequence(0));
      if (!take("$")) parts.push_back(anything());
      alternatives.push_back(sequence(std::move(parts)));
    } while (take("|"));
    if (!at_end()) fail(peek() == ')' ? "this ) closes no group" : "$ may stand only at the end");
    return choice(std::move(alternatives));
  }

 private:
  static Expr anything() { return repeat(json_character(CodePoints::all()), 0); }

  bool at_end() const { return position_ == text_.size(); }
  char peek() const { return at_end() ? '\0' : text_[position_]; }
  bool take(std::string_view what) {
    if (!text_.substr(position_).starts_with(what)) return false;
    position_ += what.size();
    return true;
  }
  [[noreturn]] void fail(const std::string& what) const {
    throw UsageError(fmt::format("{}: at byte {} of \"{}\": {}", where_, position_, text_, what));
  }

  Expr parse_alternatives(int depth) {
    std::vector<Expr> alternatives{parse_sequence(depth)};
    while (take("|")) alternatives.push_back(parse_sequence(depth));
    return choice(std::move(alternatives));
  }

  Expr parse_sequence(int depth) {
    std::vector<Expr> parts;
    while (!at_end() && peek() != '|' && peek() != ')' && !(depth == 0 && peek() == '$'))
      parts.push_back(parse_repeats(parse_atom(depth)));
    return sequence(std::move(parts));
  }

  Expr parse_atom(int depth) {
    switch (peek()) {
      case '(': {
        if (depth == kDeepestPattern)
          fail(fmt::format("more than {} groups deep", kDeepestPattern));
        ++position_;
        if (!take("?:") && peek() == '?') fail("groups with ? other than (?:…) are not supported");
        Expr inside = parse_alternatives(depth + 1);
        if (!take(")")) fail("expected )");
        return inside;
      }
      case '[': return json_character(parse_class());
      case '.': ++position_; return json_character(line_ends().complement());
      case '\\': return json_character(parse_escape(false));
      case '^':
      case '$': fail("^ and $ may stand only at the ends of the pattern");
      case '*':
      case '+':
      case '?':
      case '{': fail("there is nothing here to repeat");
      default: return json_character(single(parse_plain()));
    }
  }

  static CodePoints single(char32_t c) { return CodePoints({{c, c}}); }

  char32_t parse_plain() {
    const text::Utf8Char c = text::decode_utf8(text_, position_);
    if (!c.valid) fail("this is not UTF-8");
    position_ += c.length;
    return c.code_point;
  }

  Expr parse_repeats(Expr atom) {
    int64_t least = 0, most = 0;
    if (take("*")) {
      most = Expression::kUnbounded;
    } else if (take("+")) {
      least = 1;
      most = Expression::kUnbounded;
    } else if (take("?")) {
      most = 1;
    } else if (take("{")) {
      least = most = parse_number();
      if (take(",")) most = peek() == '}' ? Expression::kUnbounded : parse_number();
      if (!take("}")) fail("expected }");
      if (most != Expression::kUnbounded && most < least)
        fail("the second number is below the first");
    } else {
      return atom;
    }
    take("?");  // which of several matches is preferred changes nothing about whether there is one
    if (peek() == '*' || peek() == '+' || peek() == '?' || peek() == '{')
      fail("there is nothing here to repeat");
    return repeat(std::move(atom), least, most);
  }

  int64_t parse_number() {
    if (peek() < '0' || peek() > '9') fail("expected a number");
    int64_t value = 0;
    for (; peek() >= '0' && peek() <= '9'; ++position_) {
      value = value * 10 + (peek() - '0');
      if (value > kMostPatternRepeats)
        fail(fmt::format("more than {} repetitions", kMostPatternRepeats));
    }
    return value;
  }

  CodePoints parse_class() {
    ++position_;
    const bool negated = take("^");
    CodePoints characters;
    while (!take("]")) {
      if (at_end()) fail("expected ]");
      const CodePoints first = peek() == '\\' ? parse_escape(true) : single(parse_plain());
      const bool is_range =
          peek() == '-' && position_ + 1 < text_.size() && text_[position_ + 1] != ']';
      if (!is_range) {
        characters = characters.with(first);
        continue;
      }
      ++position_;
      const CodePoints last = peek() == '\\' ? parse_escape(true) : single(parse_plain());
      const char32_t from = only(first), to = only(last);
      if (to < from) fail("the range ends before it begins");
      characters = characters.with(CodePoints({{from, to}}));
    }
    if (negated) characters = characters.complement();
    if (characters.empty()) fail("this class holds no character");
    return characters;
  }

  // The end of a range.
  char32_t only(const CodePoints& characters) const {
    const auto& ranges = characters.ranges();
    if (ranges.size() != 1 || ranges.front().first != ranges.front().last)
      fail("a range needs single characters");
    return ranges.front().first;
  }

  CodePoints parse_escape(bool in_class) {
    ++position_;
    const char c = peek();
    if (!at_end()) ++position_;
    switch (c) {
      case 'd': return digits();
      case 'D': return digits().complement();
      case 'w': return word();
      case 'W': return word().complement();
      case 's': return spaces();
      case 'S': return spaces().complement();
      case 't': return single('\t');
      case 'n': return single('\n');
      case 'r': return single('\r');
      case 'f': return single('\f');
      case 'v': return single('\v');
      case '0': return single(0);
      case 'x': return single(parse_hex(2));
      case 'u': return single(parse_hex(4));
      case 'b':
        if (in_class) return single('\b');
        break;
      default:
        if (c > ' ' && c < 0x7F &&
            std::string_view("^$\\.*+?()[]{}|/-\"'#&%~,:;!@<>=`_ ").find(c) !=
                std::string_view::npos)
          return single(static_cast<char32_t>(c));
    }
    position_ -= at_end() && c == '\0' ? 1 : 2;
    fail(c == '\0' ? "\\ at the end" : fmt::format("\\{} is not supported", c));
  }

  char32_t parse_hex(int digits) {
    char32_t value = 0;
    for (int i = 0; i < digits; ++i, ++position_) {
      const char c = peek();
      const int digit = c >= '0' && c <= '9'   ? c - '0'
                        : c >= 'a' && c <= 'f' ? c - 'a' + 10
                        : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                               : -1;
      if (digit < 0) fail(fmt::format("expected {} hexadecimal digits", digits));
      value = value * 16 + static_cast<char32_t>(digit);
    }
    if (value >= 0xD800 && value <= 0xDFFF) fail("surrogates are not supported");
    return value;
  }

  std::string_view text_;
  const std::string& where_;
  size_t position_ = 0;
};

}  // namespace

Expr string_pattern(std::string_view pattern, const std::string& where) {
  return PatternParser(pattern, where).parse();
}

}  // namespace isthmus::grammar
