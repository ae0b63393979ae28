#include "eval/results_file.h"

#include <csignal>

#include <sys/resource.h>

#include <nlohmann/json.hpp>

#include "eval_testing.h"

namespace isthmus::eval {
namespace {

using nlohmann::json;

const json kSettings{{"task", "coco"}, {"shots", 4}, {"length_penalty", 0.25}};

Record record_at(uint64_t place, const std::string& prediction = "a cat") {
  Record record;
  record.place = place;
  record.id = "id" + std::to_string(place);
  record.output = prediction + "\nOutput:";
  record.prediction = prediction;
  record.demonstrations = {"x", "y"};
  return record;
}

TEST(ResultsFile, RecordsComeBackAsTheyWere) {
  const auto file = fresh_folder() / "r.jsonl";
  {
    ResultsFile results(file, kSettings);
    results.append({record_at(7), record_at(3, "quote \" \xE2\x82 cut")});
    Record ranked = record_at(1);
    ranked.class_log_probs = {-0.1, -1e-300, -12345.678901234567};
    Record broken;
    broken.place = 2;
    broken.id = "id2";
    broken.error = "2.jpg: is broken";
    results.append({ranked, broken});
  }
  const ResultsFile again(file, kSettings);
  ASSERT_EQ(again.records().size(), 4u);
  EXPECT_EQ(again.records().at(7).output, "a cat\nOutput:");
  EXPECT_EQ(again.records().at(7).demonstrations, (std::vector<std::string>{"x", "y"}));
  EXPECT_EQ(again.records().at(3).prediction, "quote \" \xEF\xBF\xBD cut");
  EXPECT_EQ(again.records().at(1).class_log_probs,
            (std::vector<double>{-0.1, -1e-300, -12345.678901234567}));
  EXPECT_EQ(again.records().at(2).error, "2.jpg: is broken");
}

// kill -9 in the middle of a write: whole lines are kept, the rest is cut off, and the file goes
// on.
TEST(ResultsFile, AnyCutLosesWhatWasNotWholeAndNoMore) {
  const auto file = fresh_folder() / "r.jsonl";
  ResultsFile(file, kSettings).append({record_at(0), record_at(1), record_at(2)});
  const std::string whole = text_of(file);
  for (size_t length = 0; length <= whole.size(); length += 3) {
    const std::string kept = whole.substr(0, length);
    put(file, kept);
    const auto lines = static_cast<size_t>(std::count(kept.begin(), kept.end(), '\n'));
    {
      ResultsFile results(file, kSettings);
      ASSERT_EQ(results.records().size(), lines > 0 ? lines - 1 : 0) << length;
      results.append({record_at(9)});
    }
    EXPECT_TRUE(ResultsFile(file, kSettings).records().contains(9)) << length;
  }
}

TEST(ResultsFile, OtherSettingsAreRefusedByName) {
  const auto file = fresh_folder() / "r.jsonl";
  { ResultsFile results(file, kSettings); }
  json other = kSettings;
  other["shots"] = 8;
  EXPECT_EQ(message_of([&] { ResultsFile(file, other); }),
            file.string() +
                ": holds results of other settings (shots: 4 there, 8 now); give "
                "another --out, or remove the file");
  EXPECT_THROW(ResultsFile(file, other), UsageError);
  other = kSettings;
  other.erase("shots");
  EXPECT_NE(message_of([&] { ResultsFile(file, other); }).find("shots: 4 there, nothing now"),
            std::string::npos);
}

TEST(ResultsFile, ADamagedLineIsNamed) {
  const auto file = fresh_folder() / "r.jsonl";
  ResultsFile(file, kSettings).append({record_at(0), record_at(1)});
  std::string text = text_of(file);
  text[text.find("\"id0\"")] = '#';
  put(file, text);
  EXPECT_EQ(
      message_of([&] { ResultsFile(file, kSettings); }).find(file.string() + ":2: not valid JSON"),
      0u);
  EXPECT_THROW(ResultsFile(file, kSettings), InputError);
  put(file, "{\"format\": \"something else\"}\n");
  EXPECT_THROW(ResultsFile(file, kSettings), InputError);
}

TEST(ResultsFile, TwoAtOnceDoNotMix) {
  const auto file = fresh_folder() / "r.jsonl";
  ResultsFile first(file, kSettings);
  EXPECT_EQ(message_of([&] { ResultsFile(file, kSettings); }),
            file.string() + ": another evaluation is writing this file");
}

// A limit on the size of files stands for a full disk: a write is cut short, then fails.
TEST(ResultsFile, AFullDiskLosesNothing) {
  const auto file = fresh_folder() / "r.jsonl";
  auto* const handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  {
    ResultsFile results(file, kSettings);
    results.append({record_at(0)});
    const auto size = std::filesystem::file_size(file);
    const rlimit full{size + 10, before.rlim_max};
    setrlimit(RLIMIT_FSIZE, &full);
    EXPECT_THROW(results.append({record_at(1), record_at(2)}), ResourceError);
    EXPECT_EQ(std::filesystem::file_size(file), size);
    setrlimit(RLIMIT_FSIZE, &before);
    results.append({record_at(3)});  // space was made
  }
  std::signal(SIGXFSZ, handler);
  const ResultsFile again(file, kSettings);
  EXPECT_TRUE(again.records().contains(0));
  EXPECT_FALSE(again.records().contains(1));
  EXPECT_TRUE(again.records().contains(3));
}

}  // namespace
}  // namespace isthmus::eval
