#include <map>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "eval/evaluate.h"
#include "eval_testing.h"

namespace isthmus::eval {
namespace {

using nlohmann::json;

json golden(const std::string& name) {
  return json::parse(
      text_of(std::filesystem::path(ISTHMUS_FIXTURES) / "openflamingo" / name / "expect.json"));
}

// Says for each picture what it was told to say.
class Parrot : public FakeSubject {
 public:
  std::vector<std::string> generate(std::span<const Request> requests) override {
    std::vector<std::string> texts;
    for (const Request& request : requests)
      for (auto part = request.prompt.rbegin(); part != request.prompt.rend(); ++part)
        if (part->type == Part::Type::kImage) {
          texts.push_back(says.at(part->path.filename().string()));
          break;
        }
    return texts;
  }

  std::map<std::string, std::string> says;
};

Metric score_of(const Report& report, size_t metric = 0) {
  return report.tasks.at(0).shots.at(0).trials.at(0).metrics.at(metric);
}

Report evaluate_lines(const std::filesystem::path& folder, const std::string& lines,
                      Subject& subject) {
  const auto file = put(folder / "data.jsonl", lines);
  EvalOptions options;
  options.tasks = {{"", "", {{file}, {file}, {}, {}}}};
  options.shots = {2};
  options.out = folder / "out";
  return evaluate(options, subject, standard_scorers());
}

// From files to the score, through prompts, post-processing and results on disk: the golden numbers
// of the reference.
TEST(StandardScorers, AnEvaluationOfCaptionsGivesTheGoldenScores) {
  const auto folder = fresh_folder();
  const json expect = golden("metric_cider");
  Parrot parrot;
  std::string lines;
  for (const json& item : expect["items"]) {
    const auto image = fmt::format("{}.png", item["id"].get<int>());
    put(folder / image, kPicture);
    lines += json{{"image", image}, {"captions", item["references"]}}.dump() + "\n";
    parrot.says[image] = item["hypothesis"].get<std::string>() + "\nOutput:and so on";
  }
  const auto report = evaluate_lines(folder, lines, parrot);
  EXPECT_EQ(score_of(report).name, "CIDEr");
  EXPECT_NEAR(score_of(report).value, expect["cider_x100"].get<double>(), 1e-4);
  EXPECT_NEAR(score_of(report, 1).value, 100 * expect["bleu"][3].get<double>(), 1e-4);
  EXPECT_NEAR(score_of(report, 2).value, 100 * expect["rouge_l"].get<double>(), 1e-4);
  EXPECT_LT(score_of(report).interval->low, score_of(report).value);
  EXPECT_GT(score_of(report).interval->high, score_of(report).value);
  EXPECT_NEAR(score_of(report).per_sample[0], 100 * expect["per_image"][0].get<double>(), 1e-4);
}

TEST(StandardScorers, AnEvaluationOfQuestionsGivesTheGoldenScores) {
  const auto folder = fresh_folder();
  const json expect = golden("metric_vqa");
  Parrot parrot;
  std::vector<json> questions, annotations;
  for (const json& item : expect["per_question"]) {
    const int id = item["question_id"].get<int>();
    const auto image = fmt::format("COCO_val2014_{:012}.jpg", id);
    put(folder / image, kPicture);
    questions.push_back({{"image_id", id}, {"question_id", id}, {"question", "What?"}});
    json answers = json::array();
    for (const json& answer : item["answers"]) answers.push_back({{"answer", answer}});
    annotations.push_back(
        {{"question_id", id}, {"answers", answers}, {"answer_type", item["answer_type"]}});
    // What cuts an answer out of a text would cut these; the golden predictions were not cut.
    const auto prediction = item["prediction"].get<std::string>();
    parrot.says[image] = prediction;
  }
  const std::vector<std::filesystem::path> files{
      put(folder / "q.json", json{{"questions", questions}, {"data_subtype", "val2014"}}.dump()),
      put(folder / "a.json", json{{"annotations", annotations}}.dump())};
  EvalOptions options;
  options.tasks = {{"vqav2", "", {files, files, {}, {}}}};
  options.shots = {4};
  options.out = folder / "out";
  const auto report = evaluate(options, parrot, standard_scorers());
  const auto& trial = report.tasks[0].shots[0].trials[0];
  EXPECT_EQ(score_of(report).name, "VQA accuracy");
  ASSERT_EQ(trial.scores.size(), expect["per_question"].size());
  for (size_t i = 0; i < trial.scores.size(); ++i) {
    const json& item = expect["per_question"][i];
    const auto prediction = item["prediction"].get<std::string>();
    if (prediction.find(", ") != std::string::npos) continue;
    EXPECT_NEAR(*trial.scores[i], item["accuracy"].get<double>(), 0.005) << prediction;
  }
  EXPECT_EQ(trial.metrics.size(), 1 + expect["per_answer_type"].size());
}

TEST(StandardScorers, ClassesOfTwoAndMany) {
  const Scorer scorer = standard_scorers().classification;
  std::vector<Sample> samples(4);
  std::vector<Outcome> outcomes;
  const std::vector<std::string> answers{"no", "yes"};
  const double yes[] = {0.1, 0.4, 0.35, 0.8};
  for (size_t i = 0; i < 4; ++i) {
    samples[i].label = answers[i / 2];
    outcomes.push_back(
        {&samples[i], answers[yes[i] > 0.5], {std::log(1 - yes[i]), std::log(yes[i])}});
  }
  const auto two = scorer(outcomes, answers);
  EXPECT_EQ(two[0].name, "ROC-AUC");
  EXPECT_DOUBLE_EQ(two[0].value, 75);
  EXPECT_EQ(two[1].name, "accuracy");
  EXPECT_DOUBLE_EQ(two[1].value, 75);
  EXPECT_NEAR(two[2].per_sample[2], 35, 1e-9);
  EXPECT_EQ(scorer(outcomes, std::vector<std::string>{"no", "yes"})[0].interval->high, 100);

  for (Sample& sample : samples) sample.label = "no";  // an area needs both
  EXPECT_EQ(scorer(outcomes, answers)[0].name, "accuracy");

  const std::vector<std::string> many{"a", "b", "c", "d", "e", "f"};
  outcomes.clear();
  for (size_t i = 0; i < 2; ++i) {
    samples[i].label = i == 0 ? "a" : "e";
    outcomes.push_back({&samples[i], "f", {-6, -5, -4, -3, -2, -1}});
  }
  const auto six = scorer(outcomes, many);
  EXPECT_EQ(six[0].name, "accuracy");
  EXPECT_EQ(six[0].value, 0);
  EXPECT_EQ(six[1].name, "top-5 accuracy");
  EXPECT_EQ(six[1].value, 50);
}

}  // namespace
}  // namespace isthmus::eval
