// A grammar as a tree: rules, and the expressions they consist of.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "grammar/code_points.h"

namespace isthmus::grammar {

struct Expression;
using Expr = std::shared_ptr<const Expression>;

struct Expression {
  enum class Kind {
    kLiteral,   // `bytes`
    kClass,     // one of `characters`
    kRule,      // what rule number `rule` says
    kSequence,  // all `parts`, one after the other
    kChoice,    // one of `parts`
    kPrefix,    // the first of `parts`, `least` or more of them
    kRepeat     // `parts[0]`, `least` to `most` times
  };
  static constexpr int64_t kUnbounded = -1;

  Kind kind;
  std::string bytes;
  CodePoints characters;
  size_t rule = 0;
  std::vector<Expr> parts;
  int64_t least = 0, most = 0;
};

Expr literal(std::string bytes);
Expr one_of(CodePoints characters);
Expr rule(size_t number);
Expr sequence(std::vector<Expr> parts);
Expr choice(std::vector<Expr> parts);
Expr prefix(std::vector<Expr> parts, int64_t least);
Expr repeat(Expr part, int64_t least, int64_t most = Expression::kUnbounded);
Expr optional(Expr part);

// Rules under numbers, so that one may be spoken of before it is known.
struct Rules {
  struct Rule {
    std::string name;
    Expr expression;  // null until it is defined
  };
  std::vector<Rule> list;
  size_t root = 0;

  size_t declare(std::string name);
};

}  // namespace isthmus::grammar
