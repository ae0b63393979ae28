#include "layout/gguf_keys.h"

#include <algorithm>

#include <fmt/format.h>

#include "formats/bytes.h"
#include "isthmus/error.h"

namespace isthmus::layout {

int64_t GgufKeys::size(std::string_view name, int64_t most,
                       std::optional<int64_t> otherwise) const {
  const int64_t value = file_.integer(key(name), otherwise);
  if (value < 1 || value > most) fail(name, fmt::format("{}, expected 1 to {}", value, most));
  return value;
}

double GgufKeys::number(std::string_view name, std::optional<double> otherwise) const {
  const double value = file_.number(key(name), otherwise);
  constexpr double kMost = 1e12;  // also no NaN
  if (!(value >= 0 && value <= kMost))
    fail(name, fmt::format("{}, expected a number from 0 to {}", value, kMost));
  return value;
}

std::string GgufKeys::text(std::string_view name, std::string_view otherwise) const {
  if (!has(name)) return std::string(otherwise);
  const std::string& value = file_.text(key(name));
  constexpr size_t kLongest = 64;
  const auto is_printable = [](char c) { return c > 0x20 && c < 0x7f; };
  if (value.empty() || value.size() > kLongest || !std::ranges::all_of(value, is_printable))
    fail(name, fmt::format("\"{}\", expected a name of 1 to {} letters",
                           formats::printable(value.substr(0, kLongest)), kLongest));
  return value;
}

const Shape& GgufKeys::shape_of(std::string_view tensor, size_t dimensions) const {
  const formats::RawTensor* found = file_.find(tensor);
  if (found == nullptr)
    throw ModelError(fmt::format("{}: the tensor {} is missing", file_.path(), tensor));
  if (found->shape.size() != dimensions)
    throw ModelError(fmt::format("{}: {} is {}, expected {} dimensions", file_.path(), tensor,
                                 isthmus::to_string(found->shape), dimensions));
  return found->shape;
}

void GgufKeys::fail(std::string_view name, const std::string& reason) const {
  throw ModelError(fmt::format("{}: {}: {}", file_.path(), key(name), reason));
}

void GgufKeys::unsupported(std::string_view name, const std::string& reason) const {
  throw UnsupportedError(fmt::format("{}: {}: {}", file_.path(), key(name), reason));
}

}  // namespace isthmus::layout
