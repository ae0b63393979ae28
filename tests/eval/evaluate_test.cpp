#include "eval/evaluate.h"

#include <fmt/format.h>

#include "eval/trial.h"
#include "eval_testing.h"

namespace isthmus::eval {
namespace {

namespace fs = std::filesystem;

// A folder with `test` samples and `train` examples of one's own, and options to evaluate them.
struct Attempt {
  fs::path folder = fresh_folder();
  EvalOptions options;
  FakeSubject subject;
  Scorers scorers = exact_match();

  explicit Attempt(const std::string& kind, int test = 10, int train = 12) {
    options.tasks = {
        {"", "", {{lines(kind, "test", test)}, {lines(kind, "train", train)}, {}, {}}}};
    options.shots = {0, 2};
    options.batch = 3;
    options.out = folder / "out";
    options.feature_folder = folder / "features";
    options.model = "tiny";
  }

  fs::path lines(const std::string& kind, const std::string& split, int count) {
    std::string text;
    for (int i = 0; i < count; ++i) {
      const auto image = fmt::format("{}{}.png", split, i);
      put(folder / image, kPicture);
      const auto answer = fmt::format("word{}", i % 3);
      if (kind == "captions")
        text += fmt::format(R"({{"image": "{}", "captions": ["{}"]}})", image, answer);
      else if (kind == "vqa")
        text += fmt::format(R"({{"image": "{}", "question": "Q{}?", "answers": ["{}"]}})", image, i,
                            answer);
      else
        text += fmt::format(R"({{"image": "{}", "label": "{}"}})", image, answer);
      text += "\n";
    }
    return put(folder / (split + ".jsonl"), text);
  }

  Report run(const EvalCallbacks& callbacks = {}) {
    return evaluate(options, subject, scorers, callbacks);
  }
  fs::path results(int shots) const {
    return options.out / "results" / fmt::format("captions_{}shots_seed42.jsonl", shots);
  }
};

TEST(Evaluate, PromptsSettingsAndScoresOfCaptions) {
  Attempt attempt("captions");
  const auto report = attempt.run();
  EXPECT_TRUE(report.finished);
  ASSERT_EQ(attempt.subject.prompts.size(), 20u);
  EXPECT_EQ(attempt.subject.calls, 8);  // ten samples in batches of three, twice
  const auto& zero = attempt.subject.prompts[0];
  EXPECT_EQ(zero.find("Output:word"), 0u);
  EXPECT_EQ(zero.substr(zero.size() - 25), "\n<image:test0.png>Output:");
  EXPECT_EQ(std::count(zero.begin(), zero.end(), '\n'), 2);
  const auto& two = attempt.subject.prompts[10];
  EXPECT_EQ(two.find("<image:train"), 0u);
  EXPECT_EQ(std::count(two.begin(), two.end(), '\n'), 2);
  EXPECT_EQ(attempt.subject.settings.num_beams, 3);
  EXPECT_EQ(attempt.subject.settings.length_penalty, 0);
  EXPECT_EQ(attempt.subject.settings.max_new_tokens, 20);

  const auto& task = report.tasks.at(0);
  EXPECT_EQ(task.data.task->name, "captions");
  ASSERT_EQ(task.shots.size(), 2u);
  const auto& trial = task.shots[1].trials.at(0);
  EXPECT_EQ(trial.scored, 10);
  EXPECT_EQ(trial.records[4].id, "5");  // the line
  EXPECT_EQ(trial.records[4].prediction.find("word"), 0u);
  EXPECT_EQ(trial.records[4].demonstrations.size(), 2u);
  EXPECT_TRUE(fs::exists(attempt.options.out / "report.json"));
  EXPECT_TRUE(fs::exists(attempt.options.out / "report.html"));
  EXPECT_NE(to_text(report).find("Captions, exact match"), std::string::npos);
}

TEST(Evaluate, OverridesAndAFormOfOnesOwn) {
  Attempt attempt("vqa");
  attempt.options.shots = {1};
  attempt.options.num_beams = 1;
  attempt.options.max_new_tokens = 9;
  attempt.options.form = put(attempt.folder / "mine.json",
                             R"({"demonstration": "{media}{question}={answer};",
                               "query": "{media}{question}="})")
                             .string();
  attempt.run();
  EXPECT_EQ(attempt.subject.settings.num_beams, 1);
  EXPECT_EQ(attempt.subject.settings.max_new_tokens, 9);
  const auto& prompt = attempt.subject.prompts[2];
  EXPECT_EQ(prompt.substr(prompt.find(';')), ";<image:test2.png>Q2?=");
}

TEST(Evaluate, ClassesAreRankedByTheirLabels) {
  Attempt attempt("classification");
  const auto report = attempt.run();
  const auto& task = report.tasks.at(0);
  EXPECT_EQ(task.data.class_names, (std::vector<std::string>{"word0", "word1", "word2"}));
  for (const Record& record : task.shots[0].trials[0].records) {
    const auto& values = record.class_log_probs;
    ASSERT_EQ(values.size(), 3u);
    const auto best = std::max_element(values.begin(), values.end()) - values.begin();
    EXPECT_EQ(record.prediction, task.data.class_names[static_cast<size_t>(best)]);
  }
}

TEST(Evaluate, RicesPutsTheNearestLastAndKeepsItsFeatures) {
  Attempt attempt("captions");
  attempt.options.shots = {3};
  attempt.options.selection = Selection::kRices;
  attempt.run();
  EXPECT_EQ(attempt.subject.embedded, 22);
  const auto& prompt = attempt.subject.prompts[5];
  const size_t nearest = prompt.rfind("<image:train");
  EXPECT_EQ(prompt.substr(nearest, 18), "<image:train5.png>");
  EXPECT_EQ(prompt.find("<image:train4.png>") == std::string::npos, false);
  EXPECT_EQ(prompt.find("<image:train6.png>") == std::string::npos, false);
  // Another run takes the features from disk.
  attempt.options.out = attempt.folder / "out2";
  attempt.subject = FakeSubject();
  attempt.run();
  EXPECT_EQ(attempt.subject.embedded, 0);
  attempt.options.out = attempt.folder / "out3";
  attempt.subject.name = "other weights";
  attempt.run();
  EXPECT_EQ(attempt.subject.embedded, 22);
}

TEST(Evaluate, DataThatIsTestAndTrainAtOnceNeverShowsTheAnswer) {
  for (const auto selection : {Selection::kRandom, Selection::kRices}) {
    Attempt attempt("captions");
    attempt.options.tasks[0].files.train = attempt.options.tasks[0].files.test;
    attempt.options.shots = {9};
    attempt.options.selection = selection;
    attempt.run();
    for (const auto& prompt : attempt.subject.prompts) {
      const size_t last = prompt.rfind("<image:");
      const auto query = prompt.substr(last, prompt.find('>', last) - last + 1);
      EXPECT_EQ(prompt.find(query), last);
    }
    attempt.options.shots = {10};
    attempt.options.out = attempt.folder / "out2";
    EXPECT_NE(message_of([&] { attempt.run(); }).find("can have 9 demonstrations"),
              std::string::npos);
  }
}

// Killed after any number of bytes of results, the same command goes on and ends with the same
// report, and asks only for what is missing.
TEST(Evaluate, ResumesAfterAKill) {
  Attempt attempt("captions");
  attempt.run();
  const auto expected = text_of(attempt.options.out / "report.json");
  const auto whole = text_of(attempt.results(2));
  for (size_t length = 0; length < whole.size(); length += 61) {
    put(attempt.results(2), whole.substr(0, length));
    fs::remove(attempt.options.out / "report.json");
    attempt.subject.prompts.clear();
    attempt.run();
    EXPECT_EQ(text_of(attempt.options.out / "report.json"), expected) << length;
    const auto kept = whole.substr(0, length);
    const auto lines = std::count(kept.begin(), kept.end(), '\n');
    EXPECT_EQ(attempt.subject.prompts.size(), static_cast<size_t>(lines > 0 ? 11 - lines : 10));
  }
}

TEST(Evaluate, ResultsDoNotDependOnTheBatch) {
  Attempt attempt("captions");
  attempt.run();
  const auto expected = text_of(attempt.options.out / "report.json");
  attempt.options.batch = 100;
  attempt.options.out = attempt.folder / "out2";
  attempt.run();
  EXPECT_EQ(text_of(attempt.options.out / "report.json"), expected);
}

TEST(Evaluate, CancellingKeepsEverythingAndSaysSo) {
  Attempt attempt("captions");
  int asked = 0;
  std::vector<int64_t> done;
  EvalCallbacks callbacks;
  callbacks.cancelled = [&] { return ++asked == 6; };
  callbacks.progress = [&](const EvalProgress& progress) { done.push_back(progress.done); };
  const auto report = attempt.run(callbacks);
  EXPECT_FALSE(report.finished);
  EXPECT_EQ(report.tasks[0].shots.size(), 1u);
  EXPECT_EQ(done, (std::vector<int64_t>{0, 3, 6, 9, 10, 0, 3}));
  EXPECT_NE(text_of(attempt.options.out / "report.html").find("is not finished"),
            std::string::npos);
  attempt.subject.prompts.clear();
  EXPECT_TRUE(attempt.run().finished);
  EXPECT_EQ(attempt.subject.prompts.size(), 7u);
}

TEST(Evaluate, AnErrorHalfWayLosesOneBatchAtMost) {
  Attempt attempt("captions");
  attempt.subject.fail_at = 3;
  EXPECT_THROW(attempt.run(), ResourceError);
  attempt.subject.prompts.clear();
  EXPECT_TRUE(attempt.run().finished);
  EXPECT_EQ(attempt.subject.prompts.size(), 14u);
}

TEST(Evaluate, OtherSettingsInTheSameFolderAreRefused) {
  Attempt attempt("captions");
  attempt.run();
  attempt.options.num_beams = 1;
  EXPECT_NE(message_of([&] { attempt.run(); }).find("\"num_beams\":3"), std::string::npos);
  EXPECT_THROW(attempt.run(), UsageError);
  attempt.options.num_beams.reset();
  attempt.subject.name = "other weights";
  EXPECT_NE(message_of([&] { attempt.run(); }).find("model: \"fake\" there, \"other weights\" now"),
            std::string::npos);
}

TEST(Evaluate, BrokenPicturesAreAnErrorOrLeftOutAndCounted) {
  Attempt attempt("captions");
  attempt.options.shots = {0};
  attempt.subject.broken = {"test4.png"};
  EXPECT_EQ(message_of([&] { attempt.run(); }),
            (attempt.folder / "test4.png").string() + ": is broken");
  attempt.options.skip_broken = true;
  const auto report = attempt.run();
  const auto& trial = report.tasks[0].shots[0].trials[0];
  EXPECT_EQ(trial.broken, 1);
  EXPECT_EQ(trial.scored, 9);
  EXPECT_EQ(trial.records[4].error, (attempt.folder / "test4.png").string() + ": is broken");
  EXPECT_FALSE(trial.scores[4].has_value());
}

TEST(Evaluate, BrokenPicturesAmongTheExamplesOfRices) {
  Attempt attempt("captions");
  attempt.options.shots = {2};
  attempt.options.selection = Selection::kRices;
  attempt.subject.broken = {"train5.png", "test7.png"};
  EXPECT_THROW(attempt.run(), InputError);
  attempt.options.skip_broken = true;
  const auto report = attempt.run();
  EXPECT_EQ(report.tasks[0].data.broken, 2);
  EXPECT_EQ(report.tasks[0].shots[0].trials[0].broken, 1);
  for (const auto& prompt : attempt.subject.prompts)
    EXPECT_EQ(prompt.find("train5.png"), std::string::npos);
}

TEST(Evaluate, MissingPicturesAreNamed) {
  Attempt attempt("captions");
  fs::remove(attempt.folder / "test3.png");
  fs::remove(attempt.folder / "train8.png");
  const auto message = message_of([&] { attempt.run(); });
  EXPECT_EQ(message, fmt::format("{}: the pictures of 1 of 10 samples are missing: {}; is --images "
                                 "right?",
                                 (attempt.folder / "test.jsonl").string(),
                                 (attempt.folder / "test3.png").string()));
  attempt.options.skip_broken = true;
  const auto report = attempt.run();
  EXPECT_EQ(report.tasks[0].data.broken, 2);
  EXPECT_EQ(report.tasks[0].data.test.size(), 9u);
}

TEST(Evaluate, ExamplesAreAskedForByNameAndNumber) {
  Attempt attempt("captions");
  auto& files = attempt.options.tasks[0].files;
  files.train.clear();
  EXPECT_NE(message_of([&] { attempt.run(); }).find("give their file with --train"),
            std::string::npos);
  files.train = {put(attempt.folder / "empty.jsonl", "\n")};
  EXPECT_EQ(message_of([&] { attempt.run(); }), files.train[0].string() + ": holds no example");
  files.train = {attempt.lines("captions", "few", 1)};
  EXPECT_EQ(message_of([&] { attempt.run(); }),
            files.train[0].string() + ": has 1 usable examples, 2 shots need 2");
  files.train = {attempt.lines("vqa", "other", 4)};
  EXPECT_NE(message_of([&] { attempt.run(); }).find("holds examples of vqa"), std::string::npos);
  files.train.clear();
  attempt.options.shots = {0};
  attempt.options.zero_shot_demonstrations = 0;
  attempt.run();
  EXPECT_EQ(attempt.subject.prompts[0], "<image:test0.png>Output:");
}

TEST(Evaluate, ALimitDrawsTheSameSamplesEveryTime) {
  Attempt attempt("captions");
  attempt.options.limit = 4;
  const auto report = attempt.run();
  EXPECT_EQ(attempt.subject.prompts.size(), 8u);
  const auto ids = [](const TrialReport& trial) {
    std::vector<std::string> found;
    for (const Record& record : trial.records) found.push_back(record.id);
    return found;
  };
  EXPECT_EQ(ids(report.tasks[0].shots[0].trials[0]), ids(report.tasks[0].shots[1].trials[0]));
}

TEST(Evaluate, SeveralSeedsGiveMeansAndADeviation) {
  Attempt attempt("captions");
  attempt.options.shots = {2};
  attempt.options.seeds = {1, 2, 3};
  const auto report = attempt.run();
  const ShotReport& shot = report.tasks[0].shots[0];
  ASSERT_EQ(shot.trials.size(), 3u);
  double sum = 0;
  for (const auto& trial : shot.trials) sum += trial.metrics[0].value;
  EXPECT_DOUBLE_EQ(*shot.score(), sum / 3);
  EXPECT_DOUBLE_EQ(shot.interval()->low, *shot.score() - 10);
  EXPECT_TRUE(shot.deviation().has_value());
  EXPECT_NE(shot.trials[0].records[0].demonstrations, shot.trials[1].records[0].demonstrations);
}

TEST(Evaluate, OptionsThatDoNotFitTogether) {
  Attempt attempt("captions");
  const auto complaint = [&](const auto& change) {
    EvalOptions options = attempt.options;
    change(options);
    return message_of([&] { evaluate(options, attempt.subject, attempt.scorers); });
  };
  EXPECT_EQ(complaint([](EvalOptions& o) { o.tasks.clear(); }),
            "nothing to evaluate: no task and no data is given");
  EXPECT_EQ(complaint([](EvalOptions& o) { o.shots = {-1}; }), "-1 shots are not possible");
  EXPECT_NE(complaint([](EvalOptions& o) {
              o.tasks[0].name = "cocoo";
            }).find("there is no task \"cocoo\"; known are coco, flickr30k"),
            std::string::npos);
  EXPECT_NE(complaint([](EvalOptions& o) {
              o.tasks[0].name = "vqav2";
            }).find("holds samples for captioning, the task vqav2 is one of vqa"),
            std::string::npos);
  EXPECT_EQ(complaint([](EvalOptions& o) { o.tasks.push_back(o.tasks[0]); }),
            "the task captions is given twice");
}

}  // namespace
}  // namespace isthmus::eval
