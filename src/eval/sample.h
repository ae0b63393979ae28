// One example of a data set: a picture and what is known about it.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace isthmus::eval {

enum class TaskKind { kCaptioning, kVqa, kClassification };

// "captioning", "vqa", "classification"
std::string_view name_of(TaskKind kind);

struct Sample {
  std::string id;
  std::filesystem::path image;
  std::string question;                 // visual question answering
  std::string ocr;                      // text written on the picture, where the data set gives it
  std::vector<std::string> references;  // captions, or the answers of the annotators
  std::string answer_type;              // VQAv2: "yes/no", "number", "other"
  std::string label;                    // classification; "" if unknown

  // What the sample shows as a demonstration: the first reference, or the label.
  const std::string& answer() const;
  bool has_answer() const { return !references.empty() || !label.empty(); }
};

}  // namespace isthmus::eval
