#include "protocol/data_uri.h"

#include <optional>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "base/base64.h"
#include "base/ordered_json.h"
#include "isthmus/error.h"

namespace isthmus::protocol {
namespace {

// A scheme as of RFC 3986 and "://".
bool is_address(std::string_view text) {
  const size_t colon = text.substr(0, 16).find("://");
  return colon != std::string_view::npos && colon > 0;
}

}  // namespace

std::vector<std::byte> read_bytes(const JsonView& text, const Context& context) {
  if (!text.is_string()) text.as_string();  // complains
  std::string_view payload = text.raw().get_ref<const std::string&>();
  if (is_address(payload)) {
    const bool web = payload.starts_with("http://") || payload.starts_with("https://");
    if (context.fetch && web) {
      std::vector<std::byte> fetched;
      try {
        fetched = context.fetch(std::string(payload));
      } catch (const UsageError& error) {
        text.fail(error.what());
      }
      if (fetched.empty()) text.fail("there is nothing at that address");
      return fetched;
    }
    text.fail(
        "this server fetches nothing; send the file itself, as \"data:TYPE;base64,…\" or base64");
  }
  if (payload.starts_with("data:")) {
    const size_t comma = payload.find(',');
    if (comma == std::string_view::npos || !payload.substr(0, comma).ends_with(";base64"))
      text.fail("a data URI must be base64: \"data:TYPE;base64,…\"");
    payload.remove_prefix(comma + 1);
  }
  auto bytes = decode_base64(payload);
  if (!bytes) text.fail("is not base64");
  if (bytes->empty()) text.fail("holds no bytes");
  return std::move(*bytes);
}

}  // namespace isthmus::protocol
