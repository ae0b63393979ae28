// Lines over steps as one SVG element, for pages that hold no script.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace isthmus::watch {

struct ChartLine {
  std::string name;
  std::vector<double> x, y;  // as many of both; x rises; finite
};

struct ChartOptions {
  std::string title;  // read aloud in place of the picture
  std::string x_label;
  bool in_percent = false;  // shares from 0 to 1 are written as per cents
  bool from_zero = false;   // the scale begins at 0
};

// Line i has the classes "line c<i>" (a page's style gives them colours) and a dash of its own, so
// that lines can be told apart without colours; a point is marked where there are few. Without a
// point the chart says so.
std::string chart_as_svg(const std::vector<ChartLine>& lines, const ChartOptions& options);
// Names of lines with their strokes: HTML.
std::string legend_as_html(const std::vector<ChartLine>& lines);

}  // namespace isthmus::watch
