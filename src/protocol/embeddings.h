// Points of texts and media: OpenAI's /v1/embeddings and Ollama's /api/embed.
#pragma once

#include <span>
#include <vector>

#include "base/json_view.h"
#include "protocol/exchange.h"

namespace isthmus::protocol {

struct Points {
  std::vector<Part> inputs;
  bool base64 = false;  // float32, little-endian
};

// "input": a text, a part with a medium, or a list of these.
Points read_points(const JsonView& body, const Context& context);
// `tokens`: of all texts.
Json openai_points(const Points& asked, std::span<const std::vector<float>> points, int64_t tokens,
                   const Context& context);
Json ollama_points(std::span<const std::vector<float>> points, const Context& context);

}  // namespace isthmus::protocol
