// The tasks of `isthmus eval`, as data.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "eval/sample.h"
#include "isthmus/generation.h"

namespace isthmus::eval {

// Files that hold the examples of a split, under the names they are published with, separated by
// blanks. All of them together are needed.
using PublishedFiles = std::string_view;

struct Task {
  std::string_view name, title;
  TaskKind kind;
  std::string_view form;     // text::find_few_shot_form
  int64_t max_new_tokens;    // 0: classes are ranked, nothing is generated
  std::string_view classes;  // separated by blanks; "": those that occur in the data
  std::string_view split;    // what a file that holds several splits calls the test split
  // Looked for in this order in the folder of the data set; empty: there is no such folder.
  std::span<const PublishedFiles> test = {}, train = {};

  // Beam search as the published figures were made: 3 beams, length penalty 0.
  GenerationConfig generation() const;
  std::vector<std::string> class_names() const;
};

// Published data sets, then the three kinds of one's own data: captions, vqa, classification.
std::span<const Task> task_table();
// nullptr if there is none of this name.
const Task* find_task(std::string_view name);
// The task for one's own data of this kind.
const Task& own_task(TaskKind kind);

// Where the examples of a task lie.
struct TaskFiles {
  std::vector<std::filesystem::path> test, train;
  std::filesystem::path images, train_images;  // empty: beside the files
};
// The files of a published data set in `folder` or its folder of annotations. InputError names what
// was looked for.
TaskFiles find_task_files(const Task& task, const std::filesystem::path& folder);

}  // namespace isthmus::eval
