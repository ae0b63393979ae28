// Grammars in GBNF, the notation of llama.cpp.
#pragma once

#include <string_view>

#include "grammar/expression.h"

namespace isthmus::grammar {

// Rules `name ::= alternatives`, of which `root` is the whole text; "literals", [classes] and
// [^others], `.`, (groups), and ? * + {m} {m,} {m,n} behind any of them; # begins a comment. A line
// may also begin with |. Throws UsageError with line and column: what was expected there, an
// unknown rule, one that is defined twice, too long or too deeply nested a text.
Rules parse_gbnf(std::string_view text);

}  // namespace isthmus::grammar
