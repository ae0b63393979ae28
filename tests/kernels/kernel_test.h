// What the kernel tests share: one run per table this machine supports, and reproducible inputs.
#pragma once

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/rng.h"
#include "kernels/table.h"

namespace isthmus::kernels {

constexpr int64_t kSizes[] = {1, 7, 8, 9, 31, 4096};

// Floats behind one unaligned element, so that no kernel may rely on vector alignment.
class Floats {
 public:
  explicit Floats(int64_t count, float fill = 0) : storage_(static_cast<size_t>(count) + 1, fill) {}
  float* data() { return storage_.data() + 1; }
  const float* data() const { return storage_.data() + 1; }
  float& operator[](int64_t i) { return data()[i]; }
  float operator[](int64_t i) const { return data()[i]; }
  int64_t size() const { return static_cast<int64_t>(storage_.size()) - 1; }

 private:
  std::vector<float> storage_;
};

// Uniform in [-range, range).
inline Floats random_floats(int64_t count, uint64_t seed, double range = 1) {
  Rng rng(seed);
  Floats values(count);
  for (int64_t i = 0; i < count; ++i)
    values[i] = static_cast<float>((rng.uniform() * 2 - 1) * range);
  return values;
}

class KernelTest : public ::testing::TestWithParam<const KernelTable*> {
 protected:
  const KernelTable& table() const { return *GetParam(); }
};

inline std::string table_name(const ::testing::TestParamInfo<const KernelTable*>& info) {
  return info.param->name;
}

#define ISTHMUS_FOR_EACH_TABLE(Suite) \
  INSTANTIATE_TEST_SUITE_P(AllTables, Suite, ::testing::ValuesIn(supported_tables()), table_name)

}  // namespace isthmus::kernels
