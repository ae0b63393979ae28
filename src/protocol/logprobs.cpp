#include "protocol/logprobs.h"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "text/utf8.h"

namespace isthmus::protocol {
namespace {

// JSON has no infinity; this is what OpenAI says in its place.
double finite(double logprob) { return std::max(logprob, -9999.0); }

std::string text_of(const serving::Alternative& token) {
  return text::replace_invalid_utf8(token.bytes);
}

Json json_of(const serving::Alternative& token) {
  Json bytes = Json::array();
  for (const char byte : token.bytes) bytes.push_back(static_cast<unsigned char>(byte));
  return {
      {"token", text_of(token)}, {"logprob", finite(token.logprob)}, {"bytes", std::move(bytes)}};
}

}  // namespace

Json token_logprobs(std::span<const serving::Token> tokens) {
  Json list = Json::array();
  for (const serving::Token& token : tokens) {
    Json entry = json_of(token.chosen);
    entry["top_logprobs"] = Json::array();
    for (const serving::Alternative& other : token.top)
      entry["top_logprobs"].push_back(json_of(other));
    list.push_back(std::move(entry));
  }
  return list;
}

Json parallel_logprobs(std::span<const serving::Token> tokens, size_t offset) {
  Json names = Json::array(), logprobs = Json::array(), top = Json::array(),
       offsets = Json::array();
  for (const serving::Token& token : tokens) {
    names.push_back(text_of(token.chosen));
    logprobs.push_back(finite(token.chosen.logprob));
    Json others = Json::object();
    for (const serving::Alternative& other : token.top)
      others[text_of(other)] = finite(other.logprob);
    top.push_back(std::move(others));
    offsets.push_back(offset);
    offset += token.chosen.bytes.size();
  }
  return {{"tokens", std::move(names)},
          {"token_logprobs", std::move(logprobs)},
          {"top_logprobs", std::move(top)},
          {"text_offset", std::move(offsets)}};
}

}  // namespace isthmus::protocol
