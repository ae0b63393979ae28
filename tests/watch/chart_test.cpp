#include "watch/chart.h"

#include <gtest/gtest.h>

namespace isthmus::watch {
namespace {

size_t count(const std::string& text, const std::string& part) {
  size_t found = 0;
  for (size_t at = 0; (at = text.find(part, at)) != std::string::npos; at += part.size()) ++found;
  return found;
}

TEST(Chart, LinesDifferInColourAndDash) {
  const std::vector<ChartLine> lines = {{"a & b", {0, 50, 100}, {.3, .5, .72}},
                                        {"c", {0, 100}, {.25, .25}}};
  const std::string svg = chart_as_svg(
      lines, {.title = "Shares \"x\"", .x_label = "steps", .in_percent = true, .from_zero = true});
  EXPECT_TRUE(svg.starts_with("<svg ") && svg.ends_with("</svg>")) << svg;
  EXPECT_EQ(count(svg, "<polyline"), 2u);
  EXPECT_EQ(count(svg, "<circle"), 5u);
  EXPECT_NE(svg.find("class=\"line c0\" stroke-dasharray=\"\""), std::string::npos);
  EXPECT_NE(svg.find("class=\"line c1\" stroke-dasharray=\"9 5\""), std::string::npos);
  EXPECT_NE(svg.find("<title>a &amp; b</title>"), std::string::npos);
  for (const char* tick : {">0 %<", ">20 %<", ">80 %<", ">0<", ">100<"})
    EXPECT_NE(svg.find(tick), std::string::npos) << tick;
  EXPECT_EQ(svg.find(">100 %<"), std::string::npos);  // no further than it must
  EXPECT_NE(legend_as_html(lines).find("a &amp; b"), std::string::npos);
}

TEST(Chart, OnePointAndNoneAreDrawnToo) {
  EXPECT_EQ(count(chart_as_svg({{"a", {3}, {0}}}, {}), "<circle"), 1u);
  EXPECT_EQ(chart_as_svg({{"a", {3}, {0}}}, {}).find("nan"), std::string::npos);
  EXPECT_NE(chart_as_svg({{"a", {}, {}}}, {}).find("Nothing was measured"), std::string::npos);
}

TEST(Chart, ManyPointsHaveNoMarks) {
  ChartLine line{"a", {}, {}};
  for (int i = 0; i < 100; ++i) {
    line.x.push_back(i);
    line.y.push_back(1e-3 * i * i);
  }
  EXPECT_EQ(count(chart_as_svg({line}, {}), "<circle"), 0u);
}

}  // namespace
}  // namespace isthmus::watch
