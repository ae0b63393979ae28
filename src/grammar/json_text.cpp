#include "grammar/json_text.h"

#include <string>
#include <utility>

#include <nlohmann/json.hpp>

#include "text/utf8.h"

namespace isthmus::grammar {

namespace {

using nlohmann::ordered_json;

constexpr int64_t kMostIndent = 32;
// Whatever a 64-bit integer and a double are written with; without a bound a model may never stop.
constexpr int64_t kMostDigits = 19, kMostFraction = 24;

const CodePoints& astral() {
  static const CodePoints set({{0x10000, 0x10FFFF}});
  return set;
}

Expr digits(int64_t least, int64_t most) {
  return repeat(one_of(CodePoints({{'0', '9'}})), least, most);
}

// Hexadecimal digits from `first` to `last`, in either case.
Expr hex_digit(uint32_t first, uint32_t last) {
  std::vector<CodeRange> ranges;
  for (uint32_t digit = first; digit <= last; ++digit)
    for (const char letter : {'a', 'A'}) {
      const char32_t c = digit < 10 ? U'0' + digit : static_cast<char32_t>(letter) + digit - 10;
      ranges.push_back({c, c});
    }
  return one_of(CodePoints(std::move(ranges)));
}

// Numbers from `first` to `last` in `length` hexadecimal digits.
void add_hex(uint32_t first, uint32_t last, int length, std::vector<Expr> before,
             std::vector<Expr>& out) {
  if (length == 0) {
    out.push_back(sequence(std::move(before)));
    return;
  }
  const uint32_t unit = uint32_t{1} << 4 * (length - 1), low = unit - 1;
  const auto part = [&](uint32_t from, uint32_t to) {
    std::vector<Expr> digits = before;
    digits.push_back(hex_digit(from / unit, to / unit));
    add_hex(from & low, to & low, length - 1, std::move(digits), out);
  };
  // The digits behind the first run through all values, or the first is one alone.
  const uint32_t whole_from = (first + low) & ~low;  // the first that ends in zeros
  const uint32_t whole_to = (last + 1) & ~low;       // behind the last that ends in Fs
  if (first / unit == last / unit) return part(first, last);
  if (first < whole_from) part(first, first | low);
  if (whole_from < whole_to) part(whole_from, whole_to - 1);
  if (whole_to <= last) part(last & ~low, last);
}

Expr code_unit(uint32_t first, uint32_t last) {
  std::vector<Expr> ways;
  add_hex(first, last, 4, {literal("\\u")}, ways);
  return choice(std::move(ways));
}

Expr code_unit(uint32_t unit) { return code_unit(unit, unit); }

}  // namespace

Expr json_character(const CodePoints& characters) {
  static const CodePoints escaped_only({{0, 0x1F}, {'"', '"'}, {'\\', '\\'}});
  static const CodePoints escapable({{0, 0x1F}, {0x7F, 0xFFFF}});
  std::vector<Expr> ways;
  if (CodePoints plain = characters.without(escaped_only); !plain.empty())
    ways.push_back(one_of(std::move(plain)));
  for (const auto& [character, escape] :
       {std::pair(U'"', "\\\""), std::pair(U'\\', "\\\\"), std::pair(U'/', "\\/"),
        std::pair(U'\b', "\\b"), std::pair(U'\f', "\\f"), std::pair(U'\n', "\\n"),
        std::pair(U'\r', "\\r"), std::pair(U'\t', "\\t")})
    if (characters.contains(character)) ways.push_back(literal(escape));
  const CodePoints escaped = characters.intersected(escapable);
  for (const CodeRange& range : escaped.ranges())
    ways.push_back(code_unit(range.first, range.last));
  if (astral().without(characters).empty())
    ways.push_back(sequence({code_unit(0xD800, 0xDBFF), code_unit(0xDC00, 0xDFFF)}));
  return choice(std::move(ways));
}

Expr json_string(std::string_view text) {
  std::vector<Expr> parts{literal("\"")};
  for (size_t at = 0; at < text.size();) {
    const text::Utf8Char c = text::decode_utf8(text, at);
    const std::string plain(text.substr(at, c.length));
    at += c.length;
    if (c.code_point > 0xFFFF) {
      const uint32_t above = static_cast<uint32_t>(c.code_point) - 0x10000;
      parts.push_back(choice({literal(plain), sequence({code_unit(0xD800 + (above >> 10)),
                                                        code_unit(0xDC00 + (above & 0x3FF))})}));
    } else if (c.code_point < ' ' || c.code_point == '"' || c.code_point == '\\' ||
               c.code_point >= 0x7F) {
      parts.push_back(json_character(CodePoints({{c.code_point, c.code_point}})));
    } else {
      parts.push_back(literal(plain));
    }
  }
  parts.push_back(literal("\""));
  return sequence(std::move(parts));
}

template <typename Make>
Expr JsonRules::once(std::optional<size_t>& number, const char* name, Make make) {
  if (!number) {
    number = rules_.declare(name);
    // Made behind its number is known: values hold values.
    Expr made = make();
    rules_.list[*number].expression = std::move(made);
  }
  return rule(*number);
}

Expr JsonRules::space() {
  return once(space_, "space", [] {
    return choice({literal(""), literal(" "),
                   sequence({literal("\n"), repeat(one_of(CodePoints({{' ', ' '}, {'\t', '\t'}})),
                                                   0, kMostIndent)})});
  });
}

Expr JsonRules::character() {
  return once(character_, "character", [] { return json_character(CodePoints::all()); });
}

Expr JsonRules::string() {
  return once(string_, "string", [] {
    return sequence({literal("\""), repeat(json_character(CodePoints::all()), 0), literal("\"")});
  });
}

Expr JsonRules::integer() {
  return once(integer_, "integer", [] {
    return sequence(
        {optional(literal("-")), choice({literal("0"), sequence({one_of(CodePoints({{'1', '9'}})),
                                                                 digits(0, kMostDigits - 1)})})});
  });
}

Expr JsonRules::number() {
  return once(number_, "number", [this] {
    const Expr e = one_of(CodePoints({{'e', 'e'}, {'E', 'E'}}));
    return sequence({integer(), optional(sequence({literal("."), digits(1, kMostFraction)})),
                     // No larger ones than doubles can be.
                     optional(sequence({e, choice({sequence({optional(literal("+")), digits(1, 2)}),
                                                   sequence({literal("-"), digits(1, 3)})})}))});
  });
}

Expr JsonRules::boolean() { return choice({literal("true"), literal("false")}); }

Expr JsonRules::null() { return literal("null"); }

Expr JsonRules::comma() { return sequence({literal(","), space()}); }

Expr JsonRules::enclosed(char open, Expr inside, char close) {
  return sequence({literal(std::string(1, open)), space(), std::move(inside), space(),
                   literal(std::string(1, close))});
}

Expr JsonRules::array() {
  return once(array_, "array", [this] {
    const Expr items = sequence({value(), repeat(sequence({comma(), value()}), 0)});
    return choice({enclosed('[', items, ']'), sequence({literal("["), space(), literal("]")})});
  });
}

Expr JsonRules::object() {
  return once(object_, "object", [this] {
    const Expr pair = sequence({string(), literal(":"), space(), value()});
    const Expr pairs = sequence({pair, repeat(sequence({comma(), pair}), 0)});
    return choice({enclosed('{', pairs, '}'), sequence({literal("{"), space(), literal("}")})});
  });
}

Expr JsonRules::value() {
  return once(value_, "value", [this] {
    return choice({object(), array(), string(), number(), boolean(), null()});
  });
}

Expr JsonRules::exactly(const ordered_json& value) {
  if (value.is_string()) return json_string(value.get<std::string>());
  if (!value.is_structured()) return literal(value.dump());
  const bool is_object = value.is_object();
  const char open = is_object ? '{' : '[', close = is_object ? '}' : ']';
  if (value.empty())
    return sequence({literal(std::string(1, open)), space(), literal(std::string(1, close))});
  std::vector<Expr> parts;
  for (auto item = value.begin(); item != value.end(); ++item) {
    if (!parts.empty()) parts.push_back(comma());
    if (is_object) {
      parts.push_back(json_string(item.key()));
      parts.push_back(sequence({literal(":"), space()}));
    }
    parts.push_back(exactly(*item));
  }
  return enclosed(open, sequence(std::move(parts)), close);
}

}  // namespace isthmus::grammar
