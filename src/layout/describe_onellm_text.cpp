// The two faces of a OneLlmDescription.
#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "layout/describe_onellm.h"

namespace isthmus::layout {
namespace {

// A prompt on one line.
std::string quoted_prompt(const std::string& prompt) {
  std::string text;
  for (const char ch : prompt) text += ch == '\n' ? std::string("\\n") : std::string(1, ch);
  return text;
}

std::string modalities_text(const OneLlmDescription& d) {
  if (d.modalities.empty()) return "";
  std::string text = fmt::format("\n{:<10} {:<8} {:<28} {:<22} {:>7} {:>5} {:>13}\n", "modality",
                                 "key", "tokenizer", "input", "tokens", "rows", "parameters");
  for (const ModalityDescription& m : d.modalities)
    text += fmt::format("{:<10} {:<8} {:<28} {:<22} {:>7} {:>5} {:>13}{}\n", m.name, m.key,
                        m.tokenizer, m.input, m.frame_tokens, m.sequence_rows,
                        grouped(m.num_parameters), m.by_recipe ? "  by onellm.json" : "");
  return text;
}

std::string routing_text(const OneLlmDescription& d) {
  std::string text;
  for (const ModalityDescription& m : d.modalities) {
    if (m.experts.empty()) continue;
    std::vector<std::string> shares;
    for (const ExpertShare& share : m.experts)
      shares.push_back(
          fmt::format("{:.3f} ({:.3f} to {:.3f})", share.mean, share.least, share.most));
    text += fmt::format("{:<10} {}\n", m.name, fmt::join(shares, "   "));
  }
  if (text.empty()) return text;
  return "\nwhat each expert counts, over the learned rows; the same for every input\n" + text;
}

nlohmann::json to_json(const ModalityDescription& m) {
  nlohmann::json experts = nlohmann::json::array();
  for (const ExpertShare& share : m.experts)
    experts.push_back({{"mean", share.mean}, {"least", share.least}, {"most", share.most}});
  return {{"name", m.name},
          {"key", m.key},
          {"tokenizer", m.tokenizer},
          {"input", m.input},
          {"by_recipe", m.by_recipe},
          {"encoder_tokens", m.frame_tokens},
          {"sequence_rows", m.sequence_rows},
          {"parameters", m.num_parameters},
          {"experts", std::move(experts)}};
}

}  // namespace

std::string to_text(const OneLlmDescription& d) {
  std::string text = parts_text(d);
  text += fmt::format("{} file{} of {} rank{}\n", d.num_files, d.num_files == 1 ? "" : "s", d.ranks,
                      d.ranks == 1 ? "" : "s");
  text += modalities_text(d) + routing_text(d);
  text += fmt::format("\ncontext    {} tokens, {} of keys and values each in float32\n",
                      d.context_length, bytes_text(d.cache_bytes_per_token));
  text += fmt::format("prompt     {}\n", quoted_prompt(d.prompt));
  return text + problems_text(d);
}

nlohmann::json to_json(const OneLlmDescription& d) {
  nlohmann::json json = parts_json(d);
  nlohmann::json modalities = nlohmann::json::array();
  for (const ModalityDescription& m : d.modalities) modalities.push_back(to_json(m));
  json["modalities"] = std::move(modalities);
  json["files"] = d.num_files;
  json["ranks"] = d.ranks;
  json["context_length"] = d.context_length;
  json["cache_bytes_per_token"] = d.cache_bytes_per_token;
  json["prompt"] = d.prompt;
  return json;
}

}  // namespace isthmus::layout
