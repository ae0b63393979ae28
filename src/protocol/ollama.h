// Ollama's /api/chat and /api/generate: a JSON object per line.     github.com/ollama/ollama,
// docs/api.md
#pragma once

#include <memory>

#include "base/json_view.h"
#include "protocol/exchange.h"

namespace isthmus::protocol {

std::unique_ptr<Exchange> open_ollama_chat(const JsonView& body, const Context& context);
std::unique_ptr<Exchange> open_ollama_generate(const JsonView& body, const Context& context);

// "2024-05-01T12:00:00Z"
std::string ollama_time(int64_t seconds_since_1970);

}  // namespace isthmus::protocol
