// The golden cases of tests/fixtures/alignment_metrics, and how a result is held against one.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "alignment/rows.h"
#include "alignment/value.h"

namespace isthmus::alignment {

// An array of a case; more than two dimensions are kept as rows of the last one.
struct Input {
  std::vector<double> numbers;
  std::vector<int64_t> integers;  // of int64 arrays, which fill nothing else
  std::vector<float> floats;      // of float32 arrays, as the file has them
  std::vector<int64_t> shape;

  Rows rows() const;
  // [i] of the first dimension, as rows of the last.
  Rows part(int64_t index) const;
};

class Case {
 public:
  explicit Case(nlohmann::json json) : json_(std::move(json)) {}
  std::string id() const { return json_["id"]; }
  std::string metric() const { return json_["metric"]; }
  const nlohmann::json& params() const { return json_["params"]; }
  const nlohmann::json& expect() const { return json_["expect"]; }
  bool has(const std::string& name) const { return json_["inputs"].contains(name); }
  Input input(const std::string& name) const;
  // Fails for every expected value that `found` lacks or gives differently; it may hold more.
  void check(const nlohmann::json& found) const;

 private:
  nlohmann::json json_;
};

std::vector<Case> golden_cases();
// Runs `measure` on every case of the metric; there must be one at least.
void check_cases(const std::string& metric,
                 const std::function<nlohmann::json(const Case&)>& measure);

// Values by name; what has none as {"value": null, "reason": …}, as the fixture writes it.
nlohmann::json json_of(const Value& value);
nlohmann::json json_of(const NamedValues& values, const Remarks& remarks = {});

}  // namespace isthmus::alignment
