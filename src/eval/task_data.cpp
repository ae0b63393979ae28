#include "eval/task_data.h"

#include <algorithm>
#include <set>
#include <unordered_set>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "base/content_hash.h"
#include "eval/dataset.h"
#include "isthmus/error.h"

namespace isthmus::eval {
namespace {

constexpr uint64_t kLimitSeed = 42;  // the same samples for every seed and number of shots
constexpr size_t kNamed = 10;        // missing pictures that a message names

TaskFiles files_of(const TaskRequest& request, const Task* task) {
  if (request.folder.empty()) return request.files;
  TaskFiles files = find_task_files(*task, request.folder);
  if (!request.files.images.empty()) files.images = request.files.images;
  if (!request.files.train_images.empty()) files.train_images = request.files.train_images;
  return files;
}

bool needs_train(const EvalOptions& options) {
  return std::any_of(options.shots.begin(), options.shots.end(),
                     [&](int64_t shots) { return demonstration_count(shots, options) > 0; });
}

// Two names of one picture are one picture.
void make_absolute(std::vector<Sample>& samples) {
  const auto here = std::filesystem::current_path();
  for (Sample& sample : samples) sample.image = (here / sample.image).lexically_normal();
}

uint64_t content_hash(const std::vector<Sample>& samples) {
  ContentHasher hasher;
  const auto add = [&](std::string_view text) {
    hasher.add(text);
    hasher.add("\n");
  };
  for (const Sample& sample : samples) {
    add(sample.id);
    add(sample.image.filename().native());
    add(sample.question);
    add(sample.ocr);
    add(sample.label);
    for (const std::string& reference : sample.references) add(reference);
  }
  return hasher.hash().low;
}

class Loader {
 public:
  Loader(const TaskRequest& request, const EvalOptions& options)
      : request_(request), options_(options) {}

  TaskData load() {
    const Task* named = nullptr;
    if (!request_.name.empty()) {
      named = find_task(request_.name);
      if (named == nullptr) throw UsageError(unknown_task());
    } else if (!request_.folder.empty()) {
      throw UsageError(
          fmt::format("{}: a folder needs the name of its task", request_.folder.string()));
    }
    data_.files = files_of(request_, named);
    read_test(named);
    if (needs_train(options_)) read_train();
    data_.form = text::find_few_shot_form(options_.form.empty() ? std::string(data_.task->form)
                                                                : options_.form);
    set_generation();
    if (data_.ranks_classes()) set_classes();
    data_.test_hash = content_hash(data_.test);
    data_.train_hash = content_hash(data_.train);
    return std::move(data_);
  }

 private:
  std::string unknown_task() const {
    std::vector<std::string_view> names;
    for (const Task& task : task_table()) names.push_back(task.name);
    return fmt::format("there is no task \"{}\"; known are {}", request_.name,
                       fmt::join(names, ", "));
  }

  Dataset read(const std::vector<std::filesystem::path>& files, const std::filesystem::path& images,
               std::string split) {
    Dataset dataset = read_dataset(files, {images, std::move(split), options_.skip_broken});
    data_.broken += dataset.broken.count();
    for (const std::string& message : dataset.broken.messages()) complain(message);
    make_absolute(dataset.samples);
    return dataset;
  }

  void complain(const std::string& message) {
    if (data_.complaints.size() < kNamed) data_.complaints.push_back(message);
  }

  void read_test(const Task* named) {
    if (data_.files.test.empty())
      throw UsageError(named == nullptr
                           ? "no data is given"
                           : fmt::format("{}: no file of samples is given", named->name));
    Dataset dataset = read(data_.files.test, data_.files.images, "test");
    data_.task = named != nullptr ? named : &own_task(dataset.kind);
    if (dataset.kind != data_.task->kind)
      throw InputError(fmt::format("{}: holds samples for {}, the task {} is one of {}",
                                   data_.files.test.front().string(), name_of(dataset.kind),
                                   data_.task->name, name_of(data_.task->kind)));
    data_.test = std::move(dataset.samples);
    if (options_.limit > 0 && data_.test.size() > static_cast<size_t>(options_.limit)) {
      auto places = draw_without_replacement(data_.test.size(), static_cast<size_t>(options_.limit),
                                             kLimitSeed);
      std::sort(places.begin(), places.end());
      std::vector<Sample> drawn;
      for (const size_t place : places) drawn.push_back(std::move(data_.test[place]));
      data_.test = std::move(drawn);
    }
    require_pictures(data_.test, data_.files.test.front(), "--images");
  }

  void read_train() {
    if (data_.files.train.empty())
      throw UsageError(fmt::format(
          "{}: the prompts begin with solved examples; give their file with --train (to go "
          "without: --shots 0 --zero-shot-examples 0)",
          data_.task->name));
    const auto& file = data_.files.train.front();
    Dataset dataset = read(
        data_.files.train,
        data_.files.train_images.empty() ? data_.files.images : data_.files.train_images, "train");
    if (dataset.kind != data_.task->kind)
      throw InputError(fmt::format("{}: holds examples of {}, the task {} is one of {}",
                                   file.string(), name_of(dataset.kind), data_.task->name,
                                   name_of(data_.task->kind)));
    data_.train = std::move(dataset.samples);
    std::erase_if(data_.train, [](const Sample& sample) { return !sample.has_answer(); });
    if (data_.train.empty())
      throw InputError(fmt::format("{}: holds no example with an answer", file.string()));
    const int64_t most = *std::max_element(options_.shots.begin(), options_.shots.end());
    const bool shown = most > 0 || options_.selection == Selection::kRices;
    if (shown) require_train_pictures(file);
    const int64_t count = std::max(most, demonstration_count(0, options_));
    if (data_.train.size() < static_cast<size_t>(count))
      throw InputError(fmt::format("{}: has {} usable examples, {} shots need {}", file.string(),
                                   data_.train.size(), count, count));
  }

  // Random selection draws from a part of the examples; pictures of the others may be missing.
  void require_train_pictures(const std::filesystem::path& file) {
    if (options_.selection == Selection::kRices || options_.skip_broken)
      return require_pictures(data_.train, file, "--train-images");
    std::set<size_t> drawn;
    for (const uint64_t seed : options_.seeds) {
      const RandomShots shots(data_.train, seed, options_.query_set_size);
      drawn.insert(shots.query_set().begin(), shots.query_set().end());
    }
    std::vector<Sample> samples;
    for (const size_t index : drawn) samples.push_back(data_.train[index]);
    require_pictures(samples, file, "--train-images");
  }

  void require_pictures(std::vector<Sample>& samples, const std::filesystem::path& file,
                        std::string_view flag) {
    std::vector<std::string> missing;
    std::unordered_set<std::string> gone;
    std::error_code ignored;
    int64_t count = 0;
    const size_t total = samples.size();
    std::erase_if(samples, [&](const Sample& sample) {
      if (std::filesystem::is_regular_file(sample.image, ignored)) return false;
      ++count;
      if (gone.insert(sample.image.native()).second && missing.size() < kNamed)
        missing.push_back(sample.image.string());
      return true;
    });
    if (count == 0) return;
    const std::string message = fmt::format(
        "{}: the pictures of {} of {} samples are missing: {}{}; is {} right?", file.string(),
        count, total, fmt::join(missing, ", "), gone.size() > missing.size() ? ", …" : "", flag);
    if (!options_.skip_broken || samples.empty()) throw InputError(message);
    data_.broken += count;
    complain(message);
  }

  void set_generation() {
    GenerationConfig& generate = data_.generate;
    generate = data_.task->generation();
    generate.max_new_tokens = options_.max_new_tokens.value_or(generate.max_new_tokens);
    generate.min_new_tokens = options_.min_new_tokens.value_or(generate.min_new_tokens);
    generate.num_beams = options_.num_beams.value_or(generate.num_beams);
    generate.length_penalty = options_.length_penalty.value_or(generate.length_penalty);
  }

  void set_classes() {
    data_.class_names = data_.task->class_names();
    if (!data_.class_names.empty()) return;
    std::set<std::string> labels;
    for (const auto* samples : {&data_.test, &data_.train})
      for (const Sample& sample : *samples)
        if (!sample.label.empty()) labels.insert(sample.label);
    if (labels.size() < 2)
      throw InputError(fmt::format("{}: {} different labels; a classification needs two or more",
                                   data_.files.test.front().string(), labels.size()));
    data_.class_names.assign(labels.begin(), labels.end());
  }

  const TaskRequest& request_;
  const EvalOptions& options_;
  TaskData data_{};
};

text::FewShotItem item_of(const Sample& sample) {
  return {.media = {Part::of_image(sample.image)},
          .prompt = sample.question,
          .question = sample.question,
          .ocr = sample.ocr,
          .answer = sample.answer()};
}

}  // namespace

TaskData load_task(const TaskRequest& request, const EvalOptions& options) {
  return Loader(request, options).load();
}

int64_t demonstration_count(int64_t shots, const EvalOptions& options) {
  return shots > 0 ? shots : options.zero_shot_demonstrations;
}

Request TaskData::request(const Sample& sample, const std::vector<size_t>& demonstrations,
                          int64_t shots) const {
  std::vector<text::FewShotItem> items;
  for (const size_t index : demonstrations) items.push_back(item_of(train[index]));
  text::FewShotItem query = item_of(sample);
  query.answer.clear();
  Request request;
  request.prompt = text::render_few_shot(
      form, items, query,
      shots > 0 ? text::DemonstrationMedia::kShown : text::DemonstrationMedia::kLeftOut);
  request.generate = generate;
  return request;
}

nlohmann::json settings_of(const TaskData& data, const EvalOptions& options,
                           const std::string& fingerprint) {
  nlohmann::json settings{
      {"task", data.task->name},
      {"model", fingerprint},
      {"selection", name_of(options.selection)},
      {"zero_shot_demonstrations", options.zero_shot_demonstrations},
      {"limit", options.limit},
      {"form",
       {{"demonstration", data.form.demonstration},
        {"query", data.form.query},
        {"separator", data.form.separator},
        {"end_token", data.form.end_token},
        {"strip_answer", data.form.strip_answer}}},
      {"samples", fmt::format("{} with hash {:016x}", data.test.size(), data.test_hash)},
      {"examples", fmt::format("{} with hash {:016x}", data.train.size(), data.train_hash)}};
  if (options.selection == Selection::kRandom) settings["query_set_size"] = options.query_set_size;
  if (data.ranks_classes())
    settings["classes"] = data.class_names;
  else
    settings["generate"] = {{"max_new_tokens", data.generate.max_new_tokens},
                            {"min_new_tokens", data.generate.min_new_tokens},
                            {"num_beams", data.generate.num_beams},
                            {"length_penalty", data.generate.length_penalty}};
  return settings;
}

}  // namespace isthmus::eval
