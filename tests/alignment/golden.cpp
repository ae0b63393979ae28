#include "alignment/golden.h"

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "formats/npy.h"

namespace isthmus::alignment {
namespace {

std::filesystem::path folder() {
  return std::filesystem::path(ISTHMUS_FIXTURES) / "alignment_metrics";
}

template <typename T>
std::vector<T> elements(const formats::RawTensor& tensor) {
  const std::vector<std::byte> bytes = formats::to_contiguous(tensor);
  std::vector<T> values(bytes.size() / sizeof(T));
  if (!bytes.empty()) std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

void compare(const nlohmann::json& expect, const nlohmann::json& found, double rtol, double atol,
             const std::string& path) {
  if (path.ends_with("/warnings")) {  // must be present; there may be more
    for (const auto& warning : expect)
      EXPECT_NE(std::find(found.begin(), found.end(), warning), found.end()) << path << warning;
    return;
  }
  if (expect.is_object()) {
    ASSERT_TRUE(found.is_object()) << path << " is " << found;
    for (const auto& [key, value] : expect.items()) {
      ASSERT_TRUE(found.contains(key)) << path << " lacks " << key;
      compare(value, found[key], rtol, atol, path + "/" + key);
    }
  } else if (expect.is_array()) {
    ASSERT_TRUE(found.is_array()) << path << " is " << found;
    ASSERT_EQ(found.size(), expect.size()) << path;
    for (size_t i = 0; i < expect.size(); ++i)
      compare(expect[i], found[i], rtol, atol, path + "/" + std::to_string(i));
  } else if (expect.is_number_float()) {
    ASSERT_TRUE(found.is_number()) << path << " is " << found;
    const double e = expect, f = found;
    EXPECT_LE(std::abs(f - e), atol + rtol * std::abs(e)) << path << ": " << f << ", not " << e;
  } else {
    EXPECT_EQ(found, expect) << path;
  }
}

}  // namespace

Rows Input::rows() const {
  const int64_t cols = shape.back();
  int64_t count = 1;
  for (size_t i = 0; i + 1 < shape.size(); ++i) count *= shape[i];
  return {floats.data(), count, cols};
}

Rows Input::part(int64_t index) const {
  const int64_t each = rows().rows() / shape.front();
  return rows().slice(index * each, each);
}

Input Case::input(const std::string& name) const {
  const auto tensor = formats::read_npy(folder() / json_["inputs"][name].get<std::string>());
  Input input;
  input.shape.assign(tensor.shape.begin(), tensor.shape.end());
  if (tensor.dtype == DType::kI64) {
    input.integers = elements<int64_t>(tensor);
  } else {
    EXPECT_EQ(tensor.dtype, DType::kF32) << name;
    input.floats = elements<float>(tensor);
    input.numbers.assign(input.floats.begin(), input.floats.end());
  }
  return input;
}

void Case::check(const nlohmann::json& found) const {
  compare(expect(), found, json_["rtol"], json_["atol"], id());
}

std::vector<Case> golden_cases() {
  std::ifstream stream(folder() / "expect.json");
  const auto file = nlohmann::json::parse(stream);
  std::vector<Case> cases;
  for (const auto& json : file["cases"]) cases.emplace_back(json);
  return cases;
}

void check_cases(const std::string& metric,
                 const std::function<nlohmann::json(const Case&)>& measure) {
  int count = 0;
  for (const Case& golden : golden_cases())
    if (golden.metric() == metric) {
      golden.check(measure(golden));
      ++count;
    }
  EXPECT_GT(count, 0) << "no case of " << metric;
}

nlohmann::json json_of(const Value& value) {
  if (value.is_defined()) return value.number;
  return {{"value", nullptr}, {"reason", name_of(value.reason)}};
}

nlohmann::json json_of(const NamedValues& values, const Remarks& remarks) {
  nlohmann::json json = {{"non_finite_rows", remarks.non_finite_rows},
                         {"zero_norm_rows", remarks.zero_norm_rows},
                         {"warnings", nlohmann::json::array()}};
  for (const Warning warning : remarks.warnings) json["warnings"].push_back(name_of(warning));
  for (const auto& [name, value] : values) json[name] = json_of(value);
  return json;
}

}  // namespace isthmus::alignment
