#include "verify.h"

#include <cstdio>
#include <map>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "engine/golden.h"

namespace isthmus::cli {
namespace {

constexpr int kDiffers = 1;  // exit status of a check that failed

void print_json(const engine::GoldenReport& report) {
  nlohmann::ordered_json stages = nlohmann::ordered_json::array();
  for (const auto& stage : report.stages)
    stages.push_back({{"request", stage.request},
                      {"stage", stage.stage},
                      {"agrees", stage.agrees},
                      {"max_difference", stage.max_difference},
                      {"detail", stage.detail}});
  const nlohmann::ordered_json json{{"case", report.name},
                                    {"agrees", report.first_difference() == nullptr},
                                    {"stages", std::move(stages)}};
  fmt::print("{}\n", json.dump(1));
}

}  // namespace

int verify(const Options& options) {
  std::string request;
  const engine::GoldenPlace place = engine::find_golden(options.golden.string());
  const auto report = engine::verify_golden(
      place.folder, options.model.empty() ? place.model : options.model, options.load,
      [&](const engine::StageResult& stage) {
        if (options.json) return;
        if (stage.request != request) fmt::print("{}\n", stage.request);
        request = stage.request;
        fmt::print(
            "  {:<14} {}  {}\n", stage.stage, stage.agrees ? "agrees " : "DIFFERS",
            stage.agrees ? fmt::format("max |Δ| {:.2g}", stage.max_difference) : stage.detail);
        std::fflush(stdout);
      });
  const engine::StageResult* first = report.first_difference();
  if (options.json)
    print_json(report);
  else if (first == nullptr)
    fmt::print("{}: all {} stages agree\n", report.name, report.stages.size());
  if (first == nullptr) return 0;
  fmt::print(stderr, "{}: {}: {} differs: {}; stages before it agree\n", report.name,
             first->request, first->stage, first->detail);
  return kDiffers;
}

}  // namespace isthmus::cli
