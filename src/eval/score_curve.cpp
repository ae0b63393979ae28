#include "eval/score_curve.h"
#include "text/html.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>


namespace isthmus::eval {
using text::escape_html;
namespace {

// The drawing, in units of its view box.
constexpr double kWidth = 480, kHeight = 270;
constexpr double kLeft = 46, kRight = 466, kTop = 16, kBottom = 226;

struct Point {
  int64_t shots;
  double x, score;
  std::optional<Interval> interval;
  std::vector<double> seeds;
};

std::vector<Point> points_of(const TaskReport& task) {
  std::vector<Point> points;
  for (const ShotReport& shot : task.shots) {
    const auto score = shot.score();
    if (!score) continue;
    Point point{
        shot.shots, std::log2(1.0 + static_cast<double>(shot.shots)), *score, shot.interval(), {}};
    for (const TrialReport& trial : shot.trials) point.seeds.push_back(trial.metrics.front().value);
    points.push_back(std::move(point));
  }
  const double first = points.empty() ? 0 : points.front().x;
  const double span = points.empty() ? 0 : points.back().x - first;
  for (Point& point : points)
    point.x = span > 0 ? kLeft + 18 + (kRight - kLeft - 36) * (point.x - first) / span
                       : (kLeft + kRight) / 2;
  return points;
}

// Round numbers that cover the values.
struct Scale {
  double low, high, step;

  double y(double value) const { return kBottom - (kBottom - kTop) * (value - low) / (high - low); }
};

Scale scale_of(const std::vector<Point>& points) {
  double low = points.front().score, high = low;
  const auto cover = [&](double value) {
    low = std::min(low, value);
    high = std::max(high, value);
  };
  for (const Point& point : points) {
    cover(point.score);
    for (const double seed : point.seeds) cover(seed);
    if (point.interval) {
      cover(point.interval->low);
      cover(point.interval->high);
    }
  }
  const double span = std::max(high - low, 1.0);
  const double rough = span / 4, magnitude = std::pow(10, std::floor(std::log10(rough)));
  const double ratio = rough / magnitude;
  const double step = magnitude * (ratio <= 1     ? 1
                                   : ratio <= 2   ? 2
                                   : ratio <= 2.5 ? 2.5
                                   : ratio <= 5   ? 5
                                                  : 10);
  Scale scale{std::floor(low / step) * step, std::ceil(high / step) * step, step};
  if (scale.low == scale.high) scale.high += step;
  return scale;
}

std::string axes(const std::vector<Point>& points, const Scale& scale, const std::string& metric) {
  std::string svg;
  const auto is_whole = [](double value) { return std::abs(value - std::round(value)) < 1e-9; };
  const int digits = is_whole(scale.step) ? 0 : is_whole(10 * scale.step) ? 1 : 2;
  const auto ticks = static_cast<int>(std::lround((scale.high - scale.low) / scale.step));
  for (int i = 0; i <= ticks; ++i) {
    const double value = scale.low + i * scale.step, y = scale.y(value);
    svg += fmt::format(
        "<line class=\"grid\" x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\" />"
        "<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"end\">{:.{}f}</text>\n",
        kLeft, y, kRight, y, kLeft - 8, y + 4.5, value, digits);
  }
  for (const Point& point : points)
    svg += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"middle\">{}</text>\n",
                       point.x, kBottom + 20, point.shots);
  svg += fmt::format(
      "<text class=\"axis\" x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"middle\">shots</text>\n",
      (kLeft + kRight) / 2, kHeight - 6);
  svg += fmt::format("<title>{} over the number of shots</title>\n", escape_html(metric));
  return svg;
}

std::string band(const std::vector<Point>& points, const Scale& scale) {
  const bool complete = std::all_of(points.begin(), points.end(),
                                    [](const Point& point) { return point.interval.has_value(); });
  if (!complete) return "";
  std::string svg;
  if (points.size() > 1) {
    std::string upper, lower;
    for (const Point& point : points) {
      upper += fmt::format("{:.1f},{:.1f} ", point.x, scale.y(point.interval->high));
      lower = fmt::format("{:.1f},{:.1f} ", point.x, scale.y(point.interval->low)) + lower;
    }
    svg += fmt::format("<polygon class=\"band\" points=\"{}{}\" />\n", upper, lower);
  }
  for (const Point& point : points)
    svg += fmt::format(
        "<line class=\"whisker\" x1=\"{0:.1f}\" y1=\"{1:.1f}\" x2=\"{0:.1f}\" y2=\"{2:.1f}\" />\n",
        point.x, scale.y(point.interval->low), scale.y(point.interval->high));
  return svg;
}

std::string line(const std::vector<Point>& points, const Scale& scale) {
  std::string svg, path;
  for (const Point& point : points) {
    path += fmt::format("{:.1f},{:.1f} ", point.x, scale.y(point.score));
    if (point.seeds.size() > 1)
      for (const double seed : point.seeds)
        svg += fmt::format("<circle class=\"seed\" cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"2.2\" />\n",
                           point.x, scale.y(seed));
  }
  svg = fmt::format("<polyline class=\"curve\" points=\"{}\" />\n", path) + svg;
  for (const Point& point : points)
    svg += fmt::format(
        "<circle class=\"point\" cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"4.5\">"
        "<title>{} shots: {:.2f}</title></circle>\n",
        point.x, scale.y(point.score), point.shots, point.score);
  return svg;
}

}  // namespace

std::string score_curve(const TaskReport& task) {
  const auto points = points_of(task);
  if (points.empty()) return "";
  const Scale scale = scale_of(points);
  return fmt::format(
             "<svg class=\"chart\" viewBox=\"0 0 {} {}\" role=\"img\" "
             "xmlns=\"http://www.w3.org/2000/svg\">\n",
             kWidth, kHeight) +
         axes(points, scale, task.metric()) + band(points, scale) + line(points, scale) +
         "</svg>\n";
}

}  // namespace isthmus::eval
