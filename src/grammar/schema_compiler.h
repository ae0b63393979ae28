// Turns a JSON schema into rules; json_schema.h says what it stands for.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "grammar/expression.h"
#include "grammar/json_text.h"

namespace isthmus::grammar {

class SchemaCompiler {
 public:
  explicit SchemaCompiler(nlohmann::ordered_json document) : document_(std::move(document)) {}
  Rules compile();

 private:
  using Json = nlohmann::ordered_json;
  // A subschema: where it stands, and how deeply those that led to it are nested.
  struct Place {
    std::string path;
    int depth;
    Place operator/(const std::string& key) const { return {path + "/" + key, depth + 1}; }
    Place operator/(size_t index) const { return *this / std::to_string(index); }
  };
  [[noreturn]] static void fail(const Place& at, const std::string& what);

  // json_schema.cpp: what holds of all types.
  Expr schema(const Json& json, const Place& at);
  Expr schema_rule(const Json& json, const Place& at);  // that may be mentioned more than once
  Expr referred(const Json& json, const Place& at);
  Expr all_of(const Json& json, const Place& at);
  Expr any_of(const Json& json, const char* keyword, const Place& at);
  Expr one_value(const Json& json, const Place& at);
  const Json& target_of(const std::string& reference, const Place& at) const;
  Json resolved(Json json, const Place& at) const;
  Json merged(const Json& a, const Json& b, const Place& at);
  std::vector<std::string> types_of(const Json& json, const Place& at) const;
  Expr of_type(const std::string& type, const Json& json, const Place& at);

  // schema_values.cpp: one type each.
  Expr string(const Json& json, const Place& at);
  Expr integer(const Json& json, const Place& at);
  Expr number(const Json& json, const Place& at);
  Expr array(const Json& json, const Place& at);

  // schema_objects.cpp
  struct Member {
    Expr pair;
    bool required;
  };
  Expr object(const Json& json, const Place& at);
  std::vector<Member> members(const Json& json, const Json& others, const Place& at);
  Expr joined(const std::vector<Member>& members, const Expr& other);
  Expr pair(Expr key, Expr value);
  Expr other_name(const Json& json, const Place& at);

  Json document_;
  Rules rules_;
  JsonRules json_{rules_};
  std::map<std::string, size_t> referred_;               // rules by what refers to them
  std::vector<std::pair<std::string, size_t>> pending_;  // those that are not compiled yet
  size_t schemas_ = 0, merges_ = 0;
};

}  // namespace isthmus::grammar
