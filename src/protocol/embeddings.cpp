#include "protocol/embeddings.h"

#include <bit>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/base64.h"
#include "protocol/content.h"

namespace isthmus::protocol {
namespace {

constexpr size_t kMostInputs = 2048;  // OpenAI's

Part read_input(const JsonView& input, const Context& context) {
  if (input.is_number() || input.is_array())
    input.fail("lists of token ids are not read here; send text");
  if (input.is_object()) return read_part(input, context);
  Part part = Part::of_text(input.as_string());
  if (part.text.empty()) input.fail("is empty");
  return part;
}

std::string as_base64(const std::vector<float>& point) {
  static_assert(std::endian::native == std::endian::little);
  return encode_base64(std::as_bytes(std::span(point)));
}

}  // namespace

Points read_points(const JsonView& body, const Context& context) {
  Points asked;
  const std::string format = body.string("encoding_format", "float");
  body.require(format == "float" || format == "base64", "encoding_format",
               fmt::format("\"{}\" is neither float nor base64", format));
  asked.base64 = format == "base64";
  body.require(!body.contains("dimensions"), "dimensions",
               "points have as many dimensions as the model; they are not cut");
  const JsonView input = body.at("input");
  if (input.is_array())
    for (const JsonView& one : input.elements()) asked.inputs.push_back(read_input(one, context));
  else
    asked.inputs.push_back(read_input(input, context));
  if (asked.inputs.empty()) input.fail("is empty");
  if (asked.inputs.size() > kMostInputs) input.fail(fmt::format("more than {}", kMostInputs));
  return asked;
}

Json openai_points(const Points& asked, std::span<const std::vector<float>> points, int64_t tokens,
                   const Context& context) {
  Json data = Json::array();
  for (size_t i = 0; i < points.size(); ++i) {
    Json entry{{"object", "embedding"}, {"index", i}};
    entry["embedding"] = asked.base64 ? Json(as_base64(points[i])) : Json(points[i]);
    data.push_back(std::move(entry));
  }
  return {{"object", "list"},
          {"data", std::move(data)},
          {"model", context.card.name},
          {"usage", {{"prompt_tokens", tokens}, {"total_tokens", tokens}}}};
}

Json ollama_points(std::span<const std::vector<float>> points, const Context& context) {
  return {{"model", context.card.name},
          {"embeddings", std::vector<std::vector<float>>(points.begin(), points.end())}};
}

}  // namespace isthmus::protocol
