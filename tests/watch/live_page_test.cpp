#include "watch/live_page.h"

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/atomic_file.h"
#include "media/encode_png.h"
#include "watch/curves.h"

namespace isthmus::watch {
namespace {

using nlohmann::json;
using Steps = std::vector<int64_t>;
using Values = std::vector<double>;

const Curve* find(const Curves& curves, const std::string& chart, const std::string& series) {
  for (const Curve& curve : curves.all())
    if (curve.chart == chart && curve.series == series) return &curve;
  return nullptr;
}

TEST(Curves, NumbersOfALineAreSeriesOfCharts) {
  Curves curves;
  EXPECT_TRUE(curves.add_line(R"({"step": 1, "loss": [2.5, null], "rate": 0.1, "note": "x",
      "gates": {"attn": [0.1, 0.2]}, "alignment": {"gap_unit": 0.7, "rank": {"media": 3}}})"));
  EXPECT_TRUE(curves.add_line(R"({"step": 2, "loss": [2.0, 4], "rate": 0.2})"));
  EXPECT_EQ(curves.all().size(), 7u);
  EXPECT_EQ(find(curves, "loss", "0")->values, (Values{2.5, 2}));
  EXPECT_EQ(find(curves, "loss", "1")->steps, Steps{2});
  EXPECT_EQ(find(curves, "rate", "")->values, (Values{0.1, 0.2}));
  EXPECT_EQ(find(curves, "gates/attn", "1")->values, Values{0.2});
  EXPECT_EQ(find(curves, "alignment/gap_unit", "")->values, Values{0.7});
  EXPECT_EQ(find(curves, "alignment/rank", "media")->values, Values{3});
  EXPECT_EQ(curves.last_step(), 2);
}

TEST(Curves, LinesOfAnotherKindChangeNothing) {
  Curves curves;
  for (const char* line : {"", "{", "[1]", "{}", R"({"step": "1"})", R"({"step": 1.5, "a": 1})"})
    EXPECT_FALSE(curves.add_line(line)) << line;
  EXPECT_TRUE(curves.all().empty());
}

TEST(Curves, AResumedRunWritesItsStepsAgain) {
  Curves curves;
  for (int step = 1; step <= 5; ++step)
    curves.add_line(json{{"step", step}, {"loss", step}, {"only_early", 0}}.dump());
  curves.add_line(R"({"step": 3, "loss": 30})");
  EXPECT_EQ(find(curves, "loss", "")->steps, (Steps{1, 2, 3}));
  EXPECT_EQ(find(curves, "loss", "")->values, (Values{1, 2, 30}));
  EXPECT_EQ(find(curves, "only_early", "")->steps, (Steps{1, 2}));
}

TEST(Curves, ManyPointsBecomeMeansWithTheirSpread) {
  Curve curve;
  for (int64_t step = 1; step <= 1000; ++step) {
    curve.steps.push_back(step);
    curve.values.push_back(step % 2 == 0 ? 1 : 3);
  }
  const DrawnCurve line = drawn(curve, 100);
  EXPECT_EQ(line.steps.size(), 100u);
  EXPECT_EQ(line.steps.back(), 1000);
  EXPECT_EQ(line.values, Values(100, 2));
  EXPECT_EQ(line.low, Values(100, 1));
  EXPECT_EQ(line.high, Values(100, 3));
  EXPECT_TRUE(drawn(curve, 1000).low.empty());
}

class LivePageTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::path(testing::TempDir()) / "live_page";
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
  void append(const std::string& text) {
    std::ofstream(folder_ / "metrics.jsonl", std::ios::app) << text << std::flush;
  }
  std::string page() const { return read_file(folder_ / "live.html"); }
  json data() const {
    const std::string html = page(), begin = R"(id="data">)";
    const size_t from = html.find(begin) + begin.size();
    return json::parse(html.substr(from, html.find("</script>", from) - from));
  }
  LivePage live(LivePageOptions options = {.title = "run"}) const {
    return {folder_ / "live.html", {folder_ / "metrics.jsonl"}, std::move(options)};
  }

  std::filesystem::path folder_;
};

TEST_F(LivePageTest, ShowsWhatTheMetricsSayNow) {
  LivePage live = this->live({.title = "align", .steps = 10});
  live.write();
  EXPECT_EQ(data()["step"], 0);
  EXPECT_TRUE(data()["charts"].empty());
  append("{\"step\": 1, \"loss\": [4]}\n{\"step\": 2, \"loss\": [3]}\n{\"step\": 3, \"lo");
  live.write();
  EXPECT_EQ(data()["step"], 2);
  EXPECT_EQ(data()["steps"], 10);
  append("ss\": [2]}\n");
  live.write();
  const json chart = data()["charts"][0];
  EXPECT_EQ(chart["name"], "loss");
  EXPECT_EQ(chart["series"][0]["values"], (json{4, 3, 2}));
  EXPECT_GT(data()["refresh"], 0);
  live.write(/*is_finished=*/true);
  EXPECT_EQ(data()["refresh"], 0);
  EXPECT_TRUE(data()["finished"]);
}

TEST_F(LivePageTest, SeriesHaveTheNamesTheyAreGiven) {
  append("{\"step\": 1, \"loss\": [4, 3, 2], \"gates\": [1]}\n");
  live({.title = "run", .series = {{"loss", {"chat", "captions"}}}}).write();
  const json charts = data()["charts"];
  EXPECT_EQ(charts[0]["series"][0]["name"], "chat");
  EXPECT_EQ(charts[0]["series"][1]["name"], "captions");
  EXPECT_EQ(charts[0]["series"][2]["name"], "2");
  EXPECT_EQ(charts[1]["series"][0]["name"], "0");
}

TEST_F(LivePageTest, AFileThatBecameShorterIsReadAgain) {
  append("{\"step\": 1, \"loss\": 4}\n{\"step\": 2, \"loss\": 3}\n");
  LivePage live = this->live();
  live.write();
  write_file(folder_ / "metrics.jsonl", "{\"step\": 1, \"loss\": 9}\n");
  live.write();
  EXPECT_EQ(data()["charts"][0]["series"][0]["values"], json{9});
}

TEST_F(LivePageTest, LoadsNothingFromElsewhere) {
  append("{\"step\": 1, \"loss\": 4}\n");
  live().write();
  const std::string html = page();
  EXPECT_NE(html.find("default-src 'none'"), std::string::npos);
  for (const char* foreign : {"src=\"http", "href=", "@import", "url(", "fetch(", "XMLHttpRequest"})
    EXPECT_EQ(html.find(foreign), std::string::npos) << foreign;
}

TEST_F(LivePageTest, TextsCannotBecomePartOfThePage) {
  LivePage live = this->live({.title = "<b>run</b> & \"more\"", .description = "</p><script>"});
  live.show({{.step = 1, .question = "</script><script>alert(1)</script>", .answer = "\xff<!--"}});
  live.alarm("<img src=x>");
  live.write();
  const std::string html = page();
  EXPECT_EQ(html.find("<script>alert"), std::string::npos);
  EXPECT_EQ(html.find("<img"), std::string::npos);
  EXPECT_NE(html.find("<title>&lt;b&gt;run&lt;/b&gt; &amp; &quot;more&quot;</title>"),
            std::string::npos);
  EXPECT_NE(html.find("&lt;/p&gt;&lt;script&gt;"), std::string::npos);
  EXPECT_EQ(data()["answers"][0]["question"], "</script><script>alert(1)</script>");
  EXPECT_EQ(data()["answers"][0]["answer"], "\uFFFD<!--");
}

TEST_F(LivePageTest, PicturesAreInThePageUnlessTheyAreTooLarge) {
  const std::vector<std::byte> bytes = media::encode_png(media::filled_image(2, 2, {9, 9, 9}));
  LivePage live = this->live({.title = "run", .most_picture_bytes = bytes.size()});
  std::vector<std::byte> larger = bytes;
  larger.push_back({});
  live.show({{.question = "What?", .answer = "Grey.", .picture = bytes},
             {.question = "What?", .answer = "Grey.", .picture = larger},
             {.question = "What?", .answer = "Grey.", .picture = {std::byte{'<'}}},
             {.question = "What?", .answer = "Grey."}});
  live.write();
  const json answers = data()["answers"];
  EXPECT_TRUE(answers[0]["picture"].get<std::string>().starts_with("data:image/png;base64,iVBOR"));
  EXPECT_EQ(answers[1]["picture"], "");
  EXPECT_TRUE(answers[1]["left_out"]);
  EXPECT_TRUE(answers[2]["left_out"]);
  EXPECT_FALSE(answers[3]["left_out"]);
}

TEST_F(LivePageTest, WithoutScriptsItIsATableOfLastValues) {
  append("{\"step\": 1, \"loss\": [4]}\n{\"step\": 2, \"loss\": [3.5]}\n");
  live().write();
  EXPECT_NE(page().find("<tr><td>loss 0</td><td>2</td><td>3.5</td></tr>"), std::string::npos);
}

}  // namespace
}  // namespace isthmus::watch
