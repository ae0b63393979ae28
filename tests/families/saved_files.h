// What a saved checkpoint holds, held against another.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>

#include <gtest/gtest.h>
#include <torch/types.h>

#include "base/dtype.h"
#include "formats/checkpoint.h"
#include "weights/tensor_of.h"

namespace isthmus::testing {

inline std::filesystem::path fresh_folder() {
  const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
  const std::string name = std::string(test->test_suite_name()) + "_" + test->name();
  const auto folder = std::filesystem::path(::testing::TempDir()) / ("isthmus_" + name);
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  return folder;
}

// "[48, 40] bfloat16" by name.
using Structure = std::map<std::string, std::string>;

inline Structure structure_of(const formats::Checkpoint& checkpoint) {
  Structure structure;
  for (const std::string& name : checkpoint.names()) {
    const formats::RawTensor& raw = checkpoint.at(name);
    structure[name] = to_string(raw.shape) + " " + std::string(name_of(raw.dtype));
  }
  return structure;
}

inline Structure structure_of(const std::filesystem::path& file) {
  return structure_of(formats::Checkpoint::open(file));
}

// Same names, types, shapes and values.
inline void expect_same_tensors(const std::filesystem::path& got,
                                const std::filesystem::path& want) {
  const auto a = formats::Checkpoint::open(got), b = formats::Checkpoint::open(want);
  EXPECT_EQ(structure_of(a), structure_of(b));
  for (const std::string& name : b.names()) {
    if (!a.contains(name)) continue;
    EXPECT_TRUE(torch::equal(weights::tensor_of(a.at(name)), weights::tensor_of(b.at(name))))
        << name;
  }
}

inline torch::Tensor float_tensor(const std::filesystem::path& file, const std::string& name) {
  return weights::float_tensor_of(formats::Checkpoint::open(file).at(name));
}

}  // namespace isthmus::testing
