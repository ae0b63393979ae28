#include "eval/results_file.h"

#include <cerrno>
#include <cstring>
#include <string_view>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/atomic_file.h"
#include "base/content_hash.h"
#include "base/json_view.h"
#include "base/ordered_json.h"
#include "isthmus/error.h"

namespace isthmus::eval {
namespace {

using nlohmann::json;

constexpr const char* kFormat = "isthmus eval 1";
constexpr size_t kLargestFile = size_t{4} << 30;

// Text of a model may be cut in the middle of a character.
std::string dump(const nlohmann::ordered_json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
}

std::string hash_of(const json& settings) { return hash_text(settings.dump()).hex(); }

std::string line_of(const Record& record) {
  nlohmann::ordered_json line{{"place", record.place}, {"id", record.id}};
  if (!record.error.empty()) {
    line["error"] = record.error;
    return dump(line);
  }
  line["output"] = record.output;
  line["prediction"] = record.prediction;
  if (!record.class_log_probs.empty()) line["class_log_probs"] = record.class_log_probs;
  line["demonstrations"] = record.demonstrations;
  return dump(line);
}

Record record_of(const JsonView& line) {
  Record record;
  const int64_t place = line.integer("place");
  line.require(place >= 0, "place", "is negative");
  record.place = static_cast<uint64_t>(place);
  record.id = line.string("id");
  record.error = line.string("error", "");
  if (!record.error.empty()) return record;
  record.output = line.string("output");
  record.prediction = line.string("prediction");
  if (const auto values = line.find("class_log_probs"))
    for (const JsonView& value : values->elements())
      record.class_log_probs.push_back(value.as_number());
  for (const JsonView& id : line.at("demonstrations").elements())
    record.demonstrations.push_back(id.as_string());
  return record;
}

std::string shown(const json* value) {
  return value == nullptr ? "nothing" : value->dump(-1, ' ', false, json::error_handler_t::replace);
}

// "shots: 4 there, 8 now"
std::string first_difference(const json& there, const json& now) {
  const auto find = [](const json& settings, const std::string& key) {
    const auto found = settings.find(key);
    return found == settings.end() ? nullptr : &*found;
  };
  json keys = now;
  if (there.is_object()) keys.update(there);
  for (const auto& [key, value] : keys.items()) {
    const json *before = find(there, key), *after = find(now, key);
    if (before == nullptr || after == nullptr || *before != *after)
      return fmt::format("{}: {} there, {} now", key, shown(before), shown(after));
  }
  return "the order of the settings";
}

}  // namespace

ResultsFile::ResultsFile(std::filesystem::path path, const json& settings)
    : path_(std::move(path)) {
  descriptor_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (descriptor_ < 0)
    throw ResourceError(
        fmt::format("{}: cannot be written: {}", path_.string(), std::strerror(errno)));
  try {
    if (::flock(descriptor_, LOCK_EX | LOCK_NB) != 0)
      throw UsageError(fmt::format("{}: another evaluation is writing this file", path_.string()));
    load(settings);
  } catch (...) {
    ::close(descriptor_);
    throw;
  }
}

ResultsFile::~ResultsFile() { ::close(descriptor_); }

void ResultsFile::load(const json& settings) {
  const std::string content = read_file(path_, kLargestFile);
  const std::string_view text = content;
  size_t start = 0, number = 0;
  for (size_t end; (end = text.find('\n', start)) != std::string_view::npos; start = end + 1) {
    const auto where = fmt::format("{}:{}", path_.string(), ++number);
    try {
      const JsonView line = JsonView::parse(text.substr(start, end - start), where);
      if (number > 1) {
        Record record = record_of(line);
        records_.insert_or_assign(record.place, std::move(record));
        continue;
      }
      line.require(line.string("format") == kFormat, "format", fmt::format("is not {}", kFormat));
      const json there = line.at("settings").raw();
      if (there != settings)
        throw UsageError(fmt::format(
            "{}: holds results of other settings ({}); give another --out, or remove the file",
            path_.string(), first_difference(there, settings)));
    } catch (const ModelError& error) {  // JsonView speaks of models; here a file of results
      throw InputError(fmt::format("{}; remove the file to begin anew", error.what()));
    }
  }
  size_ = static_cast<int64_t>(start);
  if (start != text.size() && ::ftruncate(descriptor_, size_) != 0)
    throw ResourceError(
        fmt::format("{}: cannot be shortened: {}", path_.string(), std::strerror(errno)));
  if (number == 0)
    write(dump({{"format", kFormat}, {"hash", hash_of(settings)}, {"settings", settings}}));
}

void ResultsFile::append(std::vector<Record> records) {
  std::string lines;
  for (const Record& record : records) lines += line_of(record);
  write(lines);
  for (Record& record : records) records_.insert_or_assign(record.place, std::move(record));
}

void ResultsFile::write(const std::string& text) {
  size_t written = 0;
  while (written < text.size()) {
    const ssize_t count = ::pwrite(descriptor_, text.data() + written, text.size() - written,
                                   size_ + static_cast<int64_t>(written));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    written += static_cast<size_t>(count);
  }
  if (written < text.size() || ::fdatasync(descriptor_) != 0) {
    const int cause = errno;
    // A half-written line is cut off now; if that fails too, the next run does it.
    const bool restored = ::ftruncate(descriptor_, size_) == 0;
    throw ResourceError(fmt::format(
        "{}: cannot be written: {}; {} results are kept{}, run the same command to go on",
        path_.string(), std::strerror(cause), records_.size(), restored ? "" : " before it"));
  }
  size_ += static_cast<int64_t>(text.size());
}

}  // namespace isthmus::eval
