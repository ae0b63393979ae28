// JSON schemas as grammars.
#pragma once

#include <string_view>

#include "grammar/expression.h"

namespace isthmus::grammar {

// The grammar of the values that `schema`, a JSON text, allows. Its properties come in the order in
// which it names them. It allows less than the schema where that says nothing: no properties
// besides those listed, and no items behind prefixItems, unless the schema speaks of them; a type
// follows from keywords that belong to one. `{"type": "object"}` is any object. Throws UsageError
// naming the place in the schema: not JSON, not a schema, a keyword that is not supported and would
// change what is allowed.
Rules json_schema_rules(std::string_view schema);

}  // namespace isthmus::grammar
