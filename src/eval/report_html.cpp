#include "eval/report_html.h"

#include <algorithm>
#include <numeric>
#include <set>

#include <fmt/format.h>

#include "eval/html.h"
#include "eval/report_style.h"
#include "eval/score_curve.h"
#include "isthmus/version.h"
#include "text/html.h"

namespace isthmus::eval {
using text::escape_html;
namespace {

constexpr size_t kWorst = 9;
constexpr size_t kEmbeddedPicture = 200 * 1000;  // bytes; larger ones are linked
constexpr size_t kShownReferences = 5;

// dir="auto": a caption in a right-to-left script, or one that pretends to be, stays in its box.
std::string shown(std::string_view text) {
  return fmt::format("<bdi dir=\"auto\">{}</bdi>", escape_html(text));
}

std::string cell(const ShotReport& shot, bool best) {
  const auto score = shot.score();
  if (!score) return "<td>–</td>";
  std::string inner = fmt::format("{:.1f}", *score);
  if (const auto interval = shot.interval())
    inner += fmt::format("<small>{:.1f} – {:.1f}</small>", interval->low, interval->high);
  return fmt::format("<td{}>{}</td>", best ? " class=\"best\"" : "", inner);
}

const ShotReport* best_of(const TaskReport& task) {
  const ShotReport* best = nullptr;
  for (const ShotReport& shot : task.shots)
    if (shot.score() && (best == nullptr || *shot.score() > *best->score())) best = &shot;
  return best;
}

std::string summary(const Report& report) {
  std::set<int64_t> columns;
  for (const TaskReport& task : report.tasks)
    for (const ShotReport& shot : task.shots) columns.insert(shot.shots);
  if (columns.empty()) return "";
  std::string html = "<section>\n<h2>Scores</h2>\n<div class=\"wide\"><table>\n<tr><th>shots</th>";
  for (const int64_t shots : columns) html += fmt::format("<th>{}</th>", shots);
  html += "</tr>\n";
  for (const TaskReport& task : report.tasks) {
    html += fmt::format("<tr><td>{}<small>{}</small></td>", escape_html(task.data.task->title),
                        escape_html(task.metric()));
    const ShotReport* best = best_of(task);
    for (const int64_t shots : columns) {
      const auto found = std::find_if(task.shots.begin(), task.shots.end(),
                                      [&](const ShotReport& shot) { return shot.shots == shots; });
      html += found == task.shots.end() ? "<td>–</td>" : cell(*found, &*found == best);
    }
    html += "</tr>\n";
  }
  return html +
         "</table></div>\n<p class=\"soft\">Below each score its 95 % confidence interval, by "
         "bootstrap over the samples; of several seeds, means.</p>\n</section>\n";
}

// The values of a metric, one per seed that has it.
std::vector<double> values_of(const ShotReport& shot, const std::string& name) {
  std::vector<double> values;
  for (const TrialReport& trial : shot.trials)
    for (const Metric& metric : trial.metrics)
      if (metric.name == name) values.push_back(metric.value);
  return values;
}

std::string metric_cell(const std::vector<double>& values) {
  if (values.empty()) return "<td>–</td>";
  const auto count = static_cast<double>(values.size());
  const double mean = std::accumulate(values.begin(), values.end(), 0.0) / count;
  if (values.size() == 1) return fmt::format("<td>{:.2f}</td>", mean);
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  return fmt::format("<td>{:.2f}<small>{:.2f} – {:.2f}</small></td>", mean, *low, *high);
}

// A line per number of shots, a column per metric; of several seeds the mean and the range.
std::string metrics_table(const TaskReport& task) {
  std::vector<std::string> names;
  int64_t all_broken = 0;
  size_t seeds = 0;
  for (const ShotReport& shot : task.shots)
    for (const TrialReport& trial : shot.trials) {
      seeds = std::max(seeds, shot.trials.size());
      all_broken += trial.broken;
      for (const Metric& metric : trial.metrics)
        if (std::find(names.begin(), names.end(), metric.name) == names.end())
          names.push_back(metric.name);
    }
  std::string html = "<div class=\"wide\"><table>\n<tr><th>shots</th>";
  for (const std::string& name : names) html += fmt::format("<th>{}</th>", escape_html(name));
  html += all_broken > 0 ? "<th>scored</th><th>broken</th></tr>\n" : "<th>scored</th></tr>\n";
  for (const ShotReport& shot : task.shots) {
    html += fmt::format("<tr><td>{}</td>", shot.shots);
    for (const std::string& name : names) html += metric_cell(values_of(shot, name));
    int64_t scored = 0, broken = 0;
    for (const TrialReport& trial : shot.trials) {
      scored += trial.scored;
      broken += trial.broken;
    }
    html += fmt::format("<td>{}</td>", scored);
    html += all_broken > 0 ? fmt::format("<td>{}</td></tr>\n", broken) : "</tr>\n";
  }
  html += "</table></div>\n";
  if (seeds > 1)
    html +=
        fmt::format("<p class=\"soft\">Means over {} seeds, below them the range.</p>\n", seeds);
  return html;
}

// What was right, the commonest first, each with how often it was said.
std::string right_answers(const Sample& sample) {
  std::vector<std::pair<std::string, int>> counted;
  const auto count = [&](const std::string& answer) {
    for (auto& [known, times] : counted)
      if (known == answer) return void(++times);
    counted.emplace_back(answer, 1);
  };
  for (const std::string& reference : sample.references) count(reference);
  if (!sample.label.empty()) count(sample.label);
  std::stable_sort(counted.begin(), counted.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  std::string html = "<ul>";
  for (size_t i = 0; i < std::min(counted.size(), kShownReferences); ++i)
    html += fmt::format("<li>{}{}</li>", shown(counted[i].first),
                        counted[i].second > 1 ? fmt::format(" ×{}", counted[i].second) : "");
  if (counted.size() > kShownReferences)
    html += fmt::format("<li>and {} more</li>", counted.size() - kShownReferences);
  return html + "</ul>\n";
}

std::string example(const WorstExample& worst, const std::filesystem::path& folder) {
  const Sample& sample = *worst.sample;
  std::string html = fmt::format(
      "<div class=\"example\"><a href=\"{}\"><img src=\"{}\" alt=\"\" loading=\"lazy\" /></a>\n"
      "<div><span class=\"score\">{:.1f}</span>",
      link_to(sample.image, folder), picture_source(sample.image, folder, kEmbeddedPicture),
      worst.score);
  if (!sample.question.empty())
    html += fmt::format("<p class=\"ask\">{}</p>\n", shown(sample.question));
  if (!sample.ocr.empty()) html += fmt::format("<p class=\"ask\">{}</p>\n", shown(sample.ocr));
  const std::string& prediction = worst.record->prediction;
  const bool blank = prediction.find_first_not_of(" \n\t") == std::string::npos;
  html += fmt::format("<p class=\"answer\">{}</p>\n",
                      blank ? "<span class=\"soft\">(no text)</span>" : shown(prediction));
  html += right_answers(sample);
  return html + fmt::format("<p class=\"id\">{}</p></div></div>\n", shown(sample.id));
}

std::string worst(const TaskReport& task, const std::filesystem::path& folder) {
  const auto examples = worst_examples(task, kWorst);
  if (examples.empty()) return "";
  std::string html = fmt::format(
      "<h3>Lowest at {} shots <span class=\"soft\">({})</span></h3>\n<div class=\"examples\">\n",
      task.shots.back().shots, escape_html(task.sample_metric()));
  for (const WorstExample& item : examples) html += example(item, folder);
  return html + "</div>\n";
}

std::string complaints(const TaskData& data) {
  if (data.broken == 0) return "";
  std::string html =
      fmt::format("<div class=\"note\">{} broken entries were left out.<br />", data.broken);
  for (const std::string& complaint : data.complaints) html += shown(complaint) + "<br />";
  return html + "</div>\n";
}

std::string task_section(const TaskReport& task, const std::filesystem::path& folder) {
  const TaskData& data = task.data;
  std::string html = fmt::format("<section>\n<h2>{}</h2>\n", escape_html(data.task->title));
  html +=
      fmt::format("<p class=\"soft\">{}{} samples, demonstrations from {} examples ({})</p>\n",
                  task.metric().empty() ? "" : escape_html(task.metric()) + " · ", data.test.size(),
                  data.train.size(), escape_html(task.settings.value("selection", "")));
  html += complaints(data);
  if (task.shots.empty()) {
    html += "<p>Not finished yet.</p>\n";
  } else {
    const std::string curve = score_curve(task);
    html +=
        curve.empty() ? "<p>Nothing could be scored: the samples have no references.</p>\n" : curve;
    html += metrics_table(task) + worst(task, folder);
  }
  html += fmt::format(
      "<details><summary>Settings</summary><pre>{}</pre></details>\n",
      escape_html(task.settings.dump(1, ' ', false, nlohmann::json::error_handler_t::replace)));
  return html + "</section>\n";
}

}  // namespace

std::string to_html(const Report& report, const std::filesystem::path& folder) {
  const std::string name = report.model.empty() ? report.fingerprint : report.model;
  std::string html = fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\" xmlns=\"http://www.w3.org/1999/xhtml\">\n<head>\n"
      "<meta charset=\"utf-8\" />\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\" />\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src &#39;none&#39;; "
      "style-src &#39;unsafe-inline&#39;; img-src data: file: &#39;self&#39;\" />\n"
      "<title>{0}: evaluation</title>\n<style>{1}</style>\n</head>\n<body>\n<main>\n<h1>{0}</h1>\n",
      escape_html(name), kReportStyle);
  html += fmt::format("<p class=\"soft\">Few-shot evaluation · {}</p>\n",
                      escape_html(report.fingerprint));
  if (!report.finished)
    html +=
        "<p class=\"note\">The evaluation is not finished; the same command goes on with "
        "it.</p>\n";
  html += summary(report);
  for (const TaskReport& task : report.tasks) html += task_section(task, folder);
  html += fmt::format("<footer>isthmus {}</footer>\n</main>\n</body>\n</html>\n", version());
  return html;
}

}  // namespace isthmus::eval
