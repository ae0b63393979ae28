// The order of properties in a schema.
#pragma once

#include <span>
#include <string_view>

#include "serving/service.h"

namespace isthmus::protocol {

// An answer has its properties in the order of its schema, as clients expect; a JsonView, through
// which requests are read, forgets it. Puts the schemas of `questions`, which were read from
// `body`, into the order in which they stand there.
void keep_schema_order(std::string_view body, std::span<serving::Question> questions);

}  // namespace isthmus::protocol
