#include "layout/gguf_keys.h"

#include <fmt/format.h>

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

const Shape& GgufKeys::shape_of(std::string_view tensor, size_t dimensions) const {
  const formats::GgufTensor* found = file_.find(tensor);
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
