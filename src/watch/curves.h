// What the lines of a metrics file say, as curves over steps.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace isthmus::watch {

struct Curve {
  std::string chart;           // what it is drawn with: "loss", "gates/attn", "alignment/gap_unit"
  std::string series;          // its name there; "" where it is alone
  std::vector<int64_t> steps;  // rising
  std::vector<double> values;  // finite
};

// Lines of JSON objects with a whole number "step". Every number in one becomes a point: those of
// an object or array are series of one chart, {"gates": {"attn": [0.1, 0.2]}} of "gates/attn".
// Under "alignment" each value has a scale, and therefore a chart, of its own. Null, NaN and texts
// are left out.
class Curves {
 public:
  // A step at or before the last one takes back what came from it on: a run that was resumed writes
  // those steps again. False for a line that is something else; nothing changes then.
  bool add_line(std::string_view line);
  const std::vector<Curve>& all() const { return curves_; }  // as they first came
  int64_t last_step() const { return last_step_; }           // 0 before the first line

 private:
  void forget_from(int64_t step);

  std::vector<Curve> curves_;
  std::map<std::string, size_t> index_;  // by chart and series
  int64_t last_step_ = 0;
};

// Curves of a file that grows. Reads what is new, and all again when it has become shorter.
class CurveFile {
 public:
  explicit CurveFile(std::filesystem::path path) : path_(std::move(path)) {}
  // A missing file has no lines; a last line without its end waits for it.
  void update();
  const Curves& curves() const { return curves_; }

 private:
  std::filesystem::path path_;
  Curves curves_;
  uint64_t read_ = 0;  // bytes
};

// At most `most` points: means over equal ranges of steps, with the least and the largest value in
// each. Without low and high where nothing had to be joined.
struct DrawnCurve {
  std::vector<int64_t> steps;
  std::vector<double> values, low, high;
};
DrawnCurve drawn(const Curve& curve, size_t most);

}  // namespace isthmus::watch
