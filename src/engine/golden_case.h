// What the golden cases of all families share: expectations, comparison, and the list of results.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <torch/types.h>

#include "base/json_view.h"
#include "engine/engine.h"
#include "engine/golden.h"
#include "engine/literal_prompt.h"

namespace isthmus::engine {

struct Expectation {
  Tensor value;
  double atol, rtol;
  int64_t stride = 1;  // which of the found elements were kept: every first, second, …
};

// Element by element within atol + rtol · |expected|; shapes may differ by dimensions of one.
StageResult compare(const Tensor& found, const Expectation& expected);

template <typename T>
StageResult compare_exact(const T& found, const T& expected) {
  StageResult result;
  result.agrees = found == expected;
  if (!result.agrees) result.detail = fmt::format("{} where the reference has {}", found, expected);
  return result;
}

std::vector<int64_t> integers(const JsonView& list);

// expect.json of one folder and the arrays beside it.
class Case {
 public:
  explicit Case(const std::filesystem::path& folder);
  const JsonView& json() const { return json_; }
  const std::filesystem::path& folder() const { return folder_; }
  std::string name() const;    // "llava/v15_original"
  std::string family() const;  // as the case says, or as its contents tell
  std::optional<Expectation> find(const std::string& name) const;

 private:
  std::filesystem::path folder_;
  JsonView json_;
  std::map<std::string, JsonView> tensors_;
};

// Keeps everything by name, in the order it is seen.
class StageProbe : public nn::Probe {
 public:
  bool wants(std::string_view) const override { return true; }
  void see(std::string_view name, const Tensor& value) override {
    seen_[std::string(name)].push_back(value.detach());
  }
  bool has(const std::string& name) const { return seen_.contains(name); }
  // All that was seen under the name, one after the other.
  Tensor at(const std::string& name) const { return torch::cat(seen_.at(name), 0); }

 private:
  std::map<std::string, std::vector<Tensor>> seen_;
};

// Results in the order in which they were found.
class Findings {
 public:
  Findings(std::string name, const std::function<void(const StageResult&)>& on_stage);
  void add(const std::string& request, const std::string& stage, StageResult result);
  // Compares when the case has an expectation of this name.
  void add(const Case& golden, const std::string& request, const std::string& stage,
           const Tensor& found);
  void add_missing(const std::string& request, const std::string& stage, const std::string& detail);
  GoldenReport take() { return std::move(report_); }

 private:
  const std::function<void(const StageResult&)>& on_stage_;
  GoldenReport report_;
};

// One family's way to replay a case. `model`: in place of the case's own, unless empty.
void verify_llava(const Case& golden, const std::string& model, const LoadOptions& options,
                  Findings& findings);
void verify_flamingo(const Case& golden, const std::string& model, const LoadOptions& options,
                     Findings& findings);
void verify_onellm(const Case& golden, const std::string& model, const LoadOptions& options,
                   Findings& findings);
// A model's record of its own answers (record_golden.h), whichever family it is of.
void verify_recorded(const Case& golden, const std::string& model, const LoadOptions& options,
                     Findings& findings);
// OneLLM's inputs without a model.
void verify_preprocessing(const Case& golden, Findings& findings);

}  // namespace isthmus::engine
