// A page that shows a run while it runs: one file that any browser opens.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "watch/curves.h"

namespace isthmus::watch {

// What the model says to a fixed question at some step. Texts may hold anything.
struct SampleAnswer {
  int64_t step = 0;
  std::string question, answer;
  std::string reference = {};           // what the data say, if anything
  std::vector<std::byte> picture = {};  // a PNG, JPEG, GIF, WebP or BMP file; others are not shown
};

struct LivePageOptions {
  std::string title;
  std::string description = {};  // below the title
  // Names in place of numbers: {"loss", {"chat", "captions"}}.
  std::map<std::string, std::vector<std::string>> series = {};
  int64_t steps = 0;                    // of the whole run, 0 if unknown
  int64_t refresh_seconds = 10;         // the page reads itself again this often
  size_t points_per_curve = 600;        // more are joined, so the page stays small
  size_t most_picture_bytes = 400'000;  // larger pictures are left out, and the page says so
};

// Holds its own style and script and loads nothing, so it can be copied, mailed and opened years
// later. Light and dark; without scripts it is a table of the last values. Of one thread.
class LivePage {
 public:
  // `metrics`: files of JSON lines (curves.h); they need not exist yet.
  LivePage(std::filesystem::path page, std::vector<std::filesystem::path> metrics,
           LivePageOptions options);

  // Replaces the answers that are shown.
  void show(std::vector<SampleAnswer> answers) { answers_ = std::move(answers); }
  // A sentence that stands above all: "the gradient of the aligner is 0".
  void alarm(std::string text) { alarms_.push_back(std::move(text)); }
  // Reads what is new in the metrics and puts the page in its place, whole or not at all. Throws
  // ResourceError. A finished page no longer refreshes.
  void write(bool is_finished = false);

 private:
  std::string data(bool is_finished) const;

  std::filesystem::path page_;
  LivePageOptions options_;
  std::vector<CurveFile> files_;
  std::vector<SampleAnswer> answers_;
  std::vector<std::string> alarms_;
  // Speed is measured from the first page that had a step.
  std::optional<std::chrono::steady_clock::time_point> since_;
  int64_t since_step_ = 0;
};

}  // namespace isthmus::watch
