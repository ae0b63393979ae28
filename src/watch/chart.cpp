#include "watch/chart.h"

#include <algorithm>
#include <array>
#include <cmath>

#include <fmt/format.h>

#include "text/html.h"

namespace isthmus::watch {
namespace {

constexpr double kWidth = 640, kHeight = 300;
constexpr double kLeft = 64, kRight = 12, kTop = 12, kBottom = 40;
constexpr size_t kFewPoints = 24;
constexpr std::array<const char*, 6> kDashes = {"", "9 5", "2 4", "12 4 2 4", "5 3", "1 6"};

struct Scale {
  double low = 0, high = 1, from = 0, to = 1;
  double operator()(double value) const {
    return from + (value - low) / (high - low) * (to - from);
  }
};

// 1, 2 or 5 times a power of ten, about `count` of them in the range.
double tick_step(double range, int count) {
  const double rough = range / count, power = std::pow(10, std::floor(std::log10(rough)));
  for (const double factor : {1.0, 2.0, 5.0})
    if (factor * power >= rough) return factor * power;
  return 10 * power;
}

// The range of the values, widened to whole ticks.
Scale scale_of(double low, double high, double from, double to) {
  if (high <= low) high = low + std::max(1e-6, std::abs(low));
  const double step = tick_step(high - low, 5);
  return {std::floor(low / step) * step, std::ceil(high / step) * step, from, to};
}

std::string number(double value, double step, bool in_percent) {
  if (in_percent) return fmt::format("{:.0f} %", 100 * value);
  const int digits = std::clamp(static_cast<int>(std::ceil(-std::log10(step) - 1e-9)), 0, 6);
  return fmt::format("{:.{}f}", value == 0 ? 0 : value, digits);
}

const char* dash_of(size_t line) { return kDashes[line % kDashes.size()]; }

void add_grid(std::string& svg, const Scale& x, const Scale& y, const ChartOptions& options) {
  const double step = tick_step(y.high - y.low, 5);
  for (double value = y.low; value <= y.high + step / 2; value += step)
    svg += fmt::format(
        "<line class=\"grid\" x1=\"{:.1f}\" x2=\"{:.1f}\" y1=\"{:.1f}\" y2=\"{:.1f}\"/>"
        "<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"end\">{}</text>",
        kLeft, kWidth - kRight, y(value), y(value), kLeft - 6, y(value) + 4,
        number(value, step, options.in_percent));
  const double wide = tick_step(x.high - x.low, 6);
  for (double value = x.low; value <= x.high + wide / 2; value += wide)
    svg += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"middle\">{}</text>", x(value),
                       kHeight - kBottom + 16, number(value, wide, false));
  svg +=
      fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"middle\">{}</text>",
                  (kLeft + kWidth - kRight) / 2, kHeight - 6, text::escape_html(options.x_label));
}

void add_line(std::string& svg, const ChartLine& line, size_t place, const Scale& x,
              const Scale& y) {
  svg += fmt::format("<polyline class=\"line c{}\" stroke-dasharray=\"{}\" points=\"", place,
                     dash_of(place));
  for (size_t i = 0; i < line.x.size(); ++i)
    svg += fmt::format("{}{:.1f},{:.1f}", i == 0 ? "" : " ", x(line.x[i]), y(line.y[i]));
  svg += fmt::format("\"><title>{}</title></polyline>", text::escape_html(line.name));
  if (line.x.size() > kFewPoints) return;
  for (size_t i = 0; i < line.x.size(); ++i)
    svg += fmt::format("<circle class=\"point c{}\" cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"3\"/>", place,
                       x(line.x[i]), y(line.y[i]));
}

}  // namespace

std::string chart_as_svg(const std::vector<ChartLine>& lines, const ChartOptions& options) {
  std::vector<double> xs, ys;
  for (const ChartLine& line : lines) {
    xs.insert(xs.end(), line.x.begin(), line.x.end());
    ys.insert(ys.end(), line.y.begin(), line.y.end());
  }
  if (xs.empty()) return "<p class=\"soft\">Nothing was measured.</p>";
  const auto [left, right] = std::ranges::minmax(xs);
  const auto [low, high] = std::ranges::minmax(ys);
  const Scale x = scale_of(left, right, kLeft, kWidth - kRight);
  const Scale y =
      scale_of(options.from_zero ? std::min(0.0, low) : low, high, kHeight - kBottom, kTop);
  std::string svg =
      fmt::format("<svg viewBox=\"0 0 {:.0f} {:.0f}\" role=\"img\" aria-label=\"{}\">", kWidth,
                  kHeight, text::escape_html(options.title));
  add_grid(svg, x, y, options);
  for (size_t i = 0; i < lines.size(); ++i) add_line(svg, lines[i], i, x, y);
  return svg + "</svg>";
}

std::string legend_as_html(const std::vector<ChartLine>& lines) {
  std::string html = "<p class=\"legend\">";
  for (size_t i = 0; i < lines.size(); ++i)
    html += fmt::format(
        "<span><svg class=\"key\" viewBox=\"0 0 36 8\" aria-hidden=\"true\"><line class=\"line "
        "c{}\" stroke-dasharray=\"{}\" x1=\"1\" x2=\"35\" y1=\"4\" y2=\"4\"/></svg>{}</span> ",
        i, dash_of(i), text::escape_html(lines[i].name));
  return html + "</p>";
}

}  // namespace isthmus::watch
