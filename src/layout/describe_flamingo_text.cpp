// The two faces of a FlamingoDescription.
#include <cmath>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "layout/describe_flamingo.h"

namespace isthmus::layout {

namespace {

// "+0.412 ████    ": a value in [-1, 1] and its size.
std::string bar(double value) {
  constexpr int kFull = 20;
  const double size = std::abs(value);
  const int filled = std::isfinite(size) ? static_cast<int>(std::lround(kFull * size)) : 0;
  std::string text = fmt::format("{:+.4f} ", value);
  for (int i = 0; i < kFull; ++i) text += i < filled ? "█" : " ";
  return text;
}

std::string gates_text(const FlamingoDescription& d) {
  if (d.gates.empty())
    return "\ngates    0 in every block: nothing is trained yet, so pictures change nothing\n";
  std::string text =
      fmt::format("\n{:<8} {:<29} {}\n", "layer", "tanh(attn_gate)", "tanh(ff_gate)");
  for (const GateDescription& gate : d.gates) {
    std::string line =
        fmt::format("{:<8} {}  {}", gate.layer, bar(gate.attention), bar(gate.feed_forward));
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text;
}

// A prompt on one line.
std::string quoted(const std::string& prompt) {
  std::string text;
  for (const char ch : prompt) text += ch == '\n' ? std::string("\\n") : std::string(1, ch);
  return text;
}

std::string vocabulary_text(const FlamingoDescription& d) {
  std::string text = fmt::format(
      "vocabulary {} rows in the language model's files, {} tokens and {} added: {} rows",
      d.vocab_size_before, d.tokenizer_size, d.vocab_size - d.tokenizer_size, d.vocab_size);
  if (d.vocab_size < d.vocab_size_before) text += ", rows without a token left out";
  text += "\ntokens    ";
  for (const SpecialToken& token : d.special_tokens)
    text += fmt::format(" {} {}", token.token, token.id);
  return text + "\n";
}

}  // namespace

std::string to_text(const FlamingoDescription& d) {
  std::string text = parts_text(d);
  text += fmt::format("held by the optimiser: {} parameters, the whole embedding among them\n",
                      grouped(d.num_trained));
  text += gates_text(d);
  if (!d.pictures.empty()) text += fmt::format("\n{}\n", to_string(d.pictures.front()));
  text += d.only_attend_immediate_media
              ? "a text token reads the last picture before it, none before the first\n"
              : "a text token reads every picture before it\n";
  text += fmt::format("\n{}context    {} tokens, {} of keys and values each in float32\n",
                      vocabulary_text(d), d.context_length, bytes_text(d.cache_bytes_per_token));
  text += fmt::format("prompt     {}\nforms      {}\n", quoted(d.prompt),
                      fmt::join(d.prompt_forms, ", "));
  return text + problems_text(d);
}

nlohmann::json to_json(const FlamingoDescription& d) {
  nlohmann::json json = parts_json(d);
  nlohmann::json gates = nlohmann::json::array(), pictures = nlohmann::json::array();
  nlohmann::json tokens = nlohmann::json::object();
  for (const GateDescription& gate : d.gates)
    gates.push_back({{"layer", gate.layer},
                     {"tanh_attn_gate", gate.attention},
                     {"tanh_ff_gate", gate.feed_forward}});
  for (const PicturePath& path : d.pictures) pictures.push_back(to_json(path));
  for (const SpecialToken& token : d.special_tokens) tokens[token.token] = token.id;
  json["cross_attn_every_n_layers"] = d.cross_attn_every_n_layers;
  json["gated_blocks"] = d.num_blocks;
  json["only_attend_immediate_media"] = d.only_attend_immediate_media;
  json["vision_ln_post"] = d.vision_ln_post;
  json["trained_parameters"] = d.num_trained;
  json["gates"] = std::move(gates);
  json["pictures"] = std::move(pictures);
  json["latents_per_picture"] = d.latents_per_picture;
  json["bytes_per_picture"] = d.media_bytes;
  json["vocab_size_before"] = d.vocab_size_before;
  json["tokenizer_size"] = d.tokenizer_size;
  json["vocab_size"] = d.vocab_size;
  json["special_tokens"] = std::move(tokens);
  json["context_length"] = d.context_length;
  json["cache_bytes_per_token"] = d.cache_bytes_per_token;
  json["prompt"] = d.prompt;
  json["prompt_forms"] = d.prompt_forms;
  return json;
}

}  // namespace isthmus::layout
