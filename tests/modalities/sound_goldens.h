// The sounds of the golden case for preprocessing, shared by the tests of what prepares them.
#pragma once

#include <cmath>
#include <filesystem>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/json_view.h"
#include "media/test_npy.h"

namespace isthmus::testing_support {

inline const std::filesystem::path kCase =
    std::filesystem::path(ISTHMUS_FIXTURES) / "onellm/preproc";

// The tensor of that name in expect.json, and its tolerances.
struct Golden {
  Npy<float> npy;
  double atol = 0, rtol = 0;

  double allowed(size_t i) const {
    return atol + rtol * std::abs(static_cast<double>(npy.values[i]));
  }
};

inline Golden golden(const JsonView& expect, const std::string& name) {
  for (const JsonView& tensor : expect.at("tensors").elements())
    if (tensor.string("name") == name)
      return {read_npy_floats(kCase / tensor.string("file")), tensor.number("atol"),
              tensor.number("rtol")};
  throw std::runtime_error("no tensor " + name);
}

inline std::vector<float> random_samples(size_t count, unsigned seed) {
  std::mt19937 generator(seed);
  std::uniform_real_distribution<float> level(-1, 1);
  std::vector<float> samples(count);
  for (float& sample : samples) sample = level(generator);
  return samples;
}

}  // namespace isthmus::testing_support
