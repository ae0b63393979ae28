#include "watch/live_page.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/atomic_file.h"
#include "text/html.h"
#include "watch/live_page_assets.h"

namespace isthmus::watch {
namespace {

using Json = nlohmann::ordered_json;

std::string data_uri(const std::vector<std::byte>& picture, size_t limit) {
  return picture.size() > limit ? "" : text::picture_uri(picture);
}

// Broken UTF-8 becomes U+FFFD.
std::string dumped(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

// Six digits are more than a screen shows.
Json rounded(const std::vector<double>& values) {
  Json list = Json::array();
  for (const double value : values) list.push_back(std::stod(fmt::format("{:.6g}", value)));
  return list;
}

Json json_of(const Curve& curve, const std::string& name, size_t points) {
  const DrawnCurve line = drawn(curve, points);
  Json json = {{"name", name}, {"steps", line.steps}, {"values", rounded(line.values)}};
  json["last"] = curve.values.back();
  if (!line.low.empty()) {
    json["low"] = rounded(line.low);
    json["high"] = rounded(line.high);
  }
  return json;
}

// The name that stands for the number of a series, where there is one.
std::string name_of(const Curve& curve,
                    const std::map<std::string, std::vector<std::string>>& names) {
  const auto of_chart = names.find(curve.chart);
  if (of_chart == names.end()) return curve.series;
  for (size_t i = 0; i < of_chart->second.size(); ++i)
    if (curve.series == std::to_string(i)) return of_chart->second[i];
  return curve.series;
}

Json json_of(const SampleAnswer& sample, size_t limit) {
  return {{"step", sample.step},
          {"question", sample.question},
          {"answer", sample.answer},
          {"reference", sample.reference},
          {"picture", data_uri(sample.picture, limit)},
          {"left_out", !sample.picture.empty() && data_uri(sample.picture, limit).empty()}};
}

// What is left where scripts do not run.
std::string last_values(const std::vector<CurveFile>& files) {
  std::string rows;
  for (const CurveFile& file : files)
    for (const Curve& curve : file.curves().all())
      if (!curve.values.empty())
        rows += fmt::format(
            "<tr><td>{}</td><td>{}</td><td>{:.6g}</td></tr>\n",
            text::escape_html(curve.series.empty() ? curve.chart : curve.chart + " " + curve.series),
            curve.steps.back(), curve.values.back());
  return "<table><tr><th></th><th>step</th><th>last value</th></tr>\n" + rows + "</table>";
}

int64_t last_step(const std::vector<CurveFile>& files) {
  int64_t last = 0;
  for (const CurveFile& file : files) last = std::max(last, file.curves().last_step());
  return last;
}

}  // namespace

LivePage::LivePage(std::filesystem::path page, std::vector<std::filesystem::path> metrics,
                   LivePageOptions options)
    : page_(std::move(page)), options_(std::move(options)) {
  for (auto& path : metrics) files_.emplace_back(std::move(path));
}

std::string LivePage::data(bool is_finished) const {
  Json charts = Json::array();
  for (const CurveFile& file : files_)
    for (const Curve& curve : file.curves().all()) {
      if (curve.values.empty()) continue;
      auto chart = std::find_if(charts.begin(), charts.end(),
                                [&](const Json& other) { return other["name"].get_ref<const std::string&>() == curve.chart; });
      if (chart == charts.end()) {
        charts.push_back({{"name", curve.chart}, {"series", Json::array()}});
        chart = charts.end() - 1;
      }
      (*chart)["series"].push_back(
          json_of(curve, name_of(curve, options_.series), options_.points_per_curve));
    }
  Json answers = Json::array();
  for (const SampleAnswer& answer : answers_)
    answers.push_back(json_of(answer, options_.most_picture_bytes));
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const int64_t step = last_step(files_);
  Json json = {{"step", step},
               {"steps", options_.steps},
               {"written", std::chrono::duration_cast<std::chrono::seconds>(now).count()},
               {"refresh", is_finished ? 0 : options_.refresh_seconds},
               {"finished", is_finished},
               {"charts", std::move(charts)},
               {"answers", std::move(answers)},
               {"alarms", alarms_}};
  if (since_ && step > since_step_)
    json["seconds_per_step"] =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - *since_).count() /
        static_cast<double>(step - since_step_);
  // "</script>" inside a text must not end the element.
  std::string text = dumped(json), safe;
  for (const char c : text)
    if (c == '<')
      safe += "\\u003c";
    else
      safe += c;
  return safe;
}

void LivePage::write(bool is_finished) {
  for (CurveFile& file : files_) file.update();
  const int64_t step = last_step(files_);
  if (!since_ && step > 0) {
    since_ = std::chrono::steady_clock::now();
    since_step_ = step;
  }
  AtomicFile file(page_);
  file.write(fmt::format(R"(<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<title>{0}</title>
<style>
)",
                         text::escape_html(options_.title)));
  file.write(kLivePageStyle);
  file.write(fmt::format(R"(</style>
</head>
<body>
<main>
<header>
<h1>{}</h1>
<p class="soft">{}</p>
</header>
<noscript><section>{}</section></noscript>
</main>
<script type="application/json" id="data">)",
                         text::escape_html(options_.title), text::escape_html(options_.description),
                         last_values(files_)));
  file.write(data(is_finished));
  file.write("</script>\n<script>\n");
  file.write(kLivePageScript);
  file.write("</script>\n</body>\n</html>\n");
  file.commit();
}

}  // namespace isthmus::watch
