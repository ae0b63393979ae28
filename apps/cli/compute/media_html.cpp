#include "media_html.h"

#include <algorithm>

#include <fmt/format.h>

#include "text/html.h"

namespace isthmus::cli {

std::string picture_as_html(std::span<const std::byte> file) {
  return fmt::format("<img alt=\"\" src=\"{}\">", text::picture_uri(file));
}

std::string curves_as_html(const std::vector<std::vector<float>>& curves) {
  constexpr int kWidth = 320, kHeight = 120;
  constexpr size_t kPoints = 320;
  std::string svg = fmt::format("<svg viewBox=\"0 0 {} {}\" fill=\"none\">", kWidth, kHeight);
  constexpr const char* kColours[] = {"#4269d0", "#efb118", "#ff725c",
                                      "#6cc5b0", "#3ca951", "#a463f2"};
  size_t number = 0;
  for (const std::vector<float>& curve : curves) {
    if (curve.empty()) continue;
    const auto [low, high] = std::ranges::minmax(curve);
    const double range = std::max(1e-6, static_cast<double>(high - low));
    svg += fmt::format("<polyline stroke=\"{}\" stroke-width=\"1\" points=\"",
                       kColours[number++ % std::size(kColours)]);
    const size_t count = std::min(kPoints, curve.size());
    for (size_t i = 0; i < count; ++i) {
      const double value = (curve[i * curve.size() / count] - low) / range;
      svg += fmt::format("{:.1f},{:.1f} ",
                         static_cast<double>(i) * kWidth / static_cast<double>(count),
                         (1 - value) * (kHeight - 4) + 2);
    }
    svg += "\"/>";
  }
  return svg + "</svg>";
}

}  // namespace isthmus::cli
