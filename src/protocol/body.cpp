#include "protocol/body.h"

#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/ordered_json.h"
#include "isthmus/error.h"

namespace isthmus::protocol {
namespace {

constexpr int kDeepest = 64;  // no request needs more; whoever walks a value recurses

}  // namespace

JsonView parse_body(std::string_view text) {
  const auto not_too_deep = [](int depth, OrderedJson::parse_event_t, OrderedJson&) {
    if (depth > kDeepest)
      throw UsageError(fmt::format("{}: nested more than {} deep", kBodySource, kDeepest));
    return true;
  };
  OrderedJson value;
  try {
    value = OrderedJson::parse(text, not_too_deep);
  } catch (const nlohmann::json::parse_error& error) {
    throw UsageError(fmt::format("{}: not valid JSON at byte {}", kBodySource, error.byte));
  } catch (const nlohmann::json::exception&) {  // a number beyond the range of double
    throw UsageError(fmt::format("{}: not valid JSON: a number is out of range", kBodySource));
  }
  if (!value.is_object())
    throw UsageError(fmt::format("{}: expected an object, found {}", kBodySource,
                                 value.is_null() ? "nothing" : value.type_name()));
  return JsonView::of(std::move(value), std::string(kBodySource));
}

void reading_a_request(const std::function<void()>& read) {
  try {
    read();
  } catch (const ModelError& error) {
    throw UsageError(error.what());
  }
}

}  // namespace isthmus::protocol
