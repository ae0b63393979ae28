#include "layout/onellm_tensors.h"

#include <algorithm>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "isthmus/error.h"

namespace isthmus::layout {
namespace {

bool is_number(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

// 2 before 10, numbers before words.
bool in_order(const std::string& a, const std::string& b) {
  const bool numbers = is_number(a) && is_number(b);
  if (numbers && a.size() != b.size()) return a.size() < b.size();
  return a < b;
}

}  // namespace

std::string onellm_prefix(const formats::Checkpoint& checkpoint) {
  const bool prefixed = std::ranges::any_of(
      checkpoint.names(), [](const std::string& name) { return name.starts_with(kOneLlmPrefix); });
  return prefixed ? std::string(kOneLlmPrefix) : std::string();
}

void OneLlmTensors::add(const formats::Checkpoint& checkpoint) {
  checkpoints_.push_back(checkpoint);
  const std::string prefix = onellm_prefix(checkpoint);
  for (const std::string& name : checkpoint.names())
    if (name.starts_with(prefix)) tensors_[name.substr(prefix.size())] = &checkpoint.at(name);
}

const formats::RawTensor* OneLlmTensors::find(std::string_view name) const {
  const auto found = tensors_.find(name);
  return found == tensors_.end() ? nullptr : found->second;
}

const formats::RawTensor& OneLlmTensors::at(std::string_view name) const {
  if (const formats::RawTensor* tensor = find(name)) return *tensor;
  throw ModelError(fmt::format("{}: {}{} is missing", files(), kOneLlmPrefix, name));
}

const Shape& OneLlmTensors::shape(std::string_view name, size_t dimensions) const {
  const formats::RawTensor& tensor = at(name);
  if (tensor.shape.size() != dimensions)
    throw ModelError(fmt::format("{}: {} is {}, expected {} dimensions", tensor.file, tensor.name,
                                 isthmus::to_string(tensor.shape), dimensions));
  for (const int64_t size : tensor.shape)
    if (size < 1)
      throw ModelError(fmt::format("{}: {} is {}: it is empty", tensor.file, tensor.name,
                                   isthmus::to_string(tensor.shape)));
  return tensor.shape;
}

std::vector<std::string> OneLlmTensors::children(std::string_view prefix) const {
  std::vector<std::string> found;
  for (auto it = tensors_.lower_bound(prefix); it != tensors_.end(); ++it) {
    const std::string& name = it->first;
    if (!name.starts_with(prefix)) break;
    found.push_back(name.substr(prefix.size(), name.find('.', prefix.size()) - prefix.size()));
  }
  std::ranges::sort(found, in_order);
  found.erase(std::unique(found.begin(), found.end()), found.end());
  return found;
}

int64_t OneLlmTensors::count(std::string_view prefix) const {
  const std::vector<std::string> found = children(prefix);
  for (size_t i = 0; i < found.size(); ++i)
    if (found[i] != std::to_string(i))
      throw ModelError(fmt::format("{}: {}{}{} is missing, but there is {}{}{}", files(),
                                   kOneLlmPrefix, prefix, i, kOneLlmPrefix, prefix, found[i]));
  return static_cast<int64_t>(found.size());
}

std::string OneLlmTensors::files() const {
  std::vector<std::string> names;
  for (const formats::Checkpoint& checkpoint : checkpoints_)
    for (const auto& file : checkpoint.files()) names.push_back(file.string());
  constexpr size_t kShown = 3;
  const size_t shown = std::min(names.size(), kShown);
  return fmt::format(
      "{}{}", fmt::join(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(shown), ", "),
      names.size() > shown ? fmt::format(" and {} more", names.size() - shown) : "");
}

}  // namespace isthmus::layout
