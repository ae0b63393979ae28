#include "eval/report.h"

#include <fmt/format.h>

#include "eval/html.h"
#include "eval/report_html.h"
#include "eval_testing.h"
#include "text/html.h"

namespace isthmus::eval {
using text::escape_html;
namespace {

using nlohmann::json;

// Enough of XML to hold the page against: tags that close in order, quoted attributes, known
// entities, no bare < or &. Returns what is wrong.
std::string malformed(const std::string& page) {
  std::vector<std::string> open;
  size_t i = std::string("<!DOCTYPE html>").size();
  while (i < page.size()) {
    if (page[i] == '&') {
      const auto entity = page.substr(i, page.find(';', i) - i + 1);
      const std::set<std::string> known{"&amp;", "&lt;", "&gt;", "&quot;", "&#39;"};
      if (!known.contains(entity)) return "entity at " + page.substr(i, 40);
    }
    if (page[i] != '<') {
      ++i;
      continue;
    }
    size_t end = i + 1;
    for (bool quoted = false; end < page.size() && (quoted || page[end] != '>'); ++end) {
      if (page[end] == '"') quoted = !quoted;
      if (page[end] == '<') return "< inside a tag at " + page.substr(i, 60);
    }
    if (end == page.size()) return "a tag without an end";
    const std::string tag = page.substr(i + 1, end - i - 1);
    const std::string name =
        tag.substr(tag[0] == '/', tag.find_first_of(" />", 1) - (tag[0] == '/'));
    if (tag[0] == '/') {
      if (open.empty() || open.back() != name) return fmt::format("</{}> closes nothing", name);
      open.pop_back();
    } else if (tag.back() != '/') {
      open.push_back(name);
    }
    i = end + 1;
  }
  return open.empty() ? "" : fmt::format("<{}> is not closed", open.back());
}

const std::string kHostile = "</p><script>alert('x')</script>&\"<b onload=\xFF\x01 \xE2\x80\xAE";

// A report of two tasks, one of them with hostile text everywhere.
Report report_in(const std::filesystem::path& folder) {
  Report report;
  report.model = "tiny & <good>";
  report.fingerprint = "weights 12";
  report.finished = true;
  for (const char* name : {"vqav2", "hateful_memes"}) {
    TaskReport task{{}, {{"task", name}, {"note", kHostile}, {"selection", "random"}}, {}};
    task.data.task = find_task(name);
    task.data.class_names = task.data.task->class_names();
    task.data.files.test = {folder / "test.json"};
    task.data.broken = 1;
    task.data.complaints = {kHostile};
    for (int i = 0; i < 4; ++i) {
      Sample sample;
      sample.id = fmt::format("{}{}", i, kHostile);
      sample.image = folder / fmt::format("p {}<\"'>.png", i);
      sample.question = kHostile;
      sample.ocr = kHostile;
      if (i < 3) sample.references = {kHostile, "yes", "yes"};
      task.data.test.push_back(sample);
      if (i < 2) put(sample.image, i == 0 ? kPicture : kPicture + std::string(300'000, 'x'));
    }
    for (const int64_t shots : {0, 4, 32}) {
      TrialReport trial;
      trial.seed = 42;
      trial.results = "results/x.jsonl";
      for (uint64_t i = 0; i < 4; ++i) {
        Record record;
        record.place = i;
        record.id = task.data.test[i].id;
        record.output = record.prediction = i == 1 ? "" : kHostile;
        if (i == 2) record.error = kHostile;
        trial.records.push_back(record);
      }
      trial.scores = {30.0, 10.0, std::nullopt, std::nullopt};
      trial.scored = 2;
      trial.broken = trial.unscored = 1;
      trial.metrics = {{"VQA accuracy <&>",
                        20.0 + static_cast<double>(shots),
                        Interval{18.0, 60.0},
                        {30.0, 10.0}},
                       {"other", 1.0, {}, {}}};
      task.shots.push_back({shots, {trial}});
    }
    report.tasks.push_back(std::move(task));
  }
  report.tasks[1].shots.clear();
  return report;
}

TEST(Report, JsonHasTheDocumentedShape) {
  const auto report = report_in(fresh_folder());
  const json written =
      json::parse(to_json(report).dump(-1, ' ', false, json::error_handler_t::replace));
  std::vector<std::string> keys;
  const auto ordered = to_json(report);
  for (const auto& [key, value] : ordered.items()) keys.push_back(key);
  EXPECT_EQ(keys, (std::vector<std::string>{"format", "version", "model", "fingerprint", "finished",
                                            "tasks"}));
  EXPECT_EQ(written["format"], "isthmus eval report 1");
  const json& task = written["tasks"][0];
  for (const char* key : {"name", "title", "kind", "metric", "samples", "examples",
                          "broken_entries", "complaints", "files", "settings", "shots"})
    EXPECT_TRUE(task.contains(key)) << key;
  EXPECT_EQ(task["metric"], "VQA accuracy <&>");
  const json& shot = task["shots"][1];
  EXPECT_EQ(shot["shots"], 4);
  EXPECT_EQ(shot["score"], 24.0);
  EXPECT_EQ(shot["interval"], json({18.0, 60.0}));
  EXPECT_TRUE(shot["deviation"].is_null());
  const json& trial = shot["trials"][0];
  EXPECT_EQ(trial["metrics"][1], json({{"name", "other"}, {"value", 1.0}, {"interval", nullptr}}));
  EXPECT_EQ(trial["scored"], 2);
  EXPECT_EQ(trial["samples"][0]["score"], 30.0);
  EXPECT_TRUE(trial["samples"][2].contains("error"));
  EXPECT_FALSE(trial["samples"][2].contains("prediction"));
}

TEST(Report, TheLowestScoresComeFirst) {
  const auto report = report_in(fresh_folder());
  const auto worst = worst_examples(report.tasks[0], 5);
  ASSERT_EQ(worst.size(), 2u);
  EXPECT_EQ(worst[0].score, 10);
  EXPECT_EQ(worst[1].score, 30);
  EXPECT_EQ(worst_examples(report.tasks[0], 1).size(), 1u);
  EXPECT_TRUE(worst_examples(report.tasks[1], 5).empty());
}

TEST(ReportPage, IsWellFormedAndHoldsNoTextOfOthersAsMarkup) {
  const auto folder = fresh_folder();
  const auto page = to_html(report_in(folder), folder / "out");
  EXPECT_EQ(malformed(page), "");
  EXPECT_EQ(page.find("<script"), std::string::npos);
  EXPECT_EQ(page.find("<b "), std::string::npos);
  EXPECT_EQ(page.find("<good>"), std::string::npos);
  EXPECT_NE(page.find("&lt;script&gt;alert(&#39;x&#39;)"), std::string::npos);
  EXPECT_EQ(page.find('\x01'), std::string::npos);
  EXPECT_EQ(page.find('\xFF'), std::string::npos);
  EXPECT_NE(page.find("<svg"), std::string::npos);
  EXPECT_NE(page.find("class=\"band\""), std::string::npos);
  EXPECT_NE(page.find("(no text)"), std::string::npos);
  EXPECT_NE(page.find("Not finished yet."), std::string::npos);
}

TEST(ReportPage, SmallPicturesAreInsideAndLargeOnesLinked) {
  const auto folder = fresh_folder();
  const auto page = to_html(report_in(folder), folder);
  EXPECT_NE(page.find("src=\"data:image/png;base64,iVBORw0KGgogcGljdHVyZQ==\""), std::string::npos);
  EXPECT_NE(page.find("src=\"./p%201%3C%22%27%3E.png\""), std::string::npos);
  const auto elsewhere = to_html(report_in(folder), folder / "out");
  EXPECT_NE(elsewhere.find("src=\"file:///"), std::string::npos);
}

TEST(ReportPage, AnEmptyReportAndOneScoreAreWellFormed) {
  const auto folder = fresh_folder();
  EXPECT_EQ(malformed(to_html({}, folder)), "");
  Report report = report_in(folder);
  auto& shots = report.tasks[0].shots;
  shots.resize(1);
  EXPECT_EQ(malformed(to_html(report, folder)), "");
  shots[0].trials[0].metrics.clear();
  const auto page = to_html(report, folder);
  EXPECT_EQ(malformed(page), "");
  EXPECT_NE(page.find("Nothing could be scored"), std::string::npos);
}

TEST(Html, OnlyPicturesAreEmbedded) {
  const auto folder = fresh_folder();
  const auto svg = put(folder / "a:b.png", "<svg onload=\"x\">");
  EXPECT_EQ(picture_source(svg, folder, 1000), "./a%3Ab.png");
  EXPECT_EQ(picture_source(folder / "none.png", folder, 1000), "./none.png");
  EXPECT_EQ(escape_html("a\tb\n\x7F"), "a\tb\n\xEF\xBF\xBD");
}

}  // namespace
}  // namespace isthmus::eval
