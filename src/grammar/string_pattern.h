// Regular expressions over the characters of a JSON string.
#pragma once

#include <string>
#include <string_view>

#include "grammar/expression.h"

namespace isthmus::grammar {

// What stands between the quotes of a string that `pattern` finds something in: ECMA-262's syntax
// with ^ and $ at the ends only, without look-around, references, \b and \p. `where` names the
// pattern in messages; UsageError says at which character what is not understood.
Expr string_pattern(std::string_view pattern, const std::string& where);

}  // namespace isthmus::grammar
