// Several JSON schemas that hold at once, as one.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

namespace isthmus::grammar {

// A schema that allows what both allow; `a` and `b` are objects without $ref. Throws UsageError,
// beginning with `where`, when together they allow nothing or cannot be written as one.
nlohmann::ordered_json merge_schemas(const nlohmann::ordered_json& a,
                                     const nlohmann::ordered_json& b, const std::string& where);

// Keywords that say nothing about what is allowed.
bool is_annotation(const std::string& keyword);

}  // namespace isthmus::grammar
