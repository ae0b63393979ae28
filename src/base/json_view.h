// JSON that knows which file and key it came from, so that every complaint can say so.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/ordered_json_fwd.h"

namespace isthmus {

// A value inside a parsed JSON document. Cheap to copy; the document stays alive as long as any
// view, and keeps the order in which keys were written. A key whose value is null counts as absent.
// All failures are ModelError:
//   llava/config.json: vision_config.patch_size: expected a positive integer, found "14" (a string)
class JsonView {
 public:
  static JsonView load(const std::filesystem::path& file);
  // `source` stands where the file name would in messages.
  static JsonView parse(std::string_view text, std::string source);
  // A value that was parsed elsewhere.
  static JsonView of(OrderedJson value, std::string source);

  bool contains(std::string_view key) const;
  JsonView at(std::string_view key) const;
  std::optional<JsonView> find(std::string_view key) const;

  // With a default: used only when the key is absent.
  std::string string(std::string_view key) const;
  std::string string(std::string_view key, std::string_view fallback) const;
  int64_t integer(std::string_view key) const;
  int64_t integer(std::string_view key, int64_t fallback) const;
  int64_t positive(std::string_view key) const;
  int64_t positive(std::string_view key, int64_t fallback) const;
  double number(std::string_view key) const;
  double number(std::string_view key, double fallback) const;
  bool boolean(std::string_view key) const;
  bool boolean(std::string_view key, bool fallback) const;

  bool is_object() const;
  bool is_array() const;
  bool is_string() const;
  bool is_number() const;
  bool is_boolean() const;
  std::string as_string() const;
  int64_t as_integer() const;
  double as_number() const;
  bool as_boolean() const;
  std::vector<JsonView> elements() const;                         // of an array
  std::vector<std::pair<std::string, JsonView>> members() const;  // of an object, as written

  // Throws unless `condition`; `what` completes "<file>: <path>.<key>: ".
  void require(bool condition, std::string_view key, std::string_view what) const;
  [[noreturn]] void fail(std::string_view what) const;
  // "<file>: <path>"
  std::string where() const;
  const OrderedJson& raw() const { return *value_; }

 private:
  struct Document;
  JsonView(std::shared_ptr<const Document> document, const OrderedJson* value, std::string path);
  [[noreturn]] void expected(std::string_view what) const;
  JsonView child(std::string_view key, const OrderedJson& value) const;

  std::shared_ptr<const Document> document_;
  const OrderedJson* value_;
  std::string path_;
};

}  // namespace isthmus
