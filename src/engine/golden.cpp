#include "engine/golden.h"

#include <fmt/format.h>

#include "engine/golden_case.h"
#include "formats/bundle.h"
#include "isthmus/error.h"

namespace isthmus::engine {

const StageResult* GoldenReport::first_difference() const {
  for (const StageResult& stage : stages)
    if (!stage.agrees) return &stage;
  return nullptr;
}

GoldenReport verify_golden(const std::filesystem::path& folder, const std::string& model,
                           const LoadOptions& options,
                           const std::function<void(const StageResult&)>& on_stage) {
  struct Entry {
    std::string_view family;
    void (*verify)(const Case&, const std::string&, const LoadOptions&, Findings&);
  };
  static constexpr Entry kFamilies[] = {
      {"llava", verify_llava}, {"openflamingo", verify_flamingo}, {"onellm", verify_onellm}};
  const Case golden(folder);
  const std::string family = golden.family(), file = (golden.folder() / "expect.json").string();
  Findings findings(golden.name(), on_stage);
  const auto finished = [&] {
    GoldenReport report = findings.take();
    if (report.stages.empty()) throw UnsupportedError(file + ": there is nothing to replay in it");
    return report;
  };
  if (golden.json().contains("depth_normal")) {
    verify_preprocessing(golden, findings);
    return finished();
  }
  if (golden.json().contains("recorded")) {
    verify_recorded(golden, model, options, findings);
    return finished();
  }
  for (const Entry& entry : kFamilies) {
    if (entry.family != family) continue;
    entry.verify(golden, model, options, findings);
    return finished();
  }
  throw UnsupportedError(file + ": family \"" + family +
                         "\" is not one of llava, openflamingo, onellm");
}

GoldenPlace find_golden(const std::string& what) {
  std::error_code ignored;
  if (std::filesystem::exists(std::filesystem::path(what) / "expect.json", ignored))
    return {what, ""};
  if (formats::is_bundle(what)) {
    if (const auto folder = formats::bundled_case(what)) return {*folder, what};
    throw UnsupportedError(fmt::format(
        "{}: holds no golden vectors to be verified; `isthmus quantize {} -o OUT` writes a file "
        "that has some, unless --no-golden is given",
        what, what));
  }
  if (!std::filesystem::exists(what, ignored))
    throw ModelError(fmt::format(
        "{}: no such file; a folder with golden cases has one, and of models in one file the file "
        "itself is named",
        (std::filesystem::path(what) / "expect.json").string()));
  throw UnsupportedError(
      fmt::format("{}: neither a folder with expect.json nor a model in one file; `isthmus "
                  "quantize {} -o OUT` writes a model as a file that can be verified",
                  what, what));
}

}  // namespace isthmus::engine
