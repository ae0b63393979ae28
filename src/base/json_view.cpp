#include "base/json_view.h"

#include <cmath>

#include <fmt/format.h>

#include "base/atomic_file.h"
#include "base/ordered_json.h"
#include "isthmus/error.h"

namespace isthmus {

struct JsonView::Document {
  std::string source;
  OrderedJson root;
};

JsonView::JsonView(std::shared_ptr<const Document> document, const OrderedJson* value,
                   std::string path)
    : document_(std::move(document)), value_(value), path_(std::move(path)) {}

JsonView JsonView::load(const std::filesystem::path& file) {
  std::string text;
  try {
    text = read_file(file);
  } catch (const InputError& error) {
    throw ModelError(error.what());
  }
  return parse(text, file.string());
}

JsonView JsonView::parse(std::string_view text, std::string source) {
  auto document = std::make_shared<Document>();
  document->source = std::move(source);
  try {
    document->root = OrderedJson::parse(text);
  } catch (const nlohmann::json::parse_error& error) {
    throw ModelError(fmt::format("{}: not valid JSON at byte {}", document->source, error.byte));
  } catch (const nlohmann::json::exception& error) {  // a number beyond the range of double
    throw ModelError(fmt::format("{}: not valid JSON: {}", document->source, error.what()));
  }
  const OrderedJson* root = &document->root;
  return JsonView(std::move(document), root, "");
}

JsonView JsonView::of(OrderedJson value, std::string source) {
  auto document = std::make_shared<Document>();
  document->source = std::move(source);
  document->root = std::move(value);
  const OrderedJson* root = &document->root;
  return JsonView(std::move(document), root, "");
}

JsonView JsonView::child(std::string_view key, const OrderedJson& value) const {
  return JsonView(document_, &value,
                  path_.empty() ? std::string(key) : fmt::format("{}.{}", path_, key));
}

std::optional<JsonView> JsonView::find(std::string_view key) const {
  if (!value_->is_object()) expected("an object");
  const auto found = value_->find(key);
  if (found == value_->end() || found->is_null()) return std::nullopt;
  return child(key, *found);
}

bool JsonView::contains(std::string_view key) const { return find(key).has_value(); }

JsonView JsonView::at(std::string_view key) const {
  auto found = find(key);
  if (!found)
    throw ModelError(
        fmt::format("{}: {}: missing", document_->source,
                    path_.empty() ? std::string(key) : fmt::format("{}.{}", path_, key)));
  return *found;
}

std::string JsonView::string(std::string_view key) const { return at(key).as_string(); }
int64_t JsonView::integer(std::string_view key) const { return at(key).as_integer(); }
double JsonView::number(std::string_view key) const { return at(key).as_number(); }
bool JsonView::boolean(std::string_view key) const { return at(key).as_boolean(); }

int64_t JsonView::positive(std::string_view key) const {
  const JsonView value = at(key);
  if (!value.value_->is_number_integer() || value.as_integer() <= 0)
    value.expected("a positive integer");
  return value.as_integer();
}

std::string JsonView::string(std::string_view key, std::string_view fallback) const {
  return contains(key) ? string(key) : std::string(fallback);
}
int64_t JsonView::integer(std::string_view key, int64_t fallback) const {
  return contains(key) ? integer(key) : fallback;
}
int64_t JsonView::positive(std::string_view key, int64_t fallback) const {
  return contains(key) ? positive(key) : fallback;
}
double JsonView::number(std::string_view key, double fallback) const {
  return contains(key) ? number(key) : fallback;
}
bool JsonView::boolean(std::string_view key, bool fallback) const {
  return contains(key) ? boolean(key) : fallback;
}

bool JsonView::is_object() const { return value_->is_object(); }
bool JsonView::is_array() const { return value_->is_array(); }
bool JsonView::is_string() const { return value_->is_string(); }
bool JsonView::is_number() const { return value_->is_number(); }
bool JsonView::is_boolean() const { return value_->is_boolean(); }

std::string JsonView::as_string() const {
  if (!value_->is_string()) expected("a string");
  return value_->get<std::string>();
}

int64_t JsonView::as_integer() const {
  if (!value_->is_number_integer()) expected("an integer");
  if (value_->is_number_unsigned() && value_->get<uint64_t>() > uint64_t{INT64_MAX})
    expected("a 64-bit integer");
  return value_->get<int64_t>();
}

double JsonView::as_number() const {
  if (!value_->is_number() || !std::isfinite(value_->get<double>())) expected("a finite number");
  return value_->get<double>();
}

bool JsonView::as_boolean() const {
  if (!value_->is_boolean()) expected("true or false");
  return value_->get<bool>();
}

std::vector<JsonView> JsonView::elements() const {
  if (!value_->is_array()) expected("a list");
  std::vector<JsonView> views;
  views.reserve(value_->size());
  for (size_t i = 0; i < value_->size(); ++i)
    views.push_back(JsonView(document_, &(*value_)[i], fmt::format("{}[{}]", path_, i)));
  return views;
}

std::vector<std::pair<std::string, JsonView>> JsonView::members() const {
  if (!value_->is_object()) expected("an object");
  std::vector<std::pair<std::string, JsonView>> views;
  for (auto it = value_->begin(); it != value_->end(); ++it)
    views.emplace_back(it.key(), child(it.key(), *it));
  return views;
}

void JsonView::require(bool condition, std::string_view key, std::string_view what) const {
  if (condition) return;
  throw ModelError(fmt::format("{}: {}: {}", document_->source,
                               path_.empty() ? std::string(key) : fmt::format("{}.{}", path_, key),
                               what));
}

std::string JsonView::where() const {
  return path_.empty() ? document_->source : fmt::format("{}: {}", document_->source, path_);
}

void JsonView::fail(std::string_view what) const {
  throw ModelError(fmt::format("{}: {}", where(), what));
}

void JsonView::expected(std::string_view what) const {
  std::string shown = value_->dump(-1, ' ', false, OrderedJson::error_handler_t::replace);
  if (shown.size() > 60) shown = shown.substr(0, 57) + "...";
  fail(fmt::format("expected {}, found {} (a {})", what, shown, value_->type_name()));
}

}  // namespace isthmus
