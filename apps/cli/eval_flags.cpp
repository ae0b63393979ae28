#include "eval_flags.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "eval/task.h"
#include "isthmus/error.h"
#include "text/few_shot_form.h"

namespace isthmus::cli {
namespace {

std::vector<std::string_view> task_names() {
  std::vector<std::string_view> names;
  for (const eval::Task& task : eval::task_table()) names.push_back(task.name);
  return names;
}

}  // namespace

EvalFlags::EvalFlags(CLI::App& verb, eval::EvalOptions& options) : options_(options) {
  add_data(verb);
  add_protocol(verb);
  add_generation(verb);
  verb.add_option("--out", options_.out,
                  "Folder for results, report.json and report.html; the same command goes on "
                  "with what is there")
      ->type_name("DIR");
  verb.add_option("--against", options_.against,
                  "Hold the model, in the storage that --storage gives it, against itself in "
                  "another (f32, …), or against another model: KL, choices and answers, "
                  "teacher-forced, on drawn scenes or the conversations of --data")
      ->type_name("STORAGE|MODEL");
}

void EvalFlags::add_data(CLI::App& verb) {
  verb.add_option("--task", tasks_,
                  fmt::format("Data set, and the folder with its published files (may be "
                              "repeated): {}",
                              fmt::join(task_names(), ", ")))
      ->type_name("NAME[=DIR]")
      ->allow_extra_args(false);
  verb.add_option("--data", files_.test,
                  "Samples to ask about, instead of a folder; for VQA questions and annotations "
                  "(repeated)")
      ->type_name("FILE")
      ->allow_extra_args(false);
  verb.add_option("--train", files_.train, "Solved examples, likewise")
      ->type_name("FILE")
      ->allow_extra_args(false);
  verb.add_option("--images", files_.images, "Folder of the pictures (default: beside the file)")
      ->type_name("DIR");
  verb.add_option("--train-images", files_.train_images,
                  "Folder of the examples' pictures (default: that of --images)")
      ->type_name("DIR");
  verb.add_option("--limit", options_.limit, "This many samples of each task, drawn at random")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 30))
      ->type_name("N");
  verb.add_flag("--skip-broken", options_.skip_broken,
                "Leave out and count broken entries and pictures instead of stopping");
}

void EvalFlags::add_protocol(CLI::App& verb) {
  verb.add_option("--shots", options_.shots, "Numbers of solved examples in a prompt")
      ->delimiter(',')
      ->check(CLI::Range(int64_t{0}, int64_t{1} << 16))
      ->type_name("K,...")
      ->capture_default_str();
  verb.add_option("--seeds", options_.seeds, "One trial for each seed of the random selection")
      ->delimiter(',')
      ->type_name("N,...")
      ->capture_default_str();
  verb.add_option_function<std::string>(
          "--select",
          [this](const std::string& name) {
            if (name == "random")
              options_.selection = eval::Selection::kRandom;
            else if (name == "rices")
              options_.selection = eval::Selection::kRices;
            else
              throw CLI::ValidationError("--select",
                                         fmt::format("\"{}\" is not one of random|rices", name));
          },
          "Which examples: drawn at random, or those with the most similar pictures")
      ->type_name("random|rices")
      ->default_str("random");
  verb.add_option("--query-set", options_.query_set_size,
                  "Random selection draws from this many examples; 0: from all")
      ->check(CLI::Range(int64_t{0}, int64_t{1} << 30))
      ->type_name("N")
      ->capture_default_str();
  verb.add_option("--zero-shot-examples", options_.zero_shot_demonstrations,
                  "Texts without pictures that show the form when there are 0 shots")
      ->check(CLI::Range(int64_t{0}, int64_t{1} << 16))
      ->type_name("N")
      ->capture_default_str();
  verb.add_option("--form", options_.form,
                  fmt::format("Prompt form instead of the task's own: {}, or a file (see "
                              "docs/formats.md)",
                              fmt::join(text::few_shot_form_names(), ", ")))
      ->type_name("NAME|FILE");
  verb.add_option("--features", options_.feature_folder,
                  "Where features of pictures are kept for rices (default: ~/.cache/isthmus)")
      ->type_name("DIR");
}

void EvalFlags::add_generation(CLI::App& verb) {
  verb.add_option("--batch", options_.batch, "Samples that are answered together")
      ->check(CLI::Range(1, 1 << 16))
      ->type_name("N")
      ->capture_default_str();
  verb.add_option("--max-new-tokens", options_.max_new_tokens,
                  "Longest answer (default: 20 for captions, 10 for TextVQA, 5 for other VQA)")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 20))
      ->type_name("N");
  verb.add_option("--num-beams", options_.num_beams, "Beam search (default: 3)")
      ->check(CLI::Range(1, 256))
      ->type_name("N");
  verb.add_option("--length-penalty", options_.length_penalty, "Of beam search (default: 0)")
      ->type_name("L");
}

void EvalFlags::finish() {
  options_.tasks.clear();
  if (!options_.against.empty()) {
    if (!tasks_.empty())
      throw UsageError(
          "eval: --against asks about drawn scenes or --data FILE, not about a --task");
    if (!files_.test.empty()) options_.tasks.push_back({"", "", files_});
    return;
  }
  if (options_.out.empty())
    throw UsageError("eval: --out is required: the folder for results and the report");
  for (const std::string& task : tasks_) {
    const size_t equals = task.find('=');
    const std::string name = task.substr(0, equals);
    if (eval::find_task(name) == nullptr)
      throw UsageError(fmt::format("eval: --task: there is no task \"{}\"; known are {}", name,
                                   fmt::join(task_names(), ", ")));
    options_.tasks.push_back(
        {name, equals == std::string::npos ? "" : task.substr(equals + 1), files_});
    if (options_.tasks.back().folder.empty() && files_.test.empty())
      throw UsageError(fmt::format(
          "eval: --task {}: give the folder of the data set, --task {}=DIR, or its files with "
          "--data",
          name, name));
    if (!options_.tasks.back().folder.empty() && !(files_.test.empty() && files_.train.empty()))
      throw UsageError(
          "eval: --data and --train name files, and --task NAME=DIR finds them; give "
          "one of the two");
  }
  if (tasks_.empty() && files_.test.empty())
    throw UsageError(
        "eval: nothing to evaluate; give --task NAME=DIR, or --data FILE and --train FILE");
  if (tasks_.empty()) options_.tasks.push_back({"", "", files_});
  if (options_.tasks.size() > 1 &&
      !(files_.test.empty() && files_.images.empty() && files_.train_images.empty()))
    throw UsageError("eval: --data, --images and --train-images are of one task; give one --task");
}

}  // namespace isthmus::cli
