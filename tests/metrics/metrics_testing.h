// Where the golden metrics lie, and what an action throws.
#pragma once

#include <filesystem>
#include <fstream>
#include <functional>
#include <string>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "error_message.h"
#include "isthmus/error.h"

namespace isthmus::metrics {

inline nlohmann::json json_of(const std::filesystem::path& file) {
  std::ifstream stream(file);
  return nlohmann::json::parse(stream);
}

inline nlohmann::json expect_of(const std::string& name) {
  return json_of(std::filesystem::path(ISTHMUS_FIXTURES) / "openflamingo" / name / "expect.json");
}

}  // namespace isthmus::metrics
