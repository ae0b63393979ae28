// `isthmus run` without a question: a conversation on the terminal.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

#include "../options.h"
#include "isthmus/model.h"

namespace isthmus::cli {

int hold_conversation(const Options& options);

// {"text", "output_ids", "prompt_tokens", "finish_reason", "timings"}
nlohmann::ordered_json to_json(const Answer& answer);
// "17 + 8 tokens, encode 0.02 s, prefill 0.03 s, decode 41 tokens/s"
std::string summary(const Answer& answer);
// The file a line names when it is nothing but the path of one: quoted, backslash-escaped, or
// file://, as terminals paste a dropped file.
std::optional<std::filesystem::path> dropped_path(std::string_view line);

}  // namespace isthmus::cli
