// Where the golden models lie, and small helpers to read and write files.
#pragma once

#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>
#include <string>

#include <gtest/gtest.h>

#include "error_message.h"
#include "isthmus/error.h"

namespace isthmus::layout {

inline std::filesystem::path llava_case(const std::string& name) {
  return std::filesystem::path(ISTHMUS_FIXTURES) / "llava" / name;
}

inline std::filesystem::path flamingo_case(const std::string& name) {
  return std::filesystem::path(ISTHMUS_FIXTURES) / "openflamingo" / name;
}

// The golden cases that are whole models.
inline constexpr const char* kFlamingoCases[] = {
    "mpt1b_mosaic_every1", "neox_rpj_every2", "neox_pythia_parallel", "mpt7b_every1", "opt_every2"};

inline std::string text_of(const std::filesystem::path& file) {
  std::ifstream stream(file);
  std::stringstream text;
  text << stream.rdbuf();
  return text.str();
}

// A fresh folder below the tests' own.
inline std::filesystem::path fresh_folder(const std::string& name) {
  const auto folder = std::filesystem::path(::testing::TempDir()) / ("isthmus_layout_" + name);
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  return folder;
}

inline void write(const std::filesystem::path& file, const std::string& text) {
  std::filesystem::create_directories(file.parent_path());
  std::ofstream(file) << text;
}

}  // namespace isthmus::layout
