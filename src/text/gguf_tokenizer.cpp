#include "text/gguf_tokenizer.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "base/ordered_json.h"
#include "formats/bytes.h"
#include "isthmus/error.h"
#include "text/sentencepiece_model.h"
#include "text/sentencepiece_tokenizer.h"
#include "text/tokenizer_json.h"
#include "text/utf8.h"
#include "text/word_cuts.h"

namespace isthmus::text {
namespace {

using formats::GgufEntry;
using formats::GgufFile;
using formats::printable;
using PieceType = SentencePieceModel::PieceType;

constexpr const char* kModel = "tokenizer.ggml.model";
constexpr const char* kPre = "tokenizer.ggml.pre";
constexpr const char* kTokens = "tokenizer.ggml.tokens";
constexpr const char* kScores = "tokenizer.ggml.scores";
constexpr const char* kTypes = "tokenizer.ggml.token_type";
constexpr const char* kMerges = "tokenizer.ggml.merges";
constexpr const char* kBos = "tokenizer.ggml.bos_token_id";
constexpr const char* kEos = "tokenizer.ggml.eos_token_id";
constexpr const char* kUnknown = "tokenizer.ggml.unknown_token_id";
constexpr const char* kPadding = "tokenizer.ggml.padding_token_id";
constexpr const char* kAddBos = "tokenizer.ggml.add_bos_token";
constexpr const char* kAddEos = "tokenizer.ggml.add_eos_token";
constexpr const char* kSpacePrefix = "tokenizer.ggml.add_space_prefix";
constexpr const char* kRemoveSpaces = "tokenizer.ggml.remove_extra_whitespaces";
constexpr const char* kCharacterMap = "tokenizer.ggml.precompiled_charsmap";
constexpr const char* kChatTemplate = "tokenizer.chat_template";
// Ours, unknown to llama.cpp: false where text behind a special token gets no space of its own.
constexpr const char* kLegacy = "isthmus.tokenizer.legacy";

[[noreturn]] void fail(const GgufFile& file, const char* key, const std::string& reason) {
  throw ModelError(fmt::format("{}: {}: {}", file.path(), key, reason));
}

// An id of the vocabulary; nothing where the key is missing or says none.
std::optional<TokenId> id_at(const GgufFile& file, const char* key) {
  constexpr int64_t kNone = 0xffffffff;  // -1 in 32 bits
  if (!file.has(key)) return std::nullopt;
  const int64_t id = file.integer(key);
  if (id == kNone || id == -1) return std::nullopt;
  const auto size = static_cast<int64_t>(file.texts(kTokens).size());
  if (id < 0 || id >= size) fail(file, key, fmt::format("{} is no id of the {} tokens", id, size));
  return id;
}

const std::vector<std::string>& tokens_of(const GgufFile& file) {
  const auto& tokens = file.texts(kTokens);
  if (tokens.empty() || tokens.size() > static_cast<size_t>(TokenTable::kMaxId))
    fail(file, kTokens,
         fmt::format("{} tokens, expected 1 to {}", tokens.size(), TokenTable::kMaxId));
  return tokens;
}

// What tables and messages take for granted of tokens: UTF-8 (byte-level ones too), each once.
void check_tokens(const GgufFile& file) {
  const auto& tokens = tokens_of(file);
  std::unordered_map<std::string_view, size_t> seen;
  seen.reserve(tokens.size());
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (!is_valid_utf8(tokens[i])) fail(file, kTokens, fmt::format("token {} is no UTF-8", i));
    const auto [first, is_new] = seen.try_emplace(tokens[i], i);
    if (!is_new && !tokens[i].empty())
      fail(file, kTokens,
           fmt::format("token {} is \"{}\", and so is token {}; each is expected once", i,
                       printable(tokens[i]), first->second));
  }
}

template <typename List>
void require_size(const GgufFile& file, const char* key, const List& list) {
  const size_t expected = tokens_of(file).size();
  if (list.size() != expected)
    fail(file, key,
         fmt::format("{} entries, expected {}: one for each token", list.size(), expected));
}

// All tokens are normal where the file does not say.
std::vector<PieceType> types_of(const GgufFile& file) {
  std::vector<PieceType> types(tokens_of(file).size(), PieceType::kNormal);
  if (!file.has(kTypes)) return types;
  const auto& numbers = file.integers(kTypes);
  require_size(file, kTypes, numbers);
  for (size_t i = 0; i < numbers.size(); ++i) {
    if (numbers[i] == 0) continue;  // undefined
    if (numbers[i] < 1 || numbers[i] > static_cast<int64_t>(PieceType::kByte))
      fail(file, kTypes, fmt::format("token {} is of type {}, expected 1 to 6", i, numbers[i]));
    types[i] = static_cast<PieceType>(numbers[i]);
  }
  return types;
}

TokenizerSettings settings_of(const GgufFile& file, const std::vector<PieceType>& types) {
  const auto& tokens = tokens_of(file);
  TokenizerSettings settings;
  settings.file = file.path();
  settings.clean_up_tokenization_spaces = false;
  const auto name = [&](const char* key) {
    const auto id = id_at(file, key);
    return id ? tokens[static_cast<size_t>(*id)] : std::string();
  };
  settings.bos_token = name(kBos);
  settings.eos_token = name(kEos);
  settings.unk_token = name(kUnknown);
  settings.pad_token = name(kPadding);
  if (file.has(kChatTemplate)) settings.chat_template = file.text(kChatTemplate);
  for (size_t i = 0; i < tokens.size(); ++i) {
    const bool control = types[i] == PieceType::kControl || types[i] == PieceType::kUnknown;
    if (tokens[i].empty() || (!control && types[i] != PieceType::kUserDefined)) continue;
    AddedToken token;
    token.content = tokens[i];
    token.id = static_cast<TokenId>(i);
    token.special = control;
    settings.added_tokens.push_back(std::move(token));
  }
  return settings;
}

// What llama.cpp takes for granted of a kind of vocabulary where the file says nothing.
struct Assumed {
  SentencePieceModel::ModelType type;
  bool byte_fallback;
  int32_t unk_id, bos_id, eos_id;  // -1: none
  bool adds_bos, adds_eos;
};
constexpr Assumed kLlama = {SentencePieceModel::ModelType::kBpe, true, 0, 1, 2, true, false};
constexpr Assumed kT5 = {SentencePieceModel::ModelType::kUnigram, false, 2, -1, 1, false, true};

std::shared_ptr<const Tokenizer> sentencepiece(const GgufFile& file, const Assumed& assumed) {
  const auto& tokens = tokens_of(file);
  const auto& scores = file.numbers(kScores);
  require_size(file, kScores, scores);
  const std::vector<PieceType> types = types_of(file);
  auto model = std::make_shared<SentencePieceModel>();
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (!std::isfinite(scores[i]))
      fail(file, kScores, fmt::format("entry {} is {}, expected a finite number", i, scores[i]));
    if (types[i] == PieceType::kByte && SentencePieceModel::byte_of(tokens[i]) < 0)
      fail(file, kTokens,
           fmt::format("entry {} is \"{}\", expected a byte such as <0x41> ({} says 6)", i,
                       printable(tokens[i]), kTypes));
    model->pieces.push_back({tokens[i], static_cast<float>(scores[i]), types[i]});
  }
  const auto id = [&](const char* key, int32_t otherwise) {
    const auto found = id_at(file, key);
    return found ? static_cast<int32_t>(*found) : file.has(key) ? -1 : otherwise;
  };
  if (file.has(kCharacterMap))
    throw UnsupportedError(fmt::format("{}: {}: normalising by a character map is not supported",
                                       file.path(), kCharacterMap));
  model->model_type = assumed.type;
  model->byte_fallback = assumed.byte_fallback;
  model->unk_id = std::max(id(kUnknown, assumed.unk_id), 0);
  model->bos_id = id(kBos, assumed.bos_id);
  model->eos_id = id(kEos, assumed.eos_id);
  for (const int32_t given : {model->unk_id, model->bos_id, model->eos_id})
    if (given >= static_cast<int32_t>(tokens.size()))
      fail(file, kTokens,
           fmt::format("only {} tokens, and none is named as {}, {} or {}", tokens.size(), kUnknown,
                       kBos, kEos));
  model->add_dummy_prefix = file.flag(kSpacePrefix, true);
  model->remove_extra_whitespaces = file.flag(kRemoveSpaces, false);
  TokenizerSettings settings = settings_of(file, types);
  settings.legacy = file.flag(kLegacy, true);
  settings.add_bos_token = file.flag(kAddBos, assumed.adds_bos);
  settings.add_eos_token = file.flag(kAddEos, assumed.adds_eos);
  return make_sentencepiece(std::move(model), std::move(settings));
}

// What a tokenizer.json says beside its model.
nlohmann::json byte_level_json(const GgufFile& file, const WordCuts& cuts) {
  const auto& tokens = tokens_of(file);
  nlohmann::json single = nlohmann::json::array(), special = nlohmann::json::object();
  const auto add = [&](const char* switched_on, const char* key, bool otherwise) {
    if (!file.flag(switched_on, otherwise)) return;
    const auto id = id_at(file, key);
    if (!id) fail(file, switched_on, fmt::format("true, but {} names no token", key));
    const std::string& name = tokens[static_cast<size_t>(*id)];
    single.push_back({{"SpecialToken", {{"id", name}}}});
    special[name] = {{"ids", {*id}}};
  };
  add(kAddBos, kBos, cuts.adds_bos);
  single.push_back({{"Sequence", {{"id", "A"}}}});
  add(kAddEos, kEos, false);
  return {{"pre_tokenizer", pre_tokenizer_json(cuts, file.flag(kSpacePrefix, false))},
          {"post_processor",
           {{"type", "TemplateProcessing"}, {"single", single}, {"special_tokens", special}}},
          {"decoder", {{"type", "ByteLevel"}}}};
}

std::shared_ptr<const Tokenizer> byte_level(const GgufFile& file) {
  // Files older than the key: the vocabularies of these two are all cut by GPT-2's pattern.
  const std::string& architecture = file.text("general.architecture");
  const bool is_gpt2 = architecture == "gptneox" || architecture == "mpt";
  if (!file.has(kPre) && !is_gpt2)
    throw UnsupportedError(fmt::format(
        "{}: {} is missing, and words may be cut in many ways; a newer llama.cpp converts "
        "the model with it",
        file.path(), kPre));
  const std::string pre = file.has(kPre) ? file.text(kPre) : "gpt-2";
  const WordCuts* cuts = find_word_cuts(pre);
  if (cuts == nullptr)
    throw UnsupportedError(
        fmt::format("{}: {}: \"{}\" cuts words in a way that is not supported; known are {}",
                    file.path(), kPre, printable(pre), fmt::join(word_cut_names(), ", ")));
  const std::vector<PieceType> types = types_of(file);
  std::vector<std::string> pieces = tokens_of(file);
  for (size_t i = 0; i < pieces.size(); ++i)
    if (types[i] == PieceType::kUnused) pieces[i].clear();
  return make_tokenizer(
      BpeModel::from_merges(std::move(pieces), file.texts(kMerges), cuts->ignores_merges,
                            fmt::format("{}: {}", file.path(), kMerges)),
      JsonView::of(byte_level_json(file, *cuts), file.path()), settings_of(file, types));
}

}  // namespace

std::shared_ptr<const Tokenizer> load_gguf_tokenizer(const formats::GgufFile& file) {
  const std::string& model = file.text(kModel);
  check_tokens(file);
  if (model == "llama") return sentencepiece(file, kLlama);
  if (model == "t5") return sentencepiece(file, kT5);
  if (model == "gpt2") return byte_level(file);
  throw UnsupportedError(fmt::format("{}: {}: \"{}\" is not supported (llama, t5 and gpt2 are)",
                                     file.path(), kModel, printable(model)));
}

std::vector<GgufEntry> gguf_entries(const Tokenizer& tokenizer, int64_t rows) {
  const auto file = tokenizer.file().parent_path() / "tokenizer.model";
  if (!std::filesystem::exists(file))
    throw UnsupportedError(fmt::format("{}: only a tokenizer.model is written into a GGUF file",
                                       tokenizer.file().string()));
  const SentencePieceModel model = SentencePieceModel::load(file);
  const bool unigram = model.model_type == SentencePieceModel::ModelType::kUnigram;
  if (unigram && model.byte_fallback)
    throw UnsupportedError(fmt::format(
        "{}: byte_fallback in a unigram model, which llama.cpp does not have", file.string()));
  std::vector<std::string> tokens;
  std::vector<float> scores;
  std::vector<int32_t> types;
  for (int64_t id = 0; id < rows; ++id) {
    const bool known = id < static_cast<int64_t>(model.pieces.size());
    const std::string piece = tokenizer.piece(id);
    PieceType type = known                      ? model.pieces[static_cast<size_t>(id)].type
                     : piece.empty()            ? PieceType::kUnused
                     : tokenizer.is_special(id) ? PieceType::kControl
                                                : PieceType::kUserDefined;
    if (known && type == PieceType::kNormal && tokenizer.is_special(id)) type = PieceType::kControl;
    tokens.push_back(piece.empty() ? fmt::format("[PAD{}]", id) : piece);
    // As llama.cpp's converter does, below every real score.
    scores.push_back(known ? model.pieces[static_cast<size_t>(id)].score : -10000.0F);
    types.push_back(static_cast<int32_t>(type));
  }
  std::vector<GgufEntry> entries = {{kModel, std::string(unigram ? "t5" : "llama")},
                                    {kPre, std::string("default")},
                                    {kTokens, std::move(tokens)},
                                    {kScores, std::move(scores)},
                                    {kTypes, std::move(types)}};
  const auto add_id = [&](const char* key, std::optional<TokenId> id) {
    if (id) entries.push_back({key, static_cast<uint32_t>(*id)});
  };
  add_id(kBos, tokenizer.bos_id());
  add_id(kEos, tokenizer.eos_id());
  add_id(kUnknown, tokenizer.unk_id());
  add_id(kPadding, tokenizer.pad_id());
  const std::vector<TokenId> around = tokenizer.encode("", true);
  const auto has = [&](std::optional<TokenId> id, bool front) {
    return id && !around.empty() && (front ? around.front() : around.back()) == *id;
  };
  entries.push_back({kAddBos, has(tokenizer.bos_id(), true)});
  entries.push_back({kAddEos, has(tokenizer.eos_id(), false) && around.size() > 1});
  entries.push_back({kSpacePrefix, model.add_dummy_prefix});
  entries.push_back({kRemoveSpaces, model.remove_extra_whitespaces});
  if (!tokenizer.chat_template().empty())
    entries.push_back({kChatTemplate, tokenizer.chat_template()});
  entries.push_back({kLegacy, tokenizer.legacy()});
  return entries;
}

}  // namespace isthmus::text
