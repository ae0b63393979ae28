// One JSON object a line: Hateful Memes, and one's own data.
#include <optional>

#include <fmt/format.h>

#include "eval/dataset_readers.h"
#include "isthmus/error.h"

namespace isthmus::eval {
namespace {

// {"id": 42953, "img": "img/42953.png", "label": 0, "text": "its their character not their color"}
TaskKind read_meme(const JsonView& entry, DatasetReading& reading, Sample& sample) {
  const std::string image = entry.string("img");
  sample.id = identifier(entry, "id");
  sample.ocr = entry.string("text");
  if (const auto label = entry.find("label")) {
    const int64_t value = label->as_integer();
    entry.require(value == 0 || value == 1, "label", "must be 0 or 1");
    sample.label = value == 1 ? "yes" : "no";
  }
  const std::vector<std::string> names{image, std::filesystem::path(image).filename().string()};
  sample.image = reading.pictures.find(names);
  return TaskKind::kClassification;
}

std::vector<std::string> list_or_one(const JsonView& entry, std::string_view list,
                                     std::string_view one) {
  if (entry.contains(one)) return {entry.string(one)};
  if (!entry.contains(list)) return {};
  auto texts = texts_of(entry.at(list), one);
  entry.require(!texts.empty(), list, "is empty");
  return texts;
}

std::string label_of(const JsonView& entry) {
  const JsonView label = entry.at("label");
  if (label.is_boolean()) return label.as_boolean() ? "yes" : "no";
  std::string text = identifier(entry, "label");
  entry.require(!text.empty(), "label", "is empty");
  return text;
}

// {"image": …, "captions": […]} | {"image", "question", "answers"} | {"image", "label", "ocr"}
TaskKind read_own(const JsonView& entry, DatasetReading& reading, int64_t number, Sample& sample) {
  const std::string image = entry.string("image");
  entry.require(!image.empty(), "image", "is empty");
  sample.id = entry.contains("id") ? identifier(entry, "id") : std::to_string(number);
  sample.ocr = entry.string("ocr", "");
  sample.image = reading.pictures.find(image);
  if (entry.contains("question")) {
    sample.question = entry.string("question");
    sample.references = list_or_one(entry, "answers", "answer");
    return TaskKind::kVqa;
  }
  if (entry.contains("captions") || entry.contains("caption")) {
    sample.references = list_or_one(entry, "captions", "caption");
    return TaskKind::kCaptioning;
  }
  if (!entry.contains("label")) entry.fail("holds none of captions, question and answers, label");
  sample.label = label_of(entry);
  return TaskKind::kClassification;
}

}  // namespace

void read_records(const std::filesystem::path& file, DatasetReading& reading) {
  std::optional<TaskKind> kind;
  samples::for_each_line(file, reading.dataset.broken, [&](int64_t number, const JsonView& entry) {
    Sample sample;
    const TaskKind found = entry.contains("img") ? read_meme(entry, reading, sample)
                                                 : read_own(entry, reading, number, sample);
    if (!kind) kind = found;
    if (found != *kind)
      entry.fail(fmt::format("is an example of {}, the lines before it are of {}", name_of(found),
                             name_of(*kind)));
    reading.dataset.samples.push_back(std::move(sample));
  });
  if (kind) reading.dataset.kind = *kind;
}

}  // namespace isthmus::eval
