// Reads the tables of data/.
#pragma once

#include <fstream>
#include <limits>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "isthmus/generation.h"

namespace isthmus::generation {

inline nlohmann::json load_table(const std::string& name) {
  std::ifstream stream(std::string(ISTHMUS_SOURCE_DIR) + "/tests/generation/data/" + name);
  return nlohmann::json::parse(stream);
}

inline std::vector<float> floats(const nlohmann::json& row) {
  std::vector<float> values;
  for (const double value : row.get<std::vector<double>>())
    values.push_back(value < -1e29 ? -std::numeric_limits<float>::infinity()
                                   : static_cast<float>(value));
  return values;
}

inline GenerationConfig settings_of(const nlohmann::json& settings) {
  GenerationConfig config;
  config.max_new_tokens = settings.value("max_new_tokens", config.max_new_tokens);
  config.min_new_tokens = settings.value("min_new_tokens", config.min_new_tokens);
  config.temperature = settings.value("temperature", config.temperature);
  config.top_p = settings.value("top_p", config.top_p);
  config.top_k = settings.value("top_k", config.top_k);
  config.repetition_penalty = settings.value("repetition_penalty", config.repetition_penalty);
  config.num_beams = settings.value("num_beams", config.num_beams);
  config.length_penalty = settings.value("length_penalty", config.length_penalty);
  config.early_stopping = settings.value("early_stopping", config.early_stopping);
  return config;
}

}  // namespace isthmus::generation
