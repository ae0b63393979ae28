// Folders of a running test's own.
#pragma once

#include <cctype>
#include <filesystem>
#include <string>

#include <gtest/gtest.h>

namespace isthmus {

// Empty, and new at every call: what was opened once stays known by its path. `program` keeps those
// of several programs apart.
inline std::filesystem::path new_folder(const std::string& program) {
  static int count = 0;
  const auto folder =
      std::filesystem::path(::testing::TempDir()) / program / std::to_string(count++);
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  return folder;
}

// "llava/v15_original/model" as the name of a case: gtest takes letters, digits and underscores.
inline std::string case_name(const ::testing::TestParamInfo<const char*>& info) {
  std::string name = info.param;
  for (char& c : name)
    if (std::isalnum(static_cast<unsigned char>(c)) == 0) c = '_';
  return name;
}

}  // namespace isthmus
