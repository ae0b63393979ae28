#include "grammar/schema_merge.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "isthmus/error.h"

namespace isthmus::grammar {

namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kMostChoices = 256;

Json list_of(const Json& value) { return value.is_array() ? value : Json::array({value}); }

Json both(const Json& a, const Json& b) {
  if (a == b) return a;
  return {{"allOf", Json::array({a, b})}};
}

// What a schema says of a property it does not name; null: nothing.
const Json* about_others(const Json& schema) {
  const auto found = schema.find("additionalProperties");
  return found == schema.end() ? nullptr : &*found;
}

Json merge_properties(const Json& a, const Json& b) {
  Json merged = Json::object();
  const auto add = [&](const Json& from, const Json& other) {
    const auto own = from.find("properties");
    if (own == from.end()) return;
    const auto others = other.find("properties");
    for (const auto& [name, schema] : own->items()) {
      if (merged.contains(name)) continue;
      const Json* second =
          others != other.end() && others->contains(name) ? &others->at(name) : about_others(other);
      if (second != nullptr && *second == Json(false)) continue;  // may not be there at all
      merged[name] = second == nullptr || *second == Json(true) ? schema : both(schema, *second);
    }
  };
  add(a, b);
  add(b, a);
  return merged;
}

Json merge_additional(const Json& a, const Json& b) {
  if (a == Json(false) || b == Json(true)) return a;
  if (b == Json(false) || a == Json(true)) return b;
  return both(a, b);
}

Json merge_types(const Json& a, const Json& b) {
  Json merged = Json::array();
  const Json types_a = list_of(a), types_b = list_of(b);
  const auto has = [](const Json& list, const Json& type) {
    return std::find(list.begin(), list.end(), type) != list.end();
  };
  for (const Json& type : types_a) {
    if (has(types_b, type) || (type == "integer" && has(types_b, "number")))
      merged.push_back(type);
    else if (type == "number" && has(types_b, "integer") && !has(types_a, "integer"))
      merged.push_back("integer");
  }
  return merged;
}

Json merge_values(const Json& a, const Json& b) {
  Json merged = Json::array();
  for (const Json& value : a)
    if (std::find(b.begin(), b.end(), value) != b.end()) merged.push_back(value);
  return merged;
}

Json merge_names(const Json& a, const Json& b) {
  Json merged = a;
  for (const Json& name : b)
    if (std::find(a.begin(), a.end(), name) == a.end()) merged.push_back(name);
  return merged;
}

Json merge_choices(const Json& a, const Json& b, const std::string& where) {
  if (a.size() * b.size() > kMostChoices)
    throw UsageError(
        fmt::format("{}: {} times {} alternatives are too many", where, a.size(), b.size()));
  Json merged = Json::array();
  for (const Json& x : a)
    for (const Json& y : b) merged.push_back(both(x, y));
  return merged;
}

template <size_t kCount>
bool is_one_of(const std::string& word, const std::array<std::string_view, kCount>& words) {
  return std::ranges::find(words, word) != words.end();
}

constexpr std::array<std::string_view, 5> kLeast = {"minimum", "exclusiveMinimum", "minLength",
                                                    "minItems", "minProperties"};
constexpr std::array<std::string_view, 5> kMost = {"maximum", "exclusiveMaximum", "maxLength",
                                                   "maxItems", "maxProperties"};

// Of a keyword that both have, with different values.
Json merge_keyword(const std::string& keyword, const Json& a, const Json& b,
                   const std::string& where) {
  const bool numbers = a.is_number() && b.is_number();
  if (numbers && is_one_of(keyword, kLeast)) return std::max(a, b);
  if (numbers && is_one_of(keyword, kMost)) return std::min(a, b);
  if (keyword == "required" && a.is_array() && b.is_array()) return merge_names(a, b);
  if (keyword == "items") return both(a, b);
  if ((keyword == "anyOf" || keyword == "oneOf") && a.is_array() && b.is_array())
    return merge_choices(a, b, where);
  Json merged;
  if (keyword == "type") merged = merge_types(a, b);
  if (keyword == "enum" && a.is_array() && b.is_array()) merged = merge_values(a, b);
  if (merged.empty())
    throw UsageError(fmt::format("{}: two schemas hold here at once, and their {} ({} and {}) {}",
                                 where, keyword, a.dump(), b.dump(),
                                 keyword == "type" || keyword == "enum" || keyword == "const"
                                     ? "have nothing in common"
                                     : "cannot be joined"));
  return merged;
}

}  // namespace

bool is_annotation(const std::string& keyword) {
  constexpr std::array<std::string_view, 19> kAnnotations = {"$schema",
                                                             "$id",
                                                             "id",
                                                             "$comment",
                                                             "$anchor",
                                                             "$defs",
                                                             "$vocabulary",
                                                             "definitions",
                                                             "title",
                                                             "description",
                                                             "default",
                                                             "example",
                                                             "examples",
                                                             "deprecated",
                                                             "readOnly",
                                                             "writeOnly",
                                                             "contentMediaType",
                                                             "contentEncoding",
                                                             "contentSchema"};
  return keyword.starts_with("x-") || is_one_of(keyword, kAnnotations);
}

Json merge_schemas(const Json& a, const Json& b, const std::string& where) {
  Json merged = a;
  for (const auto& [keyword, value] : b.items()) {
    if (is_annotation(keyword) || keyword == "properties" || keyword == "additionalProperties")
      continue;
    if (!merged.contains(keyword))
      merged[keyword] = value;
    else if (merged[keyword] != value)
      merged[keyword] = merge_keyword(keyword, merged[keyword], value, where);
  }
  if (a.contains("properties") || b.contains("properties"))
    merged["properties"] = merge_properties(a, b);
  const Json *first = about_others(a), *second = about_others(b);
  if (second != nullptr)
    merged["additionalProperties"] = first != nullptr ? merge_additional(*first, *second) : *second;
  return merged;
}

}  // namespace isthmus::grammar
