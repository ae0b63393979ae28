#include "layout/describe_vocabulary.h"

#include <algorithm>
#include <array>
#include <filesystem>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "formats/bytes.h"
#include "layout/describe_parts.h"
#include "text/gguf_tokenizer.h"

namespace isthmus::layout {
namespace {

constexpr std::array kTypes = {"undefined",    "normal", "unknown", "control",
                               "user-defined", "unused", "byte"};

std::vector<std::pair<std::string, int64_t>> count_types(const formats::GgufFile& file,
                                                         int64_t tokens) {
  constexpr const char* kKey = "tokenizer.ggml.token_type";
  if (!file.has(kKey)) return {{"normal", tokens}};
  std::vector<std::pair<std::string, int64_t>> counts;
  const auto& types = file.integers(kKey);
  for (size_t type = 0; type < kTypes.size(); ++type)
    if (const auto count = std::ranges::count(types, static_cast<int64_t>(type)); count > 0)
      counts.emplace_back(kTypes[type], count);
  return counts;
}

std::string kind_in_words(const std::string& kind) {
  if (kind == "llama") return "SentencePiece BPE";
  return kind == "t5" ? "SentencePiece unigram" : "BPE of bytes";
}

std::string quoted(const std::vector<std::string>& tokens) {
  std::vector<std::string> shown;
  for (const std::string& token : tokens) shown.push_back(formats::printable(token));
  return shown.empty() ? "nothing" : fmt::format("{}", fmt::join(shown, " "));
}

}  // namespace

bool is_vocabulary(const formats::GgufFile& file) {
  return file.tensors().empty() && file.has("tokenizer.ggml.tokens");
}

VocabularyDescription describe_vocabulary(const formats::GgufFile& file) {
  const auto tokenizer = text::load_gguf_tokenizer(file);
  VocabularyDescription description;
  description.name = std::filesystem::path(file.path()).stem().string();
  description.architecture = file.text("general.architecture");
  description.kind = file.text("tokenizer.ggml.model");
  if (file.has("tokenizer.ggml.pre")) description.words = file.text("tokenizer.ggml.pre");
  description.tokens = static_cast<int64_t>(file.texts("tokenizer.ggml.tokens").size());
  if (file.has("tokenizer.ggml.merges"))
    description.merges = static_cast<int64_t>(file.texts("tokenizer.ggml.merges").size());
  description.types = count_types(file, description.tokens);
  for (const auto& [role, id] :
       {std::pair("bos", tokenizer->bos_id()), std::pair("eos", tokenizer->eos_id()),
        std::pair("unknown", tokenizer->unk_id()), std::pair("padding", tokenizer->pad_id())})
    if (id) description.special.push_back({role, *id, tokenizer->piece(*id)});
  // A character that every vocabulary has tells what stands before it and what behind.
  const auto plain = tokenizer->encode("a", false), whole = tokenizer->encode("a", true);
  const auto at = std::ranges::search(whole, plain).begin();
  for (auto id = whole.begin(); id != whole.end(); ++id)
    if (id < at)
      description.before.push_back(tokenizer->piece(*id));
    else if (id >= at + static_cast<std::ptrdiff_t>(plain.size()))
      description.behind.push_back(tokenizer->piece(*id));
  return description;
}

std::string to_text(const VocabularyDescription& d) {
  std::string types;
  for (const auto& [type, count] : d.types)
    types += fmt::format("{}{} {}", types.empty() ? "" : ", ", grouped(count), type);
  std::string text = fmt::format("{}: a vocabulary for {}, no weights\n\n", d.name,
                                 formats::printable(d.architecture));
  text += fmt::format(
      "kind     {}{}\n", kind_in_words(d.kind),
      d.kind != "gpt2" || d.words.empty() ? "" : ", words cut as " + formats::printable(d.words));
  text += fmt::format("tokens   {}: {}\n", grouped(d.tokens), types);
  if (d.merges > 0) text += fmt::format("merges   {}\n", grouped(d.merges));
  for (const auto& [role, id, token] : d.special)
    text += fmt::format("{:<9}{} {}\n", role, id, formats::printable(token));
  return text +
         fmt::format("before a text stands {}, behind it {}\n", quoted(d.before), quoted(d.behind));
}

nlohmann::json to_json(const VocabularyDescription& d) {
  nlohmann::json types = nlohmann::json::object(), special = nlohmann::json::object();
  for (const auto& [type, count] : d.types) types[type] = count;
  for (const auto& [role, id, token] : d.special) special[role] = {{"id", id}, {"token", token}};
  return {{"name", d.name},
          {"layout", "llama.cpp"},
          {"contents", "vocabulary"},
          {"architecture", formats::printable(d.architecture)},
          {"tokenizer",
           {{"model", d.kind},
            {"pre", formats::printable(d.words)},
            {"tokens", d.tokens},
            {"merges", d.merges},
            {"types", std::move(types)},
            {"special", std::move(special)},
            {"before", d.before},
            {"behind", d.behind}}}};
}

}  // namespace isthmus::layout
