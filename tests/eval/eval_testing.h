// Shared by the tests of eval/: folders with tiny data sets, and a model that is none.
#pragma once

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <span>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/content_hash.h"
#include "error_message.h"
#include "eval/scorer.h"
#include "eval/subject.h"
#include "isthmus/error.h"

namespace isthmus::eval {

// The signature of a PNG, which is all that the evaluation itself looks at.
inline const std::string kPicture = "\x89PNG\r\n\x1A\n picture";

inline std::filesystem::path fresh_folder() {
  const auto* test = testing::UnitTest::GetInstance()->current_test_info();
  const auto folder = std::filesystem::path(testing::TempDir()) /
                      (std::string("isthmus_eval_") + test->test_suite_name() + "_" + test->name());
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  return folder;
}

inline std::filesystem::path put(const std::filesystem::path& file, const std::string& content) {
  std::filesystem::create_directories(file.parent_path());
  std::ofstream(file, std::ios::binary) << content;
  return file;
}

inline std::string text_of(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// Pictures as <image:NAME>, so that a prompt is one string.
inline std::string spelt(const Request& request) {
  std::string text;
  for (const Part& part : request.prompt)
    text += part.type == Part::Type::kMedia ? "<image:" + part.path.filename().string() + ">"
                                            : part.text;
  return text;
}

// Answers with a hash of the prompt, so that the same prompt has the same answer in any batch.
class FakeSubject : public Subject {
 public:
  std::vector<std::string> generate(std::span<const Request> requests) override {
    std::vector<std::string> texts;
    for (const Request& request : requests) {
      refuse_broken(request);
      prompts.push_back(spelt(request));
      settings = request.generate;
      texts.push_back("word" + std::to_string(hash_text(prompts.back()).low % 3) +
                      "\nOutput: more");
    }
    ++calls;
    if (calls == fail_at) throw ResourceError("the model ran out of memory");
    return texts;
  }

  std::vector<std::vector<double>> rank(std::span<const Request> contexts,
                                        std::span<const std::string> class_names) override {
    std::vector<std::vector<double>> rows;
    for (const Request& request : contexts) {
      refuse_broken(request);
      prompts.push_back(spelt(request));
      std::vector<double> row;
      for (const std::string& name : class_names)
        row.push_back(-static_cast<double>(hash_text(prompts.back() + name).low % 100) / 10);
      rows.push_back(std::move(row));
    }
    ++calls;
    return rows;
  }

  // A picture NAME7.png looks in the direction 7.
  std::vector<std::vector<float>> image_embeddings(
      std::span<const std::filesystem::path> pictures) override {
    std::vector<std::vector<float>> embeddings;
    for (const auto& picture : pictures) {
      if (broken.contains(picture.filename().string()))
        throw InputError(picture.string() + ": is broken");
      const std::string stem = picture.stem().string();
      const double angle = 0.1 * std::stod(stem.substr(stem.find_first_of("0123456789")));
      embeddings.push_back(
          {static_cast<float>(std::cos(angle)), static_cast<float>(std::sin(angle)), 0.0f});
      ++embedded;
    }
    return embeddings;
  }

  std::string fingerprint() const override { return name; }

  std::string name = "fake";
  std::set<std::string> broken;  // file names
  int calls = 0, fail_at = -1, embedded = 0;
  std::vector<std::string> prompts;
  GenerationConfig settings;

 private:
  void refuse_broken(const Request& request) const {
    for (const Part& part : request.prompt)
      if (part.type == Part::Type::kMedia && broken.contains(part.path.filename().string()))
        throw InputError(part.path.string() + ": is broken");
  }
};

// 100 for the first reference or the label, else 0.
inline Scorers exact_match() {
  const Scorer scorer = [](std::span<const Outcome> outcomes, std::span<const std::string>) {
    Metric metric{"exact match", 0, Interval{0, 0}, {}};
    for (const Outcome& outcome : outcomes) {
      std::string prediction = outcome.prediction;
      std::erase(prediction, '\n');
      metric.per_sample.push_back(prediction == outcome.sample->answer() ? 100 : 0);
      metric.value += metric.per_sample.back() / static_cast<double>(outcomes.size());
    }
    metric.interval = Interval{metric.value - 10, metric.value + 10};
    return std::vector<Metric>{metric, {"count", static_cast<double>(outcomes.size()), {}, {}}};
  };
  return {scorer, scorer, scorer};
}

}  // namespace isthmus::eval
