#include "grammar/expression.h"

#include <utility>

namespace isthmus::grammar {

namespace {

Expr of_parts(Expression::Kind kind, std::vector<Expr> parts, int64_t least = 0, int64_t most = 0) {
  Expression expression{};
  expression.kind = kind;
  expression.parts = std::move(parts);
  expression.least = least;
  expression.most = most;
  return std::make_shared<const Expression>(std::move(expression));
}

}  // namespace

Expr literal(std::string bytes) {
  Expression expression{};
  expression.kind = Expression::Kind::kLiteral;
  expression.bytes = std::move(bytes);
  return std::make_shared<const Expression>(std::move(expression));
}

Expr one_of(CodePoints characters) {
  Expression expression{};
  expression.kind = Expression::Kind::kClass;
  expression.characters = std::move(characters);
  return std::make_shared<const Expression>(std::move(expression));
}

Expr rule(size_t number) {
  Expression expression{};
  expression.kind = Expression::Kind::kRule;
  expression.rule = number;
  return std::make_shared<const Expression>(std::move(expression));
}

Expr sequence(std::vector<Expr> parts) {
  if (parts.size() == 1) return std::move(parts.front());
  return of_parts(Expression::Kind::kSequence, std::move(parts));
}

Expr choice(std::vector<Expr> parts) {
  if (parts.size() == 1) return std::move(parts.front());
  return of_parts(Expression::Kind::kChoice, std::move(parts));
}

Expr prefix(std::vector<Expr> parts, int64_t least) {
  return of_parts(Expression::Kind::kPrefix, std::move(parts), least);
}

Expr repeat(Expr part, int64_t least, int64_t most) {
  return of_parts(Expression::Kind::kRepeat, {std::move(part)}, least, most);
}

Expr optional(Expr part) { return repeat(std::move(part), 0, 1); }

size_t Rules::declare(std::string name) {
  list.push_back({std::move(name), nullptr});
  return list.size() - 1;
}

}  // namespace isthmus::grammar
