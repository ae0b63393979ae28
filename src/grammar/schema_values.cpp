#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "grammar/number_ranges.h"
#include "grammar/schema_compiler.h"
#include "grammar/string_pattern.h"

namespace isthmus::grammar {

namespace {

using Json = nlohmann::ordered_json;

// RFC 3339 and RFC 4122. The days of the months are those of the calendar, leap years included.
std::string pattern_of_format(std::string_view format) {
  const std::string year = "(?:[0-9]{3}[1-9]|[0-9]{2}[1-9]0|[0-9][1-9]00|[1-9]000)";
  const std::string fourth = "(?:0[48]|[2468][048]|[13579][26])";  // of years or of centuries
  const std::string leap_year = "(?:[0-9]{2}" + fourth + "|" + fourth + "00)";
  const std::string day =
      "(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|"
      "02-(?:0[1-9]|1[0-9]|2[0-8]))";
  const std::string date = "(?:" + year + "-" + day + "|" + leap_year + "-02-29)";
  const std::string minutes = "(?:[01][0-9]|2[0-3]):[0-5][0-9]";
  const std::string time = minutes + ":[0-5][0-9](?:\\.[0-9]{1,6})?(?:Z|[+-]" + minutes + ")";
  const std::string hex = "[0-9a-fA-F]";
  if (format == "date") return "^" + date + "$";
  if (format == "time") return "^" + time + "$";
  if (format == "date-time") return "^" + date + "T" + time + "$";
  if (format == "uuid") return "^" + hex + "{8}-(?:" + hex + "{4}-){3}" + hex + "{12}$";
  return {};
}

// A keyword's value as a count; nothing where it is absent.
std::optional<int64_t> count_of(const Json& json, const char* keyword) {
  const auto found = json.find(keyword);
  if (found == json.end()) return std::nullopt;
  constexpr int64_t kMost = 1'000'000;
  const bool whole = found->is_number() && std::floor(found->get<double>()) == found->get<double>();
  if (!whole || found->get<double>() < 0 || found->get<double>() > kMost) return -1;
  return static_cast<int64_t>(found->get<double>());
}

struct Counts {
  int64_t least, most;  // most may be Expression::kUnbounded
  bool good;
};

Counts counts_of(const Json& json, const char* least, const char* most) {
  const int64_t from = count_of(json, least).value_or(0);
  const auto to = count_of(json, most);
  const bool good = from >= 0 && (!to || *to >= from);
  return {from, to ? *to : Expression::kUnbounded, good};
}

std::string quoted_counts(const char* least, const char* most) {
  return fmt::format("{} and {} must be counts, the first not above the second", least, most);
}

}  // namespace

Expr SchemaCompiler::string(const Json& json, const Place& at) {
  const Expr quote = literal("\"");
  const bool bounded = json.contains("minLength") || json.contains("maxLength");
  for (const char* keyword : {"pattern", "format"}) {
    if (!json.contains(keyword)) continue;
    if (!json[keyword].is_string()) fail(at / keyword, "expected a string");
    if (bounded || (json.contains("pattern") && json.contains("format")))
      fail(at, fmt::format("{} beside another bound on the text is not supported", keyword));
    std::string pattern = json[keyword].get<std::string>();
    if (keyword == std::string_view("format")) {
      const std::string format = std::exchange(pattern, pattern_of_format(pattern));
      if (pattern.empty())
        fail(at / "format",
             fmt::format("\"{}\" is not supported; date, time, date-time and uuid are", format));
    }
    return sequence({quote,
                     string_pattern(pattern, fmt::format("json_schema: {}/{}", at.path, keyword)),
                     quote});
  }
  if (!bounded) return json_.string();
  const Counts counts = counts_of(json, "minLength", "maxLength");
  if (!counts.good) fail(at, quoted_counts("minLength", "maxLength"));
  return sequence({quote, repeat(json_.character(), counts.least, counts.most), quote});
}

Expr SchemaCompiler::integer(const Json& json, const Place& at) {
  double least = -std::numeric_limits<double>::infinity(), most = -least;
  int64_t from = -kLargestInteger, to = kLargestInteger;
  bool bounded = false;
  const auto bound = [&](const char* keyword, bool lower, int64_t exclusive) {
    const auto found = json.find(keyword);
    if (found == json.end()) return;
    if (!found->is_number()) fail(at / keyword, "expected a number");
    bounded = true;
    const double value = found->get<double>();
    if (lower) least = std::max(least, value);
    if (!lower) most = std::min(most, value);
    // Beyond what is written the bound says nothing, or leaves nothing.
    if (std::abs(value) > static_cast<double>(kLargestInteger)) return;
    const bool whole = found->is_number_integer() || std::floor(value) == value;
    int64_t nearest = found->is_number_integer()
                          ? found->get<int64_t>()
                          : static_cast<int64_t>(lower ? std::ceil(value) : std::floor(value));
    if (whole) nearest += lower ? exclusive : -exclusive;
    if (lower) from = std::max(from, nearest);
    if (!lower) to = std::min(to, nearest);
  };
  bound("minimum", true, 0);
  bound("exclusiveMinimum", true, 1);
  bound("maximum", false, 0);
  bound("exclusiveMaximum", false, 1);
  if (!bounded) return json_.integer();
  constexpr auto kLargest = static_cast<double>(kLargestInteger);
  if (from > to || least > kLargest || most < -kLargest)
    fail(at, fmt::format("no integer of at most 18 digits lies between {} and {}", least, most));
  return integers_between(from, to);
}

Expr SchemaCompiler::number(const Json& json, const Place& at) {
  std::optional<DecimalBound> bounds[2];
  bool bounded = false;
  for (const bool lower : {true, false}) {
    std::optional<double> tightest;
    bool exclusive = false;
    for (const bool excludes : {false, true}) {
      const std::string keyword = lower ? (excludes ? "exclusiveMinimum" : "minimum")
                                        : (excludes ? "exclusiveMaximum" : "maximum");
      const auto found = json.find(keyword);
      if (found == json.end()) continue;
      if (!found->is_number()) fail(at / keyword, "expected a number");
      const double value = found->get<double>();
      const bool tighter = !tightest || (lower ? value > *tightest : value < *tightest);
      if (tighter || value == *tightest) exclusive = excludes;
      if (tighter) tightest = value;
    }
    if (!tightest) continue;
    bounded = true;
    bounds[lower ? 0 : 1] = DecimalBound::of(*tightest, exclusive);
    if (!bounds[lower ? 0 : 1])
      fail(at, fmt::format("the bound {} is too large, or has too many decimals", *tightest));
  }
  if (!bounded) return json_.number();
  Expr numbers = numbers_between(bounds[0], bounds[1]);
  if (!numbers) fail(at, "no number lies between the bounds");
  return numbers;
}

Expr SchemaCompiler::array(const Json& json, const Place& at) {
  const Counts counts = counts_of(json, "minItems", "maxItems");
  if (!counts.good) fail(at, quoted_counts("minItems", "maxItems"));
  if (!json.contains("items") && !json.contains("prefixItems") && counts.least == 0 &&
      counts.most == Expression::kUnbounded)
    return json_.array();
  // Before 2020 the list was called items, and what follows it additionalItems.
  const bool old = json.contains("items") && json["items"].is_array();
  const char* list = old ? "items" : "prefixItems";
  const char* others = old ? "additionalItems" : "items";
  std::vector<Expr> parts;
  if (json.contains(list)) {
    if (!json[list].is_array()) fail(at / list, "expected a list of schemas");
    for (size_t i = 0; i < json[list].size(); ++i)
      parts.push_back(schema_rule(json[list][i], at / list / i));
  }
  const auto listed = static_cast<int64_t>(parts.size());
  Expr other;
  if (json.contains(others)) {
    if (json[others] != Json(false)) other = schema_rule(json[others], at / others);
  } else if (listed == 0) {
    other = json_.value();
  }
  const int64_t most = other                                   ? counts.most
                       : counts.most == Expression::kUnbounded ? listed
                                                               : std::min(counts.most, listed);
  if (most != Expression::kUnbounded && most < counts.least)
    fail(at, fmt::format("minItems is {}, but only {} items can be there", counts.least, most));

  const Expr empty = sequence({literal("["), json_.space(), literal("]")});
  if (most == 0) return empty;
  if (most != Expression::kUnbounded && most < listed) parts.resize(static_cast<size_t>(most));
  const int64_t kept = std::ssize(parts);
  for (int64_t i = 1; i < kept; ++i)
    parts[static_cast<size_t>(i)] = sequence({json_.comma(), parts[static_cast<size_t>(i)]});
  if (other && (most == Expression::kUnbounded || most > kept)) {
    const Expr next = sequence({json_.comma(), other});
    const int64_t first = kept == 0 ? 1 : 0;
    const int64_t room =
        most == Expression::kUnbounded ? Expression::kUnbounded : most - kept - first;
    Expr rest = repeat(next, std::max<int64_t>(counts.least - kept - first, 0), room);
    parts.push_back(first == 1 ? sequence({other, std::move(rest)}) : std::move(rest));
  }
  const int64_t least =
      std::min<int64_t>(std::max<int64_t>(counts.least, 1), static_cast<int64_t>(parts.size()));
  Expr items = json_.enclosed('[', prefix(std::move(parts), least), ']');
  return counts.least == 0 ? choice({std::move(items), empty}) : items;
}

}  // namespace isthmus::grammar
