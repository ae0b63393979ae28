// The regular expressions by which tokenizers cut text: literals, \p{…} and other classes, groups,
// look-ahead, greedy and possessive repeats. Matching backtracks, as Oniguruma does for
// tokenizer.json.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/unicode.h"

namespace isthmus::text {

// Immutable; any thread may use it.
class Pattern {
 public:
  // `where` names the place of the expression in messages. Throws ModelError for one that is no
  // regular expression, UnsupportedError for what is not known here (back-references, lazy repeats,
  // scripts, repeats of what may be empty).
  static Pattern parse(std::string_view expression, const std::string& where);

  // The matches that are not empty, leftmost first, as [begin, end). The text is UTF-8. Throws
  // ModelError where an expression backtracks without end.
  std::vector<std::pair<size_t, size_t>> find_all(std::string_view text) const;

 private:
  class Parser;
  class Matcher;

  struct Range {
    char32_t first, last;
  };
  // One character.
  struct Set {
    bool negated = false;
    std::vector<Range> ranges;                         // sorted, apart
    CategorySet categories = 0;                        // their characters, too
    bool white_space = false, no_white_space = false;  // \s, \S
    uint64_t ascii[2] = {0, 0};                        // the answer for the first 128

    bool contains(char32_t c) const;
    bool computed(char32_t c) const;
  };
  enum class Op : uint8_t {
    kSet,      // one character of sets_[a]
    kFork,     // goes on at a, else at b
    kJump,     // to a
    kLook,     // goes on at b if what follows matches from a to kMatch
    kLookNot,  // the same if it does not
    kAtomic,   // goes on at b behind what matches from a, whose other ways are forgotten
    kLineStart,
    kLineEnd,
    kMatch
  };
  struct Step {
    Op op;
    int32_t a = 0, b = 0;
  };

  std::vector<Set> sets_;
  std::vector<Step> steps_;
  std::string where_;
};

}  // namespace isthmus::text
