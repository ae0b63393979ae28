#include "engine/golden.h"

#include "engine/golden_case.h"
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
  Findings findings(golden.name(), on_stage);
  const std::string family = golden.family();
  for (const Entry& entry : kFamilies) {
    if (entry.family != family) continue;
    entry.verify(golden, model, options, findings);
    return findings.take();
  }
  throw UnsupportedError((folder / "expect.json").string() + ": family \"" + family +
                         "\" is not one of llava, openflamingo, onellm");
}

}  // namespace isthmus::engine
