#include "grammar/gbnf.h"

#include <algorithm>
#include <string>
#include <unordered_map>

#include <fmt/format.h>

#include "isthmus/error.h"
#include "text/utf8.h"

namespace isthmus::grammar {

namespace {

constexpr size_t kLongestText = size_t{256} << 10;
constexpr int kDeepest = 128;
constexpr int64_t kMostRepeats = 100'000;

bool is_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '_';
}

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Rules parse() {
    if (text_.size() > kLongestText)
      throw UsageError(
          fmt::format("grammar: {} bytes long; at most {} are read", text_.size(), kLongestText));
    skip_space(true);
    while (!at_end()) {
      parse_rule();
      skip_space(true);
    }
    check_names();
    return std::move(rules_);
  }

 private:
  struct Mention {
    size_t rule, position;
  };

  bool at_end() const { return position_ == text_.size(); }
  char peek(size_t ahead = 0) const {
    return position_ + ahead < text_.size() ? text_[position_ + ahead] : '\0';
  }
  bool take(std::string_view what) {
    if (!text_.substr(position_).starts_with(what)) return false;
    position_ += what.size();
    return true;
  }

  [[noreturn]] void fail(size_t position, const std::string& what) const {
    const std::string_view before = text_.substr(0, position);
    const size_t line_start = before.rfind('\n') + 1;  // npos + 1 is 0
    throw UsageError(fmt::format("grammar: line {}, column {}: {}",
                                 std::ranges::count(before, '\n') + 1, position - line_start + 1,
                                 what));
  }
  [[noreturn]] void expected(const std::string& what) const {
    if (at_end()) fail(position_, fmt::format("expected {}, found the end", what));
    const text::Utf8Char c = text::decode_utf8(text_, position_);
    const bool plain = c.valid && c.code_point > ' ' && c.code_point != 0x7F;
    fail(position_,
         plain ? fmt::format("expected {}, found {}", what, text_.substr(position_, c.length))
               : fmt::format("expected {}, found {}", what,
                             peek() == '\n'  ? "the end of the line"
                             : peek() == ' ' ? "a space"
                                             : fmt::format("byte 0x{:02X}", uint8_t(peek()))));
  }

  // Spaces and comments, and with `lines` the ends of lines.
  void skip_space(bool lines) {
    while (!at_end()) {
      const char c = peek();
      if (c == '#') {
        position_ = std::min(text_.find('\n', position_), text_.size());
      } else if (c == ' ' || c == '\t' || (lines && (c == '\n' || c == '\r'))) {
        ++position_;
      } else {
        return;
      }
    }
  }

  size_t parse_name() {
    const size_t begin = position_;
    while (is_name(peek())) ++position_;
    if (position_ == begin) expected("the name of a rule");
    const std::string name(text_.substr(begin, position_ - begin));
    const auto [found, is_new] = numbers_.try_emplace(name, rules_.list.size());
    if (is_new) rules_.declare(name);
    mentions_.push_back({found->second, begin});
    return found->second;
  }

  void parse_rule() {
    const size_t begin = position_;
    const size_t number = parse_name();
    skip_space(false);
    if (!take("::=")) expected("::=");
    if (rules_.list[number].expression)
      fail(begin, fmt::format("rule {} is defined twice", rules_.list[number].name));
    skip_space(true);
    Expr alternatives = parse_alternatives(0);
    if (!at_end() && peek() != '\n' && peek() != '\r') expected("|, an element, or a new line");
    rules_.list[number].expression = std::move(alternatives);
  }

  Expr parse_alternatives(int depth) {
    std::vector<Expr> alternatives{parse_sequence(depth)};
    while (true) {
      const size_t before = position_;
      // No rule begins with |, so a line that does goes on with the one above.
      skip_space(true);
      if (!take("|")) {
        if (depth == 0) position_ = before;
        return choice(std::move(alternatives));
      }
      skip_space(true);
      alternatives.push_back(parse_sequence(depth));
    }
  }

  Expr parse_sequence(int depth) {
    std::vector<Expr> parts;
    while (true) {
      Expr part;
      if (peek() == '"') {
        part = parse_literal();
      } else if (peek() == '[') {
        part = parse_class();
      } else if (take(".")) {
        part = one_of(CodePoints::all());
      } else if (peek() == '(') {
        if (depth == kDeepest) fail(position_, fmt::format("more than {} groups deep", kDeepest));
        ++position_;
        skip_space(true);
        part = parse_alternatives(depth + 1);
        if (!take(")")) expected("), | or an element");
      } else if (is_name(peek())) {
        part = rule(parse_name());
      } else {
        return sequence(std::move(parts));
      }
      skip_space(depth > 0);
      parts.push_back(parse_repeats(std::move(part), depth));
    }
  }

  Expr parse_repeats(Expr part, int depth) {
    for (int repeats = 0;; ++repeats) {
      if (repeats == kDeepest) fail(position_, "too many repetitions of repetitions");
      if (take("*")) {
        part = repeat(std::move(part), 0);
      } else if (take("+")) {
        part = repeat(std::move(part), 1);
      } else if (take("?")) {
        part = optional(std::move(part));
      } else if (peek() == '{') {
        part = parse_counts(std::move(part));
      } else {
        return part;
      }
      skip_space(depth > 0);
    }
  }

  Expr parse_counts(Expr part) {
    const size_t begin = position_++;
    skip_space(true);
    const int64_t least = parse_number();
    int64_t most = least;
    skip_space(true);
    if (take(",")) {
      skip_space(true);
      most = peek() == '}' ? Expression::kUnbounded : parse_number();
      skip_space(true);
    }
    if (!take("}")) expected("}");
    if (most != Expression::kUnbounded && most < least)
      fail(begin, fmt::format("{{{},{}}}: the second number is below the first", least, most));
    return repeat(std::move(part), least, most);
  }

  int64_t parse_number() {
    if (peek() < '0' || peek() > '9') expected("a number");
    const size_t begin = position_;
    int64_t value = 0;
    while (peek() >= '0' && peek() <= '9') {
      value = value * 10 + (peek() - '0');
      ++position_;
      if (value > kMostRepeats) fail(begin, fmt::format("more than {} repetitions", kMostRepeats));
    }
    return value;
  }

  Expr parse_literal() {
    const size_t begin = position_++;
    std::string bytes;
    while (!take("\"")) {
      if (at_end()) fail(begin, "this literal has no closing \"");
      text::append_utf8(parse_character(), bytes);
    }
    return literal(std::move(bytes));
  }

  Expr parse_class() {
    const size_t begin = position_++;
    const bool negated = take("^");
    std::vector<CodeRange> ranges;
    while (!take("]")) {
      if (at_end()) fail(begin, "this class has no closing ]");
      const size_t where = position_;
      const char32_t first = parse_character();
      char32_t last = first;
      if (peek() == '-' && peek(1) != ']' && position_ + 1 < text_.size()) {
        ++position_;
        last = parse_character();
      }
      if (last < first) fail(where, "the range ends before it begins");
      ranges.push_back({first, last});
    }
    CodePoints characters(std::move(ranges));
    if (negated) characters = characters.complement();
    if (characters.empty()) fail(begin, "this class holds no character");
    return one_of(std::move(characters));
  }

  char32_t parse_character() {
    if (peek() == '\\') return parse_escape();
    const text::Utf8Char c = text::decode_utf8(text_, position_);
    if (!c.valid) fail(position_, "this is not UTF-8");
    position_ += c.length;
    return c.code_point;
  }

  char32_t parse_escape() {
    const size_t begin = position_++;
    const char c = peek();
    ++position_;
    switch (c) {
      case 't': return '\t';
      case 'r': return '\r';
      case 'n': return '\n';
      case 'x': return parse_hex(2, begin);
      case 'u': return parse_hex(4, begin);
      case 'U': return parse_hex(8, begin);
      case '\\':
      case '"':
      case '[':
      case ']':
      case '-':
      case '^': return static_cast<char32_t>(c);
      default: position_ = begin; expected("an escape: \\x \\u \\U \\n \\r \\t \\\\ \\\" \\[ \\]");
    }
  }

  char32_t parse_hex(int digits, size_t begin) {
    char32_t value = 0;
    for (int i = 0; i < digits; ++i) {
      const char c = peek();
      const int digit = c >= '0' && c <= '9'   ? c - '0'
                        : c >= 'a' && c <= 'f' ? c - 'a' + 10
                        : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                               : -1;
      if (digit < 0) expected(fmt::format("{} hexadecimal digits", digits));
      value = value * 16 + static_cast<char32_t>(digit);
      ++position_;
    }
    if (value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF))
      fail(begin, fmt::format("U+{:04X} is not a character", static_cast<uint32_t>(value)));
    return value;
  }

  void check_names() {
    for (const Mention& mention : mentions_)
      if (!rules_.list[mention.rule].expression)
        fail(mention.position, fmt::format("there is no rule {}", rules_.list[mention.rule].name));
    const auto root = numbers_.find("root");
    if (root == numbers_.end())
      throw UsageError("grammar: there is no rule root, which every grammar begins with");
    rules_.root = root->second;
  }

  std::string_view text_;
  size_t position_ = 0;
  Rules rules_;
  std::unordered_map<std::string, size_t> numbers_;
  std::vector<Mention> mentions_;
};

}  // namespace

Rules parse_gbnf(std::string_view text) { return Parser(text).parse(); }

}  // namespace isthmus::grammar
