#include "eval/dataset.h"

#include <fmt/format.h>

#include "eval/dataset_readers.h"
#include "isthmus/error.h"

namespace isthmus::eval {

std::string identifier(const JsonView& json, std::string_view key) {
  const JsonView value = json.at(key);
  return value.is_string() ? value.as_string() : std::to_string(value.as_integer());
}

std::vector<std::string> texts_of(const JsonView& list, std::string_view key) {
  std::vector<std::string> texts;
  for (const JsonView& item : list.elements())
    texts.push_back(item.is_string() ? item.as_string() : item.string(key));
  return texts;
}

Dataset read_dataset(std::span<const std::filesystem::path> files, const DatasetOptions& options) {
  if (files.empty()) throw UsageError("no file of examples is given");
  const std::filesystem::path& first = files.front();
  DatasetReading reading{
      options,
      PictureFolder(options.images.empty() ? first.parent_path() : options.images),
      {},
      false};
  reading.dataset.broken = samples::BrokenEntries(options.skip_broken);
  const std::string extension = first.extension().string();
  if (extension != ".json" && files.size() > 1)
    throw UsageError(
        fmt::format("{}, {}: only the questions and annotations of VQA come in two "
                    "files",
                    first.string(), files[1].string()));
  if (extension == ".json")
    read_documents(files, reading);
  else if (extension == ".jsonl")
    read_records(first, reading);
  else if (extension == ".token" || extension == ".csv" || extension == ".tsv" ||
           extension == ".txt")
    read_caption_table(first, reading);
  else
    throw UsageError(
        fmt::format("{}: expected a file of examples: .json, .jsonl, .token, .csv, "
                    ".tsv or .txt",
                    first.string()));
  if (reading.dataset.samples.empty()) {
    const int64_t broken = reading.dataset.broken.count();
    throw InputError(fmt::format("{}: holds no example{}{}", first.string(),
                                 options.split.empty() || !reading.has_splits
                                     ? ""
                                     : fmt::format(" of the split \"{}\"", options.split),
                                 broken == 0
                                     ? ""
                                     : fmt::format("; {} broken, the first of them: {}", broken,
                                                   reading.dataset.broken.messages().front())));
  }
  return std::move(reading.dataset);
}

}  // namespace isthmus::eval
