// Entries of data set files, one at a time: the large ones would not fit into memory parsed whole.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json_view.h"

namespace isthmus::samples {

// What happens to an entry that cannot be used: it is an error, or noted and left out.
class BrokenEntries {
 public:
  static constexpr size_t kKept = 10;

  explicit BrokenEntries(bool skip) : skip_(skip) {}
  // Throws InputError(message) unless broken entries are skipped.
  void add(const std::string& message);
  // Runs `use`; an InputError or ModelError out of it is a broken entry.
  void guard(const std::function<void()>& use);

  int64_t count() const { return count_; }
  const std::vector<std::string>& messages() const { return messages_; }  // the first kKept

 private:
  bool skip_;
  int64_t count_ = 0;
  std::vector<std::string> messages_;
};

// A file that is one JSON document. Calls `visit(key, entry)` for every element of every list that
// is the value of a top-level key, or, with key "", of a document that is a list itself. Returns
// the document without these lists. InputError if it is not valid JSON, with line and column.
JsonView for_each_entry(
    const std::filesystem::path& file,
    const std::function<void(std::string_view key, const JsonView& entry)>& visit);

// A file with one JSON object a line; empty lines are passed over. `visit` gets the number of the
// line, from 1, with it. A line that is not valid JSON goes to `broken`, like one for which `visit`
// throws.
void for_each_line(const std::filesystem::path& file, BrokenEntries& broken,
                   const std::function<void(int64_t number, const JsonView& entry)>& visit);

}  // namespace isthmus::samples
