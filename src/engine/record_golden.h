// A golden case of a model's own answers: whoever has the model's file can see on any machine
// whether it still gives them. Replayed by verify_golden.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>

#include <nlohmann/json.hpp>

#include "engine/engine.h"

namespace isthmus::engine {

struct GoldenQuestion {
  std::string name;                // "text", "image"
  nlohmann::ordered_json request;  // docs/formats.md
};

// How far the answers are from those of the model that this one was made of.
struct SourceDistance {
  int64_t questions = 0;
  int64_t same_choice = 0;  // of them: both find the same token the likeliest behind the prompt
  double largest_kl = 0;    // KL(source || model) there, in nats
};

// Asks `model` and `source` the same questions, whose media lie in `folder`, and writes what
// `model` answers into it, stage by stage, beside how far it is from `source`. `name` is the
// case's, `about` what is told of its making. `on_answer` is called 2 x questions times.
SourceDistance record_golden(const std::filesystem::path& folder, const std::string& name,
                             const nlohmann::ordered_json& about,
                             std::span<const GoldenQuestion> questions, Engine& model,
                             Engine& source, const std::function<void()>& on_answer = {});

}  // namespace isthmus::engine
