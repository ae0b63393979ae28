#include "text/gguf_tokenizer.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/mapped_file.h"
#include "hostile_files.h"
#include "isthmus/error.h"
#include "text/byte_level.h"
#include "text/word_model.h"
#include "text_testing.h"

namespace isthmus::text {
namespace {

using formats::GgufEntry;

formats::GgufFile file_with(const std::vector<GgufEntry>& entries) {
  const auto path = fresh_folder("gguf_tokenizer") / "vocabulary.gguf";
  formats::write_gguf(path, entries, {});
  return formats::GgufFile::open(MappedFile::open(path));
}

const std::vector<std::string> kTexts = {"",
                                         "Hello world",
                                         " Hello  world ",
                                         "What is in the picture?\nA red ball.",
                                         "ab\t\n  x",
                                         "12345",
                                         "äöü 🦙 中文.",
                                         "</s>Hello",
                                         "USER: hi ASSISTANT: ho</s>USER: again"};

void expect_same(const Tokenizer& found, const Tokenizer& expected) {
  EXPECT_EQ(found.bos_id(), expected.bos_id());
  EXPECT_EQ(found.eos_id(), expected.eos_id());
  for (const std::string& text : kTexts)
    for (const bool special : {false, true}) {
      const TextSpan span{text, special};
      const auto ids = expected.encode(std::span(&span, 1), true);
      EXPECT_EQ(found.encode(std::span(&span, 1), true), ids) << text;
      EXPECT_EQ(found.decode(ids, true), expected.decode(ids, true)) << text;
    }
}

TEST(GgufTokenizer, ASentencePieceModelComesBackAsItWas) {
  for (const char* name : {"legacy_true", "legacy_false"}) {
    const auto original = Tokenizer::load(kLlava / "tokenizer_prompts/model" / name);
    const auto rows = static_cast<int64_t>(original->vocab_size()) + 3;
    const auto file = file_with(gguf_entries(*original, rows));
    EXPECT_EQ(file.texts("tokenizer.ggml.tokens").back(), fmt::format("[PAD{}]", rows - 1));
    EXPECT_EQ(file.text("tokenizer.ggml.model"), "llama");
    expect_same(*load_gguf_tokenizer(file), *original);
  }
}

TEST(GgufTokenizer, AUnigramModelIsT5s) {
  const auto folder = fresh_folder("gguf_words");
  const std::vector<std::string> words = {"▁Hello", "▁world", "▁What", "▁is", "\n", "▁USER:"};
  write_text(folder / "tokenizer.model", word_model(words));
  const auto original = Tokenizer::load(folder);
  const auto file =
      file_with(gguf_entries(*original, static_cast<int64_t>(original->vocab_size())));
  EXPECT_EQ(file.text("tokenizer.ggml.model"), "t5");
  expect_same(*load_gguf_tokenizer(file), *original);
}

// The entries that llama.cpp's converter makes of a tokenizer.json.
std::vector<GgufEntry> byte_level_entries(const std::filesystem::path& folder) {
  const auto json = nlohmann::json::parse(read_text(folder / "tokenizer.json"));
  std::vector<std::string> tokens, merges;
  std::vector<int32_t> types;
  const auto put = [&](size_t id, const std::string& token, int32_t type) {
    if (id >= tokens.size()) {
      tokens.resize(id + 1);
      types.resize(id + 1, 5);
    }
    tokens[id] = token;
    types[id] = type;
  };
  for (const auto& [token, id] : json.at("model").at("vocab").items()) put(id, token, 1);
  for (const auto& token : json.at("added_tokens"))
    put(token.at("id"), token.at("content"), token.at("special") ? 3 : 4);
  for (const auto& merge : json.at("model").at("merges"))
    merges.push_back(merge.is_string()
                         ? merge.get<std::string>()
                         : merge[0].get<std::string>() + " " + merge[1].get<std::string>());
  return {{"general.architecture", std::string("gptneox")},
          {"tokenizer.ggml.model", std::string("gpt2")},
          {"tokenizer.ggml.pre", std::string("olmo")},
          {"tokenizer.ggml.tokens", tokens},
          {"tokenizer.ggml.token_type", types},
          {"tokenizer.ggml.merges", merges},
          {"tokenizer.ggml.bos_token_id", uint32_t{0}},
          {"tokenizer.ggml.eos_token_id", uint32_t{0}}};
}

TEST(GgufTokenizer, ByteLevelVocabulariesEncodeAsTokenizerJson) {
  const auto folder = kFixtures / "openflamingo/tokenizer_neox/model";
  const auto original = Tokenizer::load(folder);
  const auto found = load_gguf_tokenizer(file_with(byte_level_entries(folder)));
  for (const std::string& text : kTexts) {
    const TextSpan span{text, false};
    EXPECT_EQ(found->encode(std::span(&span, 1), false),
              original->encode(std::span(&span, 1), false))
        << text;
  }
  EXPECT_EQ(found->encode("a<|endoftext|>b", false), original->encode("a<|endoftext|>b", false));
}

TEST(GgufTokenizer, BosIsAddedWhereTheFileSaysSo) {
  auto entries = byte_level_entries(kFixtures / "openflamingo/tokenizer_neox/model");
  entries.push_back({"tokenizer.ggml.add_bos_token", true});
  const auto ids = load_gguf_tokenizer(file_with(entries))->encode("a", true);
  ASSERT_EQ(ids.size(), 2u);
  EXPECT_EQ(ids.front(), 0);
}

TEST(GgufTokenizer, BrokenVocabulariesAreRefusedByFileAndKey) {
  const auto original = Tokenizer::load(kLlava / "tokenizer_prompts/model/legacy_true");
  const auto good = gguf_entries(*original, static_cast<int64_t>(original->vocab_size()));
  const auto complaint = [&](const std::string& key, std::optional<formats::GgufEntryValue> value) {
    auto entries = good;
    std::erase_if(entries, [&](const GgufEntry& entry) { return entry.key == key; });
    if (value) entries.push_back({key, *value});
    return message_of([&] { load_gguf_tokenizer(file_with(entries)); });
  };
  const auto expect = [](const std::string& message, const std::string& part) {
    EXPECT_NE(message.find(part), std::string::npos) << message;
    EXPECT_NE(message.find("vocabulary.gguf"), std::string::npos) << message;
  };
  expect(complaint("tokenizer.ggml.model", std::nullopt), "tokenizer.ggml.model is missing");
  expect(complaint("tokenizer.ggml.model", std::string("bert")), "\"bert\" is not supported");
  expect(complaint("tokenizer.ggml.tokens", uint32_t{7}),
         "tokenizer.ggml.tokens: found the whole number 7, expected a list of texts");
  expect(complaint("tokenizer.ggml.tokens", std::vector<std::string>{}), "0 tokens");
  expect(complaint("tokenizer.ggml.scores", std::vector<float>{1}), "1 entries, expected");
  expect(complaint("tokenizer.ggml.token_type", std::vector<int32_t>(good.size(), 9)), "entries");
  expect(complaint("tokenizer.ggml.bos_token_id", uint32_t{1000000}), "1000000 is no id");
  auto bytes = byte_level_entries(kFixtures / "openflamingo/tokenizer_neox/model");
  bytes[2].value = std::string("kimi-k2");
  expect(message_of([&] { load_gguf_tokenizer(file_with(bytes)); }), "\"kimi-k2\"");
  bytes.erase(bytes.begin() + 2);
  EXPECT_NE(load_gguf_tokenizer(file_with(bytes)), nullptr);
  bytes[0].value = std::string("llama");
  expect(message_of([&] { load_gguf_tokenizer(file_with(bytes)); }),
         "tokenizer.ggml.pre is missing");
}

// ---- small vocabularies of every kind, broken

std::vector<GgufEntry> small_sentencepiece(const char* model) {
  std::vector<std::string> tokens = {"<unk>", "<s>", "</s>", "[X]"};
  std::vector<int32_t> types = {2, 3, 3, 4};
  for (int byte = 0; byte < 256; ++byte) {
    tokens.push_back(fmt::format("<0x{:02X}>", byte));
    types.push_back(6);
  }
  for (const char* piece : {"▁", "a", "b", "▁a", "ab", "▁ab", "é"}) {
    tokens.emplace_back(piece);
    types.push_back(1);
  }
  tokens.emplace_back("bb");
  types.push_back(5);
  std::vector<float> scores;
  for (size_t i = 0; i < tokens.size(); ++i) scores.push_back(-static_cast<float>(i));
  return {{"general.architecture", std::string("llama")},
          {"tokenizer.ggml.model", std::string(model)},
          {"tokenizer.ggml.tokens", tokens},
          {"tokenizer.ggml.scores", scores},
          {"tokenizer.ggml.token_type", types},
          {"tokenizer.ggml.bos_token_id", uint32_t{1}},
          {"tokenizer.ggml.eos_token_id", uint32_t{2}},
          {"tokenizer.ggml.unknown_token_id", uint32_t{0}},
          {"tokenizer.ggml.add_bos_token", true},
          {"tokenizer.chat_template", std::string("{{ messages }}")}};
}

std::vector<GgufEntry> small_byte_level() {
  std::vector<std::string> tokens = {"<|end|>"};
  for (int byte = 0; byte < 256; ++byte)
    tokens.push_back(byte_level_encode(std::string(1, static_cast<char>(byte))));
  for (const char* piece : {"ab", "abb", "Ġa", "Ġab"}) tokens.emplace_back(piece);
  std::vector<int32_t> types(tokens.size(), 1);
  types.front() = 3;
  return {{"general.architecture", std::string("llama")},
          {"tokenizer.ggml.model", std::string("gpt2")},
          {"tokenizer.ggml.pre", std::string("gpt-2")},
          {"tokenizer.ggml.tokens", tokens},
          {"tokenizer.ggml.token_type", types},
          {"tokenizer.ggml.merges", std::vector<std::string>{"a b", "ab b", "Ġ a", "Ġa b"}},
          {"tokenizer.ggml.bos_token_id", uint32_t{0}},
          {"tokenizer.ggml.add_bos_token", true}};
}

// LLaMA 3: a word that is a token needs no merges, and a text begins with BOS unless the file says
// otherwise.
TEST(GgufTokenizer, WordsThatAreTokensNeedNoMergesWhereThePatternSaysSo) {
  auto entries = small_byte_level();
  const auto with = [&](const std::string& key, formats::GgufEntryValue value) {
    std::erase_if(entries, [&](const GgufEntry& entry) { return entry.key == key; });
    entries.push_back({key, std::move(value)});
  };
  const auto encode = [&](const char* text) {
    const auto tokenizer = load_gguf_tokenizer(file_with(entries));
    std::vector<std::string> pieces;
    for (const TokenId id : tokenizer->encode(text, true)) pieces.push_back(tokenizer->piece(id));
    return pieces;
  };
  using Pieces = std::vector<std::string>;
  with("tokenizer.ggml.merges", std::vector<std::string>{"Ġ a"});
  std::erase_if(entries,
                [](const GgufEntry& e) { return e.key == "tokenizer.ggml.add_bos_token"; });
  EXPECT_EQ(encode("abb ab"), (Pieces{"a", "b", "b", "Ġa", "b"}));
  with("tokenizer.ggml.pre", std::string("llama-bpe"));
  EXPECT_EQ(encode("abb ab"), (Pieces{"<|end|>", "abb", "Ġab"}));
  EXPECT_EQ(encode("abb1234"), (Pieces{"<|end|>", "abb", "1", "2", "3", "4"}));
  with("tokenizer.ggml.add_bos_token", false);
  EXPECT_EQ(encode("abb"), (Pieces{"abb"}));
}

TEST(GgufTokenizer, EachBrokenEntryIsNamedWithWhatWasExpected) {
  using Entries = std::vector<GgufEntry>;
  const auto expect = [](Entries entries, const std::string& key, formats::GgufEntryValue value,
                         const std::string& part) {
    std::erase_if(entries, [&](const GgufEntry& entry) { return entry.key == key; });
    entries.push_back({key, std::move(value)});
    const std::string message =
        message_of<ModelError>([&] { load_gguf_tokenizer(file_with(entries)); });
    EXPECT_NE(message.find("vocabulary.gguf: " + key), std::string::npos) << message;
    EXPECT_NE(message.find(part), std::string::npos) << message;
  };
  const auto changed = [](const Entries& entries, const std::string& key, const auto& change) {
    for (const GgufEntry& entry : entries)
      if (entry.key == key) {
        auto value = entry.value;
        change(value);
        return value;
      }
    return formats::GgufEntryValue();
  };
  const Entries pieces = small_sentencepiece("llama"), bytes = small_byte_level();
  const auto token = [&](const Entries& entries, size_t id, const std::string& text) {
    return changed(entries, "tokenizer.ggml.tokens",
                   [&](auto& value) { std::get<std::vector<std::string>>(value)[id] = text; });
  };
  expect(pieces, "tokenizer.ggml.tokens", token(pieces, 261, "\xff"), "token 261 is no UTF-8");
  expect(bytes, "tokenizer.ggml.tokens", token(bytes, 3, "\xc3"), "token 3 is no UTF-8");
  expect(pieces, "tokenizer.ggml.tokens", token(pieces, 262, "a"),
         "token 262 is \"a\", and so is token 261");
  expect(pieces, "tokenizer.ggml.tokens", token(pieces, 10, "<0xZZ>"),
         "entry 10 is \"<0xZZ>\", expected a byte such as <0x41>");
  expect(pieces, "tokenizer.ggml.scores",
         changed(pieces, "tokenizer.ggml.scores",
                 [](auto& value) { std::get<std::vector<float>>(value)[7] = NAN; }),
         "entry 7 is nan, expected a finite number");
  expect(pieces, "tokenizer.ggml.token_type",
         changed(pieces, "tokenizer.ggml.token_type",
                 [](auto& value) { std::get<std::vector<int32_t>>(value)[5] = 9; }),
         "token 5 is of type 9, expected 1 to 6");
  const auto merges = [&](const char* merge) { return std::vector<std::string>{"a b", merge}; };
  expect(bytes, "tokenizer.ggml.merges", merges("a c"),
         "[1]: the merge of \"a\" and \"c\" needs \"ac\", which is no token");
  expect(bytes, "tokenizer.ggml.merges", merges("ab"), "[1]: expected two pieces and a space");
  expect(bytes, "tokenizer.ggml.merges", merges("a b b"), "[1]: expected two pieces and a space");
  expect(bytes, "tokenizer.ggml.merges", uint32_t{1}, "expected a list of texts");
  expect(bytes, "tokenizer.ggml.bos_token_id", uint32_t{999}, "999 is no id of the 261 tokens");
  expect(bytes, "tokenizer.ggml.bos_token_id", std::string("0"), "expected a whole number");
  expect(bytes, "tokenizer.ggml.add_bos_token", uint32_t{1}, "expected true or false");
}

TEST(GgufTokenizer, SurvivesBrokenVocabularies) {
  const auto folder = fresh_folder("broken_vocabularies");
  for (const auto& entries :
       {small_sentencepiece("llama"), small_sentencepiece("t5"), small_byte_level()}) {
    formats::write_gguf(folder / "good.gguf", entries, {});
    const std::string good = read_text(folder / "good.gguf");
    attack(folder / "broken.gguf", good, good.size(), 1500, [&] {
      const auto tokenizer =
          load_gguf_tokenizer(formats::GgufFile::open(MappedFile::open(folder / "broken.gguf")));
      for (const char* text : {"ab abb", "é\xff", "a<s>b</s>[X]<|end|>"}) {
        const auto ids = tokenizer->encode(text, true);
        for (const TokenId id : ids) {
          EXPECT_GE(id, 0);
          EXPECT_LT(id, static_cast<TokenId>(tokenizer->vocab_size()));
        }
        tokenizer->decode(ids, false);
      }
    });
  }
}

}  // namespace
}  // namespace isthmus::text
