// COCO, Flickr30k in Karpathy's layout, VQAv2, OK-VQA, TextVQA, VizWiz.
#include <algorithm>
#include <array>
#include <unordered_map>

#include <fmt/format.h>

#include "eval/dataset_readers.h"
#include "isthmus/error.h"

namespace isthmus::eval {
namespace {

// A file name without its extension names a picture of Flickr30k.
std::string stem(const std::string& file_name) {
  return std::filesystem::path(file_name).stem().string();
}

class Documents {
 public:
  explicit Documents(DatasetReading& reading) : reading_(reading) {}

  void read(const std::filesystem::path& file) {
    const JsonView rest =
        samples::for_each_entry(file, [&](std::string_view list, const JsonView& entry) {
          reading_.dataset.broken.guard([&] { take(list, entry); });
        });
    if (rest.is_object() && rest.contains("data_subtype")) subset_ = rest.string("data_subtype");
    if (!recognised_)
      throw InputError(
          fmt::format("{}: is no data set known here: it has no list \"images\", \"annotations\", "
                      "\"questions\" or \"data\", and is none",
                      file.string()));
  }

  void finish() {
    for (Question& question : questions_) add_question(question);
    for (Sample& sample : captioned_) {
      const auto found = captions_.find(sample.id);
      if (found != captions_.end()) sample.references = std::move(found->second);
      reading_.dataset.samples.push_back(std::move(sample));
    }
    if (captioned_.empty() && questions_.empty() && reading_.dataset.samples.empty() &&
        !answers_.empty())
      throw InputError("annotations of VQA are given without the file of their questions");
    if (!questions_.empty()) reading_.dataset.kind = TaskKind::kVqa;
  }

 private:
  struct Question {
    Sample sample;
    std::vector<std::string> names;  // of its picture; empty: of COCO, by number
    int64_t coco_id = 0;
    std::string where;
    bool answered = false;  // its answers came with it
  };

  struct Answers {
    std::vector<std::string> texts;
    std::string type;
  };

  void take(std::string_view list, const JsonView& entry) {
    constexpr std::array known{"images", "annotations", "questions", "data", ""};
    if (std::find(known.begin(), known.end(), list) != known.end()) recognised_ = true;
    if (list == "images")
      entry.contains("sentences") ? take_karpathy(entry) : take_coco_image(entry);
    else if (list == "annotations")
      entry.contains("caption") ? take_caption(entry) : take_answers(entry);
    else if (list == "questions" || list == "data")
      take_question(entry);
    else if (list.empty())
      take_vizwiz(entry);
  }

  // {"filepath": "val2014", "filename": …, "split": …, "cocoid": …, "sentences": [{"raw": …}]}
  void take_karpathy(const JsonView& entry) {
    const std::string& wanted = reading_.options.split;
    reading_.has_splits = reading_.has_splits || entry.contains("split");
    if (!wanted.empty() && entry.string("split") != wanted) return;
    const std::string file_name = entry.string("filename");
    std::vector<std::string> names{file_name};
    if (entry.contains("filepath")) names.push_back(entry.string("filepath") + "/" + file_name);
    Sample sample;
    sample.id = entry.contains("cocoid") ? identifier(entry, "cocoid") : stem(file_name);
    sample.references = texts_of(entry.at("sentences"), "raw");
    entry.require(!sample.references.empty(), "sentences", "is empty");
    sample.image = reading_.pictures.find(names);
    reading_.dataset.samples.push_back(std::move(sample));
  }

  void take_coco_image(const JsonView& entry) {
    Sample sample;
    sample.id = identifier(entry, "id");
    sample.image = reading_.pictures.find(entry.string("file_name"));
    captioned_.push_back(std::move(sample));
  }

  void take_caption(const JsonView& entry) {
    captions_[identifier(entry, "image_id")].push_back(entry.string("caption"));
  }

  void take_answers(const JsonView& entry) {
    Answers answers{texts_of(entry.at("answers"), "answer"), entry.string("answer_type", "")};
    entry.require(!answers.texts.empty(), "answers", "is empty");
    answers_[identifier(entry, "question_id")] = std::move(answers);
  }

  void take_question(const JsonView& entry) {
    Question question;
    question.sample.id = identifier(entry, "question_id");
    question.sample.question = entry.string("question");
    question.where = entry.where();
    const JsonView image = entry.at("image_id");
    if (image.is_string()) {  // TextVQA leaves the extension out, VizWiz does not
      const std::string name = image.as_string();
      question.names = {std::filesystem::path(name).has_extension() ? name : name + ".jpg"};
    } else {
      question.coco_id = image.as_integer();
    }
    if (const auto answers = entry.find("answers")) {
      question.sample.references = texts_of(*answers, "answer");
      question.answered = true;
    }
    questions_.push_back(std::move(question));
  }

  void take_vizwiz(const JsonView& entry) {
    Question question;
    const std::string image = entry.string("image");
    question.names = {image};
    question.sample.id = stem(image);
    question.sample.question = entry.string("question");
    if (const auto answers = entry.find("answers"))
      question.sample.references = texts_of(*answers, "answer");
    question.answered = true;
    questions_.push_back(std::move(question));
  }

  void add_question(Question& question) {
    Sample& sample = question.sample;
    if (!question.answered && !answers_.empty()) {
      const auto found = answers_.find(sample.id);
      if (found == answers_.end()) {
        reading_.dataset.broken.add(fmt::format(
            "{}: question_id {} has no entry in the annotations", question.where, sample.id));
        return;
      }
      sample.references = std::move(found->second.texts);
      sample.answer_type = std::move(found->second.type);
    }
    if (question.names.empty()) question.names = coco_file_names(question.coco_id, subset_);
    sample.image = reading_.pictures.find(question.names);
    reading_.dataset.samples.push_back(std::move(sample));
  }

  DatasetReading& reading_;
  bool recognised_ = false;
  std::string subset_;  // "val2014"
  std::vector<Sample> captioned_;
  std::unordered_map<std::string, std::vector<std::string>> captions_;
  std::unordered_map<std::string, Answers> answers_;
  std::vector<Question> questions_;
};

}  // namespace

void read_documents(std::span<const std::filesystem::path> files, DatasetReading& reading) {
  Documents documents(reading);
  for (const auto& file : files) documents.read(file);
  documents.finish();
}

}  // namespace isthmus::eval
