// Shared by the tests of text/: golden files, and copies of model folders that may be broken.
#pragma once

#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "error_message.h"
#include "text/tokenizer.h"

namespace isthmus::text {

inline const std::filesystem::path kFixtures = ISTHMUS_FIXTURES;
inline const std::filesystem::path kLlava = kFixtures / "llava";

inline std::string read_text(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

inline void write_text(const std::filesystem::path& file, const std::string& text) {
  std::filesystem::create_directories(file.parent_path());
  std::ofstream(file, std::ios::binary) << text;
}

inline nlohmann::json expectations(const std::filesystem::path& folder) {
  return nlohmann::json::parse(read_text(folder / "expect.json"));
}

inline std::vector<TokenId> ids_of(const nlohmann::json& json) {
  return json.get<std::vector<TokenId>>();
}

inline std::filesystem::path fresh_folder(const std::string& name) {
  const auto folder = std::filesystem::path(testing::TempDir()) / ("isthmus_text_" + name);
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  return folder;
}

}  // namespace isthmus::text
