#include "training/metrics_log.h"

#include <cerrno>
#include <cmath>
#include <cstring>
#include <string>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/atomic_file.h"
#include "isthmus/error.h"

namespace isthmus::training {
namespace {

// The whole lines of steps up to `step`.
std::string kept_lines(const std::filesystem::path& file, int64_t step) {
  std::string kept;
  std::ifstream stream(file);
  for (std::string line; std::getline(stream, line) && !stream.eof();) {
    const auto entry = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (!entry.is_object() || !entry.contains("step") || entry["step"].get<int64_t>() > step) break;
    kept += line + "\n";
  }
  return kept;
}

}  // namespace

MetricsLog::MetricsLog(const std::filesystem::path& file, int64_t step) : file_(file) {
  write_file(file, kept_lines(file, step));
  stream_.open(file, std::ios::app);
  if (!stream_)
    throw ResourceError(
        fmt::format("{}: cannot be opened: {}", file.string(), std::strerror(errno)));
}

void MetricsLog::add(const StepReport& report) {
  nlohmann::ordered_json losses = nlohmann::ordered_json::array();
  for (const double loss : report.losses)
    losses.push_back(std::isfinite(loss) ? nlohmann::ordered_json(loss) : nullptr);
  nlohmann::ordered_json line = {{"step", report.step},
                                       {"loss", std::move(losses)},
                                       {"gradient_norm", report.gradient_norm},
                                       {"rate", report.rate},
                                       {"targets", report.targets}};
  // "gates/attn.3": a number of a chart.
  for (const auto& [name, value] : report.gauges) {
    const size_t slash = name.find('/');
    line[name.substr(0, slash)][name.substr(slash + 1)] = value;
  }
  add_line(line);
}

void MetricsLog::add_line(const nlohmann::ordered_json& line) {
  stream_ << line.dump() << "\n" << std::flush;
  if (!stream_) throw ResourceError(fmt::format("{}: cannot be written", file_.string()));
}

}  // namespace isthmus::training
