#include "grammar/json_schema.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <string>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "grammar/schema_compiler.h"
#include "grammar/schema_merge.h"
#include "isthmus/error.h"

namespace isthmus::grammar {

namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kLongestSchema = size_t{256} << 10;
constexpr int kDeepestSchema = 128;  // values within values
constexpr int kDeepestPlace = 256;   // each is a keyword and a name deeper
constexpr size_t kMostSchemas = 10'000, kMostMerges = 1'000;

constexpr std::array<std::string_view, 7> kTypes = {"object",  "array",   "string", "number",
                                                    "integer", "boolean", "null"};

// Keywords that belong to one type, which a schema that names none then means.
struct Owned {
  std::string_view keyword, type;
};
constexpr std::array<Owned, 16> kOwned = {{{"properties", "object"},
                                           {"required", "object"},
                                           {"additionalProperties", "object"},
                                           {"items", "array"},
                                           {"prefixItems", "array"},
                                           {"additionalItems", "array"},
                                           {"minItems", "array"},
                                           {"maxItems", "array"},
                                           {"minLength", "string"},
                                           {"maxLength", "string"},
                                           {"pattern", "string"},
                                           {"format", "string"},
                                           {"minimum", "number"},
                                           {"maximum", "number"},
                                           {"exclusiveMinimum", "number"},
                                           {"exclusiveMaximum", "number"}}};
constexpr std::array<std::string_view, 7> kGeneral = {"type",  "enum",  "const", "anyOf",
                                                      "oneOf", "allOf", "$ref"};

bool is_supported(const std::string& keyword) {
  return std::ranges::find(kGeneral, keyword) != kGeneral.end() ||
         std::ranges::find(kOwned, keyword, &Owned::keyword) != kOwned.end();
}

// Keywords that are not supported, with a value that forbids nothing.
bool is_idle(const std::string& keyword, const Json& value) {
  return (keyword == "uniqueItems" && value == Json(false)) ||
         (keyword == "minProperties" && value == Json(0)) ||
         ((keyword == "unevaluatedProperties" || keyword == "unevaluatedItems") &&
          value.is_boolean());  // what is not spoken of is not written anyway
}

bool constrains(const Json& schema) {
  for (const auto& [keyword, value] : schema.items())
    if (!is_annotation(keyword) && !is_idle(keyword, value)) return true;
  return false;
}

Json without(Json schema, const std::string& keyword) {
  schema.erase(keyword);
  return schema;
}

bool is_of_type(const Json& value, const std::string& type) {
  if (type == "object") return value.is_object();
  if (type == "array") return value.is_array();
  if (type == "string") return value.is_string();
  if (type == "boolean") return value.is_boolean();
  if (type == "null") return value.is_null();
  if (type == "number") return value.is_number();
  return value.is_number_integer() ||
         (value.is_number() && std::floor(value.get<double>()) == value.get<double>());
}

Json parse(std::string_view text) {
  if (text.size() > kLongestSchema)
    throw UsageError(fmt::format("json_schema: {} bytes long; at most {} are read", text.size(),
                                 kLongestSchema));
  try {
    return Json::parse(text, [](int depth, Json::parse_event_t, Json&) {
      if (depth > kDeepestSchema)
        throw UsageError(fmt::format("json_schema: more than {} levels deep", kDeepestSchema));
      return true;
    });
  } catch (const Json::exception& error) {
    throw UsageError(fmt::format("json_schema: not JSON: {}", error.what()));
  }
}

// "~1" and "%20" in a JSON pointer stand for other characters.             RFC 6901
std::string unescaped(std::string_view token) {
  std::string out;
  for (size_t i = 0; i < token.size(); ++i) {
    const auto hex = [](char c) { return std::string_view("0123456789abcdef").find(c | 0x20); };
    if (token[i] == '~' && i + 1 < token.size() && (token[i + 1] == '0' || token[i + 1] == '1')) {
      out.push_back(token[++i] == '0' ? '~' : '/');
    } else if (token[i] == '%' && i + 2 < token.size() && hex(token[i + 1]) < 16 &&
               hex(token[i + 2]) < 16) {
      out.push_back(static_cast<char>(hex(token[i + 1]) * 16 + hex(token[i + 2])));
      i += 2;
    } else {
      out.push_back(token[i]);
    }
  }
  return out;
}

}  // namespace

void SchemaCompiler::fail(const Place& at, const std::string& what) {
  throw UsageError(fmt::format("json_schema: {}: {}", at.path, what));
}

Rules SchemaCompiler::compile() {
  rules_.root = rules_.declare("#");
  referred_["#"] = rules_.root;
  pending_.emplace_back("#", rules_.root);
  while (!pending_.empty()) {
    const auto [reference, number] = pending_.back();
    pending_.pop_back();
    const Place at{reference, 0};
    Expr made = schema(target_of(reference, at), at);
    rules_.list[number].expression = std::move(made);
  }
  return std::move(rules_);
}

Expr SchemaCompiler::schema(const Json& json, const Place& at) {
  if (++schemas_ > kMostSchemas)
    fail(at, fmt::format("more than {} schemas, with those that are joined", kMostSchemas));
  if (at.depth > kDeepestPlace)
    fail(at, fmt::format("more than {} levels deep: does a schema hold itself?", kDeepestPlace));
  if (json == Json(true)) return json_.value();
  if (json == Json(false)) fail(at, "false allows nothing");
  if (!json.is_object())
    fail(at,
         fmt::format("expected a schema: an object, true or false; found {}", json.type_name()));
  for (const auto& [keyword, value] : json.items())
    if (!is_supported(keyword) && !is_annotation(keyword) && !is_idle(keyword, value))
      fail(at, fmt::format("the keyword {} is not supported", keyword));

  if (json.contains("$ref")) return referred(json, at);
  if (json.contains("allOf")) return all_of(json, at);
  for (const char* keyword : {"anyOf", "oneOf"})
    if (json.contains(keyword)) return any_of(json, keyword, at);
  if (json.contains("const") || json.contains("enum")) return one_value(json, at);

  std::vector<Expr> ways;
  for (const std::string& type : types_of(json, at)) ways.push_back(of_type(type, json, at));
  return ways.empty() ? json_.value() : choice(std::move(ways));
}

Expr SchemaCompiler::schema_rule(const Json& json, const Place& at) {
  Expr made = schema(json, at);
  if (made->kind == Expression::Kind::kRule) return made;
  const size_t number = rules_.declare(at.path);
  rules_.list[number].expression = std::move(made);
  return rule(number);
}

Expr SchemaCompiler::referred(const Json& json, const Place& at) {
  if (!json["$ref"].is_string()) fail(at / "$ref", "expected a string");
  if (constrains(without(json, "$ref"))) return schema(resolved(json, at), at / "$ref");
  const auto reference = json["$ref"].get<std::string>();
  const auto known = referred_.find(reference);
  if (known != referred_.end()) return rule(known->second);
  target_of(reference, at / "$ref");
  const size_t number = rules_.declare(reference);
  referred_[reference] = number;
  pending_.emplace_back(reference, number);
  return rule(number);
}

const SchemaCompiler::Json& SchemaCompiler::target_of(const std::string& reference,
                                                      const Place& at) const {
  if (!reference.starts_with("#"))
    fail(at, fmt::format("\"{}\" is in another document; only #/… is supported", reference));
  const Json* target = &document_;
  for (size_t begin = 1; begin < reference.size();) {
    if (reference[begin] != '/')
      fail(at, fmt::format("\"{}\": only #/… is supported, no anchors", reference));
    const size_t end = std::min(reference.find('/', begin + 1), reference.size());
    const std::string key =
        unescaped(std::string_view(reference).substr(begin + 1, end - begin - 1));
    const Json* next = nullptr;
    if (target->is_object() && target->contains(key)) next = &target->at(key);
    if (target->is_array() && key.size() < 8 && !key.empty() &&
        std::ranges::all_of(key, [](char c) { return c >= '0' && c <= '9'; }) &&
        std::stoul(key) < target->size())
      next = &target->at(std::stoul(key));
    if (next == nullptr) fail(at, fmt::format("there is no {}", reference));
    target = next;
    begin = end;
  }
  return *target;
}

// What it says, without $ref at the top.
SchemaCompiler::Json SchemaCompiler::resolved(Json json, const Place& at) const {
  for (int references = 0; json.is_object() && json.contains("$ref"); ++references) {
    if (references == kDeepestSchema || !json["$ref"].is_string())
      fail(at / "$ref", "the reference leads to itself, or is not a string");
    Json target = target_of(json["$ref"].get<std::string>(), at / "$ref");
    Json rest = without(std::move(json), "$ref");
    if (target == Json(true)) target = Json::object();
    if (!constrains(rest)) {
      json = std::move(target);
    } else if (target.is_object()) {
      // The rest as one more of what the target says at once, so that its own $ref is kept.
      json = {{"allOf", Json::array({std::move(target), std::move(rest)})}};
    } else {
      fail(at / "$ref", "leads to something that allows nothing");
    }
  }
  if (json == Json(true)) return Json::object();
  if (json == Json(false)) fail(at, "false allows nothing");
  if (!json.is_object()) fail(at, "expected a schema: an object, true or false");
  return json;
}

SchemaCompiler::Json SchemaCompiler::merged(const Json& a, const Json& b, const Place& at) {
  if (++merges_ > kMostMerges) fail(at, fmt::format("more than {} joined schemas", kMostMerges));
  if (at.depth > kDeepestPlace)
    fail(at, fmt::format("more than {} levels deep: does a schema hold itself?", kDeepestPlace));
  const auto flat = [&](const Json& json) {
    Json own = resolved(json, at);
    if (!own.contains("allOf")) return own;
    if (!own["allOf"].is_array()) fail(at / "allOf", "expected a list of schemas");
    Json parts = own["allOf"];
    own.erase("allOf");
    for (const Json& part : parts) own = merged(own, part, at / "allOf");
    return own;
  };
  return merge_schemas(flat(a), flat(b), "json_schema: " + at.path);
}

Expr SchemaCompiler::all_of(const Json& json, const Place& at) {
  if (!json["allOf"].is_array() || json["allOf"].empty())
    fail(at / "allOf", "expected a list of schemas");
  const Json rest = without(json, "allOf");
  if (json["allOf"].size() == 1 && !constrains(rest))
    return schema(json["allOf"].front(), at / "allOf" / 0);
  return schema(merged(json, Json::object(), at), at / "allOf");
}

Expr SchemaCompiler::any_of(const Json& json, const char* keyword, const Place& at) {
  const Json& branches = json[keyword];
  if (!branches.is_array() || branches.empty()) fail(at / keyword, "expected a list of schemas");
  const Json rest = without(json, keyword);
  const bool alone = !constrains(rest);
  std::vector<Expr> ways;
  for (size_t i = 0; i < branches.size(); ++i) {
    const Place branch = at / keyword / i;
    ways.push_back(schema(alone ? branches[i] : merged(rest, branches[i], branch), branch));
  }
  return choice(std::move(ways));
}

Expr SchemaCompiler::one_value(const Json& json, const Place& at) {
  for (const auto& [keyword, value] : json.items())
    if (std::ranges::find(kOwned, keyword, &Owned::keyword) != kOwned.end())
      fail(at, fmt::format("{} beside enum or const is not supported", keyword));
  Json values = Json::array();
  if (json.contains("enum")) {
    if (!json["enum"].is_array()) fail(at / "enum", "expected a list of values");
    values = json["enum"];
  } else {
    values.push_back(json["const"]);
  }
  const std::vector<std::string> types = types_of(json, at);
  std::vector<Expr> ways;
  for (const Json& value : values) {
    const bool typed = types.empty() || std::ranges::any_of(types, [&](const std::string& type) {
                         return is_of_type(value, type);
                       });
    if (typed && (!json.contains("const") || json["const"] == value))
      ways.push_back(json_.exactly(value));
  }
  if (ways.empty()) fail(at, "no value is left that enum, const and type all allow");
  return choice(std::move(ways));
}

std::vector<std::string> SchemaCompiler::types_of(const Json& json, const Place& at) const {
  std::vector<std::string> types;
  if (const auto named = json.find("type"); named != json.end()) {
    for (const Json& type : named->is_array() ? *named : Json::array({*named})) {
      if (!type.is_string() || std::ranges::find(kTypes, type.get<std::string>()) == kTypes.end())
        fail(at / "type", fmt::format("{} is none of {}", type.dump(), fmt::join(kTypes, ", ")));
      types.push_back(type.get<std::string>());
    }
    if (types.empty()) fail(at / "type", "an empty list allows nothing");
    return types;
  }
  for (const Owned& owned : kOwned)
    if (json.contains(owned.keyword) && std::ranges::find(types, owned.type) == types.end())
      types.emplace_back(owned.type);
  return types;
}

Expr SchemaCompiler::of_type(const std::string& type, const Json& json, const Place& at) {
  if (type == "object") return object(json, at);
  if (type == "array") return array(json, at);
  if (type == "string") return string(json, at);
  if (type == "integer") return integer(json, at);
  if (type == "number") return number(json, at);
  return type == "boolean" ? json_.boolean() : json_.null();
}

Rules json_schema_rules(std::string_view schema) { return SchemaCompiler(parse(schema)).compile(); }

}  // namespace isthmus::grammar
