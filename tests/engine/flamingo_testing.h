// Shared by the tests of Flamingo: the golden models, and prompts as one string.
#pragma once

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "error_message.h"
#include "isthmus/error.h"
#include "isthmus/flamingo.h"

namespace isthmus::flamingo_testing {

inline std::filesystem::path fixture(const std::string& relative) {
  return std::filesystem::path(ISTHMUS_FIXTURES) / "openflamingo" / relative;
}

// Picture i of a golden case, whichever type its file has.
inline std::filesystem::path picture(const std::string& golden, int i) {
  const auto stem = fixture(golden + "/inputs/img" + std::to_string(i)).string();
  return std::filesystem::exists(stem + ".png") ? stem + ".png" : stem + ".jpg";
}

inline Pretrained load(const std::string& golden) {
  return load_pretrained_model(fixture(golden + "/model").string());
}

// `text` in the reference's spelling, with pictures of `golden` by their numbers.
inline Request prompt(const std::string& golden, const std::string& text,
                      const std::vector<int>& pictures = {}) {
  std::vector<std::filesystem::path> files;
  for (const int i : pictures) files.push_back(picture(golden, i));
  Request request = flamingo_prompt(text, files);
  request.generate.max_new_tokens = 8;
  return request;
}

inline std::filesystem::path fresh_folder() {
  const auto* test = testing::UnitTest::GetInstance()->current_test_info();
  const std::string name = std::string(test->test_suite_name()) + "_" + test->name();
  const auto folder = std::filesystem::path(testing::TempDir()) / ("isthmus_engine_" + name);
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  return folder;
}

inline std::filesystem::path put(const std::filesystem::path& file, const std::string& content) {
  std::ofstream(file, std::ios::binary) << content;
  return file;
}

inline std::string text_of(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

inline void expect_names(const std::string& message, const std::vector<std::string>& named) {
  for (const std::string& what : named)
    EXPECT_NE(message.find(what), std::string::npos) << "misses " << what << " in: " << message;
}

}  // namespace isthmus::flamingo_testing
