#include "samples/entries.h"

#include <cerrno>
#include <cstring>
#include <fstream>

#include <fmt/format.h>

#include "base/ordered_json.h"
#include "isthmus/error.h"

namespace isthmus::samples {
namespace {

using json = OrderedJson;

std::ifstream open(const std::filesystem::path& file) {
  std::error_code ignored;
  if (std::filesystem::is_directory(file, ignored))
    throw InputError(fmt::format("{}: is a folder, expected a file", file.string()));
  std::ifstream stream(file, std::ios::binary);
  if (!stream)
    throw InputError(fmt::format("{}: cannot be opened: {}", file.string(), std::strerror(errno)));
  return stream;
}

// "… at line 3, column 7: …" out of what the JSON library says.
std::string place_of(const json::parse_error& error) {
  const std::string_view what = error.what();
  const size_t line = what.find("at line "), colon = what.find(':', line);
  return line == std::string_view::npos || colon == std::string_view::npos
             ? fmt::format("at byte {}", error.byte)
             : std::string(what.substr(line, colon - line));
}

// Hands out elements while the document is parsed, and lets the parser forget them.
class Visitor {
 public:
  Visitor(const std::filesystem::path& file,
          const std::function<void(std::string_view, const JsonView&)>& visit)
      : source_(file.string()), visit_(visit) {}

  bool operator()(int depth, json::parse_event_t event, json& parsed) {
    using Event = json::parse_event_t;
    if (depth == 0 && event == Event::array_start) list_depth_ = 1;
    if (depth == 1 && event == Event::key) key_ = parsed.get<std::string>();
    if (depth == 1 && list_depth_ != 1 && event == Event::array_start) {
      list_depth_ = 2;
      index_ = 0;
    }
    if (depth == 1 && list_depth_ == 2 && event == Event::array_end) list_depth_ = 0;
    const bool complete =
        event == Event::object_end || event == Event::array_end || event == Event::value;
    if (list_depth_ == 0 || depth != list_depth_ || !complete) return true;
    const auto place = fmt::format("{}: {}[{}]", source_, key_, index_++);
    visit_(key_, JsonView::of(std::move(parsed), place));
    return false;
  }

 private:
  std::string source_, key_;
  const std::function<void(std::string_view, const JsonView&)>& visit_;
  int list_depth_ = 0;  // of the elements of the list that is being read; 0: none is
  int64_t index_ = 0;
};

}  // namespace

void BrokenEntries::add(const std::string& message) {
  if (!skip_) throw InputError(message);
  ++count_;
  if (messages_.size() < kKept) messages_.push_back(message);
}

void BrokenEntries::guard(const std::function<void()>& use) {
  try {
    use();
  } catch (const InputError& error) {
    add(error.what());
  } catch (const ModelError& error) {  // JsonView speaks of models; here the fault is in the data
    add(error.what());
  }
}

JsonView for_each_entry(const std::filesystem::path& file,
                        const std::function<void(std::string_view, const JsonView&)>& visit) {
  std::ifstream stream = open(file);
  Visitor visitor(file, visit);
  try {
    return JsonView::of(json::parse(stream, std::ref(visitor)), file.string());
  } catch (const json::parse_error& error) {
    throw InputError(fmt::format("{}: not valid JSON {}", file.string(), place_of(error)));
  } catch (const json::exception& error) {  // a number beyond the range of double
    throw InputError(fmt::format("{}: not valid JSON: {}", file.string(), error.what()));
  }
}

void for_each_line(const std::filesystem::path& file, BrokenEntries& broken,
                   const std::function<void(int64_t, const JsonView&)>& visit) {
  std::ifstream stream = open(file);
  int64_t number = 0;
  for (std::string line; std::getline(stream, line);) {
    ++number;
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    broken.guard(
        [&] { visit(number, JsonView::parse(line, fmt::format("{}:{}", file.string(), number))); });
  }
  if (stream.bad()) throw InputError(fmt::format("{}: cannot be read", file.string()));
}

}  // namespace isthmus::samples
