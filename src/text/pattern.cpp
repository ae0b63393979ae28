#include "text/pattern.h"

#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "formats/bytes.h"
#include "isthmus/error.h"
#include "text/utf8.h"

namespace isthmus::text {
namespace {

constexpr char32_t kLastCharacter = 0x10FFFF;
constexpr size_t kMostSteps = 20'000;
constexpr int kMostRepeats = 1000, kDeepest = 100;
constexpr int kUnbounded = -1;

// ASCII, and the two letters beyond it that Unicode folds onto it.
char32_t folded(char32_t c) {
  if (c >= 'A' && c <= 'Z') return c + ('a' - 'A');
  return c == 0x17F ? U's' : c == 0x212A ? U'k' : c;
}

}  // namespace

bool Pattern::Set::computed(char32_t c) const {
  const auto after =
      std::upper_bound(ranges.begin(), ranges.end(), c,
                       [](char32_t value, const Range& r) { return value < r.first; });
  bool inside = after != ranges.begin() && c <= std::prev(after)->last;
  if (!inside && categories != 0) inside = (category_bit(c) & categories) != 0;
  if (!inside && white_space) inside = is_white_space(c);
  if (!inside && no_white_space) inside = !is_white_space(c);
  return inside != negated;
}

bool Pattern::Set::contains(char32_t c) const {
  return c < 128 ? (ascii[c / 64] >> (c % 64) & 1) != 0 : computed(c);
}

// Recursive descent; each part appends its steps.
class Pattern::Parser {
 public:
  Parser(std::string_view text, Pattern& out) : text_(text), out_(out) {}

  void run() {
    alternation(0);
    if (!at_end()) fail("a \")\" without its \"(\"");
    emit({Op::kMatch});
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw ModelError(fmt::format("{}: no regular expression at byte {} of \"{}\": {}", out_.where_,
                                 at_, formats::printable(text_), what));
  }
  [[noreturn]] void unsupported(const std::string& what) const {
    throw UnsupportedError(fmt::format("{}: {} at byte {} of \"{}\" is not supported", out_.where_,
                                       what, at_, formats::printable(text_)));
  }
  bool at_end() const { return at_ >= text_.size(); }
  bool take(std::string_view what) {
    if (!text_.substr(at_).starts_with(what)) return false;
    at_ += what.size();
    return true;
  }
  char32_t next() {
    if (at_end()) fail("ends too early");
    const Utf8Char c = decode_utf8(text_, at_);
    if (!c.valid) fail("no UTF-8");
    at_ += c.length;
    return c.code_point;
  }
  int32_t here() const { return static_cast<int32_t>(out_.steps_.size()); }
  int32_t emit(Step step) {
    if (out_.steps_.size() >= kMostSteps) unsupported("an expression of so many parts");
    out_.steps_.push_back(step);
    return here() - 1;
  }
  Step& step(int32_t at) { return out_.steps_[static_cast<size_t>(at)]; }

  // Steps [first, here()) again, at the end.
  void repeat_steps(int32_t first, int32_t last) {
    const int32_t moved = here() - first;
    for (int32_t i = first; i < last; ++i) {
      Step copy = step(i);
      if (copy.op != Op::kSet) {
        copy.a += moved;
        copy.b += moved;
      }
      emit(copy);
    }
  }
  // Room for one step at `at`: everything behind moves.
  void insert(int32_t at, Step added) {
    emit({Op::kMatch});
    auto& steps = out_.steps_;
    std::move_backward(steps.begin() + at, steps.end() - 1, steps.end());
    for (size_t i = static_cast<size_t>(at) + 1; i < steps.size(); ++i)
      if (steps[i].op != Op::kSet) {
        steps[i].a += steps[i].a >= at ? 1 : 0;
        steps[i].b += steps[i].b >= at ? 1 : 0;
      }
    steps[static_cast<size_t>(at)] = added;
  }

  // Each returns whether what it read may match nothing.
  bool alternation(int depth) {
    if (depth > kDeepest) unsupported("nesting so deep");
    const bool outer = ignore_case_;  // (?i) ends with its group
    bool empty = false;
    std::vector<int32_t> jumps;
    while (true) {
      const int32_t first = here();
      const bool branch = sequence(depth);
      empty = empty || branch;
      if (!take("|")) break;
      insert(first, {Op::kFork, first + 1, 0});
      jumps.push_back(emit({Op::kJump}));
      step(first).b = here();
    }
    for (const int32_t jump : jumps) step(jump).a = here();
    ignore_case_ = outer;
    return empty;
  }

  bool sequence(int depth) {
    bool empty = true;
    while (!at_end() && text_[at_] != '|' && text_[at_] != ')') {
      const int32_t first = here();
      const bool part = quantified(first, atom(depth));
      empty = empty && part;
    }
    return empty;
  }

  bool quantified(int32_t first, bool empty) {
    int least = 1, most = 1;
    if (take("?")) {
      least = 0;
    } else if (take("*")) {
      least = 0;
      most = kUnbounded;
    } else if (take("+")) {
      most = kUnbounded;
    } else if (!counted(least, most)) {
      return empty;
    }
    if (take("?")) unsupported("a lazy repeat");
    const bool possessive = take("+");
    if (!at_end() && (text_[at_] == '*' || text_[at_] == '?' || text_[at_] == '+'))
      unsupported("a repeat of a repeat");
    if (empty && most != 1) unsupported("a repeat of what may be empty");
    repeat(first, least, most);
    if (possessive) {
      insert(first, {Op::kAtomic, first + 1, 0});
      emit({Op::kMatch});
      step(first).b = here();
    }
    return empty || least == 0;
  }

  bool counted(int& least, int& most) {
    const size_t before = at_;
    if (!take("{")) return false;
    const auto number = [&]() -> std::optional<int> {
      int value = 0;
      const size_t start = at_;
      for (; !at_end() && text_[at_] >= '0' && text_[at_] <= '9'; ++at_) {
        value = value * 10 + (text_[at_] - '0');
        if (value > kMostRepeats) unsupported("a count of so many");
      }
      return at_ > start ? std::optional(value) : std::nullopt;
    };
    const auto low = number();
    if (low && take("}")) {
      least = most = *low;
      return true;
    }
    const bool comma = take(",");
    const auto high = comma ? number() : std::nullopt;
    if (!comma || !take("}") || (!low && !high)) {
      at_ = before;  // a brace is a character like any other
      return false;
    }
    least = low.value_or(0);
    most = high.value_or(kUnbounded);
    if (high && least > most) fail("a count from more to less");
    return true;
  }

  // What stands in [first, here()) `least` to `most` times.
  void repeat(int32_t first, int least, int most) {
    const int32_t last = here();
    if (most == 0) {
      out_.steps_.resize(static_cast<size_t>(first));
      return;
    }
    const auto optional_copy = [&](bool loops) {
      const int32_t fork = emit({Op::kFork});
      step(fork).a = here();
      repeat_steps(first, last);
      if (loops) emit({Op::kJump, fork});
      return fork;
    };
    if (least == 0) {
      insert(first, {Op::kFork, first + 1, 0});  // the first copy is optional itself
      if (most == kUnbounded) {
        emit({Op::kJump, first});
        step(first).b = here();
        return;
      }
      std::vector<int32_t> forks = {first};
      const int32_t from = first + 1, to = last + 1;
      for (int i = 1; i < most; ++i) {
        forks.push_back(emit({Op::kFork}));
        step(forks.back()).a = here();
        repeat_steps(from, to);
      }
      for (const int32_t fork : forks) step(fork).b = here();
      return;
    }
    for (int i = 1; i < least; ++i) repeat_steps(first, last);
    if (most == kUnbounded) {
      const int32_t fork = optional_copy(/*loops=*/true);
      step(fork).b = here();
      return;
    }
    std::vector<int32_t> forks;
    for (int i = least; i < most; ++i) forks.push_back(optional_copy(/*loops=*/false));
    for (const int32_t fork : forks) step(fork).b = here();
  }

  bool atom(int depth) {
    if (take("(")) return group(depth);
    if (take("^")) {
      emit({Op::kLineStart});
      return true;
    }
    if (take("$")) {
      emit({Op::kLineEnd});
      return true;
    }
    Set set;
    if (take("[")) {
      bracket(set);
    } else if (take(".")) {
      set.negated = true;
      set.ranges = {{'\n', '\n'}};
    } else if (take("\\")) {
      escape(set);
    } else {
      for (const char* repeat : {"*", "+", "?"})
        if (text_.substr(at_).starts_with(repeat)) fail("a repeat of nothing");
      add_character(set, next());
    }
    emit({Op::kSet, add(std::move(set))});
    return false;
  }

  bool group(int depth) {
    const auto close = [&] {
      if (!take(")")) fail("a \"(\" without its \")\"");
    };
    for (const auto& [opening, op] : {std::pair("?=", Op::kLook), std::pair("?!", Op::kLookNot),
                                      std::pair("?>", Op::kAtomic)}) {
      if (!take(opening)) continue;
      const int32_t look = emit({op});
      step(look).a = here();
      const bool empty = alternation(depth + 1);
      emit({Op::kMatch});
      step(look).b = here();
      close();
      return op != Op::kAtomic || empty;
    }
    const bool outer = ignore_case_;
    if (take("?i:"))
      ignore_case_ = true;
    else if (take("?i)")) {
      ignore_case_ = true;  // for the rest of the group around it
      return true;
    } else if (!take("?:") && text_.substr(at_).starts_with("?")) {
      unsupported("this kind of group");
    }
    const bool empty = alternation(depth + 1);
    ignore_case_ = outer;
    close();
    return empty;
  }

  void add_character(Set& set, char32_t c) {
    set.ranges.push_back({c, c});
    if (!ignore_case_) return;
    for (const char32_t other : {char32_t{0x17F}, char32_t{0x212A}})
      if (folded(other) == folded(c)) set.ranges.push_back({other, other});
    const char32_t low = folded(c);
    if (low >= 'a' && low <= 'z') {
      set.ranges.push_back({low, low});
      set.ranges.push_back({low - ('a' - 'A'), low - ('a' - 'A')});
    }
  }

  // Behind a backslash. Returns the character where it is a single one.
  std::optional<char32_t> escape(Set& set) {
    const char32_t c = next();
    const auto single = [&](char32_t character) {
      add_character(set, character);
      return character;
    };
    switch (c) {
      case 'n': return single('\n');
      case 'r': return single('\r');
      case 't': return single('\t');
      case 'f': return single('\f');
      case 'v': return single('\v');
      case 's': set.white_space = true; return std::nullopt;
      case 'S': set.no_white_space = true; return std::nullopt;
      case 'd': set.categories |= categories_named("Nd"); return std::nullopt;
      case 'D': set.categories |= ~categories_named("Nd"); return std::nullopt;
      case 'p':
      case 'P': {
        if (!take("{")) fail("expected \\p{…}");
        const bool negated = take("^") != (c == 'P');
        const size_t end = text_.find('}', at_);
        if (end == text_.npos) fail("expected \\p{…}");
        const CategorySet named = categories_named(text_.substr(at_, end - at_));
        if (named == 0) unsupported("a property other than a general category");
        at_ = end + 1;
        set.categories |= negated ? ~named : named;
        return std::nullopt;
      }
      default: break;
    }
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'))
      unsupported(fmt::format("\\{}", static_cast<char>(c)));
    return single(c);
  }

  void bracket(Set& set) {
    set.negated = take("^");
    for (bool first = true; first || !take("]"); first = false) {
      if (take("[")) unsupported("a class in a class");
      if (take("&&")) unsupported("an intersection of classes");
      std::optional<char32_t> from;
      if (take("\\")) {
        from = escape(set);
      } else {
        from = next();
        add_character(set, *from);
      }
      const std::string_view rest = text_.substr(at_);
      if (!from || !rest.starts_with("-") || rest.starts_with("-]")) continue;
      take("-");
      Set end;
      const auto to = take("\\") ? escape(end) : std::optional(next());
      if (!to || *to < *from) fail("a range from more to less");
      if (ignore_case_) unsupported("a range where case is ignored");
      set.ranges.push_back({*from, *to});
    }
  }

  int32_t add(Set set) {
    std::ranges::sort(set.ranges, {}, &Range::first);
    std::vector<Range> apart;
    for (const Range& range : set.ranges) {
      if (!apart.empty() && range.first <= apart.back().last)
        apart.back().last = std::max(apart.back().last, range.last);
      else
        apart.push_back(range);
    }
    set.ranges = std::move(apart);
    for (char32_t c = 0; c < 128; ++c)
      if (set.computed(c)) set.ascii[c / 64] |= uint64_t{1} << (c % 64);
    out_.sets_.push_back(std::move(set));
    return static_cast<int32_t>(out_.sets_.size()) - 1;
  }

  std::string_view text_;
  Pattern& out_;
  size_t at_ = 0;
  bool ignore_case_ = false;
};

class Pattern::Matcher {
 public:
  Matcher(const Pattern& pattern, std::string_view text)
      : pattern_(pattern),
        text_(text),
        // Half a second. What tokenizers ask for takes a few dozen a character.
        steps_left_((uint64_t{1} << 26) + 4096 * text.size()) {}

  // Where the match that begins at `position` ends; npos: there is none.
  size_t match(int32_t first, size_t position) {
    const size_t floor = ways_.size();
    ways_.push_back({first, position});
    size_t end = std::string_view::npos;
    while (ways_.size() > floor && end == std::string_view::npos) {
      const Way way = ways_.back();
      ways_.pop_back();
      end = follow(way);
    }
    ways_.resize(floor);
    return end;
  }

 private:
  struct Way {
    int32_t step;
    size_t position;
  };

  size_t follow(Way way) {
    auto& [at, position] = way;
    while (true) {
      if (steps_left_-- == 0)
        throw ModelError(
            fmt::format("{}: the regular expression backtracks without end", pattern_.where_));
      const Step& step = pattern_.steps_[static_cast<size_t>(at)];
      switch (step.op) {
        case Op::kSet: {
          if (position >= text_.size()) return std::string_view::npos;
          const Utf8Char c = decode_utf8(text_, position);
          if (!pattern_.sets_[static_cast<size_t>(step.a)].contains(c.code_point))
            return std::string_view::npos;
          position += c.length;
          ++at;
          break;
        }
        case Op::kFork:
          ways_.push_back({step.b, position});
          at = step.a;
          break;
        case Op::kJump: at = step.a; break;
        case Op::kLook:
        case Op::kLookNot:
          if ((match(step.a, position) != std::string_view::npos) != (step.op == Op::kLook))
            return std::string_view::npos;
          at = step.b;
          break;
        case Op::kAtomic:
          position = match(step.a, position);
          if (position == std::string_view::npos) return position;
          at = step.b;
          break;
        case Op::kLineStart:
          if (position > 0 && text_[position - 1] != '\n') return std::string_view::npos;
          ++at;
          break;
        case Op::kLineEnd:
          if (position < text_.size() && text_[position] != '\n') return std::string_view::npos;
          ++at;
          break;
        case Op::kMatch: return position;
      }
    }
  }

  const Pattern& pattern_;
  std::string_view text_;
  uint64_t steps_left_;
  std::vector<Way> ways_;  // not yet tried, the next one last
};

Pattern Pattern::parse(std::string_view expression, const std::string& where) {
  Pattern pattern;
  pattern.where_ = where;
  Parser(expression, pattern).run();
  return pattern;
}

std::vector<std::pair<size_t, size_t>> Pattern::find_all(std::string_view text) const {
  std::vector<std::pair<size_t, size_t>> found;
  Matcher matcher(*this, text);
  for (size_t at = 0; at < text.size();) {
    const size_t end = matcher.match(0, at);
    if (end == std::string_view::npos || end == at) {
      at += decode_utf8(text, at).length;
      continue;
    }
    found.emplace_back(at, end);
    at = end;
  }
  return found;
}

}  // namespace isthmus::text
