#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "grammar/schema_compiler.h"
#include "text/utf8.h"

namespace isthmus::grammar {

namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kLongestName = 1000;

// Names by their characters, to tell others from them.
struct NameTree {
  std::map<char32_t, NameTree> next;
  bool is_name = false;

  void add(std::string_view name) {
    NameTree* at = this;
    for (size_t i = 0; i < name.size();) {
      const text::Utf8Char c = text::decode_utf8(name, i);
      at = &at->next[c.code_point];
      i += c.length;
    }
    at->is_name = true;
  }

  // What follows here in a string that is none of the names, however its characters are escaped.
  Expr others(const Expr& character) const {
    CodePoints known;
    std::vector<Expr> ways;
    for (const auto& [c, tree] : next) known = known.with(CodePoints({{c, c}}));
    ways.push_back(
        sequence({json_character(CodePoints::all().without(known)), repeat(character, 0)}));
    for (const auto& [c, tree] : next)
      ways.push_back(sequence({json_character(CodePoints({{c, c}})), tree.others(character)}));
    if (!is_name) ways.push_back(literal(""));
    return choice(std::move(ways));
  }
};

}  // namespace

Expr SchemaCompiler::pair(Expr key, Expr value) {
  return sequence({std::move(key), literal(":"), json_.space(), std::move(value)});
}

Expr SchemaCompiler::object(const Json& json, const Place& at) {
  const auto found = json.find("additionalProperties");
  const bool open = found != json.end() && *found != Json(false);
  const bool listed = json.contains("properties");
  const bool required = json.contains("required") && !json["required"].empty();
  if (!listed && !required && (found == json.end() || *found == Json(true))) return json_.object();

  const Json others = found != json.end() ? *found : Json(!listed);
  const std::vector<Member> all = members(json, others, at);
  Expr other;
  if (open) other = pair(other_name(json, at), schema_rule(*found, at / "additionalProperties"));
  const Expr empty = sequence({literal("{"), json_.space(), literal("}")});
  const bool may_be_empty = std::ranges::none_of(all, &Member::required);
  if (all.empty() && !other) return empty;
  Expr some = json_.enclosed('{', joined(all, other), '}');
  return may_be_empty ? choice({std::move(some), empty}) : some;
}

std::vector<SchemaCompiler::Member> SchemaCompiler::members(const Json& json, const Json& others,
                                                            const Place& at) {
  std::set<std::string> required;
  std::vector<std::string> unlisted;
  if (json.contains("required")) {
    if (!json["required"].is_array()) fail(at / "required", "expected a list of names");
    for (const Json& name : json["required"]) {
      if (!name.is_string()) fail(at / "required", "expected a list of names");
      const auto text = name.get<std::string>();
      const bool is_new = required.insert(text).second;
      const bool listed = json.contains("properties") && json["properties"].contains(text);
      if (is_new && !listed) unlisted.push_back(text);
    }
  }
  std::vector<Member> all;
  if (json.contains("properties")) {
    if (!json["properties"].is_object()) fail(at / "properties", "expected an object of schemas");
    for (const auto& [name, schema] : json["properties"].items()) {
      const Place place = at / "properties" / name;
      if (schema == Json(false) && !required.contains(name)) continue;
      all.push_back({pair(json_string(name), schema_rule(schema, place)), required.contains(name)});
    }
  }
  for (const std::string& name : unlisted) {
    if (others == Json(false))
      fail(at / "required",
           fmt::format("{} is required, but neither properties nor additionalProperties allow it",
                       Json(name).dump()));
    all.push_back(
        {pair(json_string(name), schema_rule(others, at / "additionalProperties")), true});
  }
  return all;
}

// Members in their order, with commas between them; `other` ones behind them, if it is not null.
// One at least.
Expr SchemaCompiler::joined(const std::vector<Member>& members, const Expr& other) {
  const auto with_comma = [&](const Expr& pair) { return sequence({json_.comma(), pair}); };
  const Expr more = other ? repeat(with_comma(other), 0) : literal("");
  if (members.empty()) return sequence({other, more});
  const auto first_required =
      static_cast<size_t>(std::ranges::find(members, true, &Member::required) - members.begin());
  // Behind a member that is certain, each of the rest has its comma.
  std::vector<Expr> rest;
  for (size_t i = first_required + 1; i < members.size(); ++i)
    rest.push_back(members[i].required ? with_comma(members[i].pair)
                                       : optional(with_comma(members[i].pair)));
  rest.push_back(more);
  if (first_required == 0) {
    rest.insert(rest.begin(), members.front().pair);
    return sequence(std::move(rest));
  }
  // Before it, whichever comes first has none. What follows a member is a rule, since it follows
  // that member both where it is the first and where it is not.
  const auto as_rule = [&](Expr expression) {
    const size_t number = rules_.declare("members");
    rules_.list[number].expression = std::move(expression);
    return rule(number);
  };
  Expr after = as_rule(sequence(std::move(rest)));
  std::vector<Expr> ways;
  if (first_required == members.size() && other) ways.push_back(sequence({other, more}));
  for (size_t i = std::min(first_required + 1, members.size()); i-- > 0;) {
    const Member& member = members[i];
    ways.push_back(sequence({member.pair, after}));
    if (i > 0)
      after = as_rule(sequence(
          {member.required ? with_comma(member.pair) : optional(with_comma(member.pair)), after}));
  }
  return choice(std::move(ways));
}

// A string that is none of the properties that are listed or required.
Expr SchemaCompiler::other_name(const Json& json, const Place& at) {
  NameTree names;
  const auto add = [&](const std::string& name) {
    if (name.size() > kLongestName)
      fail(at, fmt::format("a property's name is {} bytes long; at most {} are supported",
                           name.size(), kLongestName));
    names.add(name);
  };
  if (json.contains("properties"))
    for (const auto& [name, schema] : json["properties"].items()) add(name);
  if (json.contains("required"))
    for (const Json& name : json["required"]) add(name.get<std::string>());
  if (names.next.empty() && !names.is_name) return json_.string();
  return sequence({literal("\""), names.others(json_.character()), literal("\"")});
}

}  // namespace isthmus::grammar
