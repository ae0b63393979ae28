#include "eval/task.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "isthmus/error.h"

namespace isthmus::eval {
namespace {

constexpr PublishedFiles kCocoTest[] = {"dataset_coco.json", "captions_val2014.json",
                                        "captions_val2017.json"};
constexpr PublishedFiles kCocoTrain[] = {"dataset_coco.json", "captions_train2014.json",
                                         "captions_train2017.json"};
constexpr PublishedFiles kFlickr[] = {"dataset_flickr30k.json", "flickr_annotations_30k.csv"};
constexpr PublishedFiles kVqav2Test[] = {
    "v2_OpenEnded_mscoco_val2014_questions.json v2_mscoco_val2014_annotations.json",
    "v2_OpenEnded_mscoco_test-dev2015_questions.json"};
constexpr PublishedFiles kVqav2Train[] = {
    "v2_OpenEnded_mscoco_train2014_questions.json v2_mscoco_train2014_annotations.json"};
constexpr PublishedFiles kOkVqaTest[] = {
    "OpenEnded_mscoco_val2014_questions.json mscoco_val2014_annotations.json"};
constexpr PublishedFiles kOkVqaTrain[] = {
    "OpenEnded_mscoco_train2014_questions.json mscoco_train2014_annotations.json"};
// The last names are those of the copies in VQA's own layout that come with OpenFlamingo.
constexpr PublishedFiles kTextVqaTest[] = {
    "TextVQA_0.5.1_val.json", "val_questions_vqa_format.json val_annotations_vqa_format.json"};
constexpr PublishedFiles kTextVqaTrain[] = {
    "TextVQA_0.5.1_train.json",
    "train_questions_vqa_format.json train_annotations_vqa_format.json"};
constexpr PublishedFiles kVizWizTest[] = {
    "val.json", "val_questions_vqa_format.json val_annotations_vqa_format.json"};
constexpr PublishedFiles kVizWizTrain[] = {
    "train.json", "train_questions_vqa_format.json train_annotations_vqa_format.json"};
constexpr PublishedFiles kMemesTest[] = {"dev.jsonl", "dev_seen.jsonl"};
constexpr PublishedFiles kMemesTrain[] = {"train.jsonl"};

constexpr std::array<Task, 10> kTasks{{
    {"coco", "COCO captions", TaskKind::kCaptioning, "caption", 20, "", "test", kCocoTest,
     kCocoTrain},
    {"flickr30k", "Flickr30k", TaskKind::kCaptioning, "caption", 20, "", "test", kFlickr, kFlickr},
    {"vqav2", "VQAv2", TaskKind::kVqa, "vqa", 5, "", "test", kVqav2Test, kVqav2Train},
    {"ok_vqa", "OK-VQA", TaskKind::kVqa, "vqa", 5, "", "test", kOkVqaTest, kOkVqaTrain},
    {"textvqa", "TextVQA", TaskKind::kVqa, "vqa", 10, "", "test", kTextVqaTest, kTextVqaTrain},
    {"vizwiz", "VizWiz", TaskKind::kVqa, "vqa", 5, "", "test", kVizWizTest, kVizWizTrain},
    {"hateful_memes", "Hateful Memes", TaskKind::kClassification, "hateful_memes", 0, "no yes",
     "test", kMemesTest, kMemesTrain},
    {"captions", "Captions", TaskKind::kCaptioning, "caption", 20, "", "test"},
    {"vqa", "Questions", TaskKind::kVqa, "vqa", 5, "", "test"},
    {"classification", "Classification", TaskKind::kClassification, "classification", 0, "",
     "test"},
}};

std::vector<std::string> words(std::string_view text) {
  std::vector<std::string> found;
  while (!text.empty()) {
    const size_t blank = std::min(text.find(' '), text.size());
    found.emplace_back(text.substr(0, blank));
    text.remove_prefix(std::min(blank + 1, text.size()));
  }
  return found;
}

std::vector<std::filesystem::path> find_files(std::span<const PublishedFiles> alternatives,
                                              const std::filesystem::path& folder) {
  constexpr std::array subfolders{"", "annotations", "Annotations", "data"};
  std::error_code ignored;
  for (const PublishedFiles& names : alternatives)
    for (const char* subfolder : subfolders) {
      std::vector<std::filesystem::path> files;
      for (const std::string& name : words(names)) files.push_back(folder / subfolder / name);
      if (std::all_of(files.begin(), files.end(), [&](const auto& file) {
            return std::filesystem::is_regular_file(file, ignored);
          }))
        return files;
    }
  throw InputError(fmt::format(
      "{}: none of the published files lies here or in its annotations: {}; --data and --train "
      "name files elsewhere",
      folder.string(), fmt::join(alternatives, " | ")));
}

}  // namespace

GenerationConfig Task::generation() const {
  GenerationConfig config;
  config.max_new_tokens = max_new_tokens;
  config.num_beams = 3;
  config.length_penalty = 0;
  return config;
}

std::vector<std::string> Task::class_names() const { return words(classes); }

std::span<const Task> task_table() { return kTasks; }

const Task* find_task(std::string_view name) {
  const auto found = std::find_if(kTasks.begin(), kTasks.end(),
                                  [&](const Task& task) { return task.name == name; });
  return found == kTasks.end() ? nullptr : &*found;
}

const Task& own_task(TaskKind kind) {
  return *std::find_if(kTasks.begin(), kTasks.end(),
                       [&](const Task& task) { return task.test.empty() && task.kind == kind; });
}

TaskFiles find_task_files(const Task& task, const std::filesystem::path& folder) {
  std::error_code ignored;
  if (!std::filesystem::is_directory(folder, ignored))
    throw InputError(fmt::format("{}: is not a folder", folder.string()));
  if (task.test.empty())
    throw UsageError(
        fmt::format("\"{}\" stands for your own data; give it with --data and --train", task.name));
  return {find_files(task.test, folder), find_files(task.train, folder), folder, folder};
}

}  // namespace isthmus::eval
