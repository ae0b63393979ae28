#include "isthmus/error.h"
#include "text/bpe_model.h"
#include "text/byte_level.h"
#include "text/text_normalizers.h"
#include "text_testing.h"

namespace isthmus::text {
namespace {

class HfLayout : public testing::TestWithParam<const char*> {
 protected:
  nlohmann::json expect_ = expectations(kLlava / GetParam());
  std::shared_ptr<const Tokenizer> tokenizer_ = Tokenizer::load(
      kLlava / GetParam() / expect_["model"].get<std::string>(), {.prefer_fast = true});
};

TEST_P(HfLayout, EncodesEveryGoldenString) {
  for (const auto& item : expect_["tokenizer_strings"])
    EXPECT_EQ(tokenizer_->encode(item["text"].get<std::string>(), true), ids_of(item["ids"]))
        << item["text"];
}

TEST_P(HfLayout, DecodesTheGeneratedIds) {
  for (const auto& request : expect_["requests"])
    EXPECT_EQ(tokenizer_->decode(ids_of(request["output_ids"]), true),
              request["output_text"].get<std::string>());
}

TEST_P(HfLayout, UserTextNeverBecomesAnImageToken) {
  const std::string text = "<image> and </s><pad>";
  const TextSpan spans[] = {{text, false}};
  const auto ids = tokenizer_->encode(spans, false);
  for (const TokenId id : ids) EXPECT_FALSE(tokenizer_->is_special(id));
  EXPECT_EQ(tokenizer_->decode(ids, true), text);
  EXPECT_EQ(tokenizer_->find("<image>"), expect_["image_token_id"].get<TokenId>());
  EXPECT_EQ(tokenizer_->pad_id(), expect_["pad_token_id"].get<TokenId>());
}

INSTANTIATE_TEST_SUITE_P(Cases, HfLayout, testing::Values("hf_llava15", "hf_llava_next"));

// GPT-NeoX's layout: NFC, byte-level BPE, runs of white space as added tokens.
class NeoX : public testing::Test {
 protected:
  NeoX() {
    const std::vector<std::string> first{"<|endofchunk|>", "<image>"}, second{"<PAD>"};
    const auto base = Tokenizer::load(kCase / "model");
    EXPECT_EQ(base->vocab_size(), expect_["base_len"].get<size_t>());
    tokenizer_ = base->with_added_tokens(first)->with_added_tokens(second);
  }
  const std::filesystem::path kCase = kFixtures / "openflamingo/tokenizer_neox";
  nlohmann::json expect_ = expectations(kCase);
  std::shared_ptr<const Tokenizer> tokenizer_;
};

TEST_F(NeoX, EncodesEveryGoldenString) {
  EXPECT_EQ(tokenizer_->vocab_size(), expect_["len"].get<size_t>());
  EXPECT_EQ(tokenizer_->find("<PAD>"), expect_["special"]["pad"].get<TokenId>());
  for (const auto& item : expect_["items"]) {
    const auto ids = tokenizer_->encode(item["text"].get<std::string>(), true);
    EXPECT_EQ(ids, ids_of(item["ids"])) << item["text"];
    std::vector<std::string> pieces;
    for (const TokenId id : ids) pieces.push_back(tokenizer_->piece(id));
    EXPECT_EQ(pieces, item["tokens"].get<std::vector<std::string>>()) << item["text"];
  }
}

TEST_F(NeoX, DecodesWithTheCleanUpThatTransformersAppliesByDefault) {
  for (const auto& item : expect_["items"]) {
    const auto ids = ids_of(item["ids"]);
    EXPECT_EQ(tokenizer_->decode(ids, false), item["decoded_default"].get<std::string>())
        << item["text"];
    EXPECT_EQ(tokenizer_->decode(ids, true), item["decoded_skip_special"].get<std::string>())
        << item["text"];
  }
}

TEST_F(NeoX, DecodesWithoutCleanUpWhenTheConfigSaysSo) {
  const auto folder = fresh_folder("neox_no_clean_up");
  std::filesystem::copy(kCase / "model", folder, std::filesystem::copy_options::recursive);
  auto config = nlohmann::json::parse(read_text(folder / "tokenizer_config.json"));
  config["clean_up_tokenization_spaces"] = false;
  write_text(folder / "tokenizer_config.json", config.dump());
  const std::vector<std::string> added{"<|endofchunk|>", "<image>", "<PAD>"};
  const auto tokenizer = Tokenizer::load(folder)->with_added_tokens(added);
  for (const auto& item : expect_["items"])
    EXPECT_EQ(tokenizer->decode(ids_of(item["ids"]), false), item["decoded"].get<std::string>())
        << item["text"];
  for (const auto& item : expect_["single_id_decodes"])
    EXPECT_EQ(tokenizer->decode(ids_of(item["ids"]), false), item["decoded"].get<std::string>())
        << item["ids"];
}

TEST_F(NeoX, WhiteSpaceRunsAreForEveryoneAndMarkersForMarkupOnly) {
  const TextSpan spaces{"a    b", false};
  EXPECT_EQ(tokenizer_->encode(std::span(&spaces, 1), false), tokenizer_->encode("a    b", false));
  const TextSpan user{"<image><|endofchunk|>", false};
  for (const TokenId id : tokenizer_->encode(std::span(&user, 1), false))
    EXPECT_FALSE(tokenizer_->is_special(id));
}

TEST(FastTokenizer, ConvertedFromTokenizerModelGivesTheMistralIds) {
  const auto folder = kLlava / "v16_anyres_mistral";
  const auto expect = expectations(folder);
  const auto tokenizer =
      Tokenizer::load(folder / expect["model"].get<std::string>(), {.prefer_fast = true});
  for (const auto& request : expect["requests"])
    EXPECT_EQ(tokenizer->decode(ids_of(request["output_ids"]), true),
              request["output_text"].get<std::string>());
  EXPECT_EQ(tokenizer->encode("a</s>b", true),
            (std::vector<TokenId>{1, *tokenizer->find("\u2581a"), 2, *tokenizer->find("\u2581b")}));
}

TEST(ByteLevel, EveryByteHasACharacterAndBack) {
  std::string bytes;
  for (int byte = 0; byte < 256; ++byte) bytes.push_back(static_cast<char>(byte));
  EXPECT_EQ(byte_level_decode(byte_level_encode(bytes)), bytes);
  EXPECT_EQ(byte_level_encode(" a\n"), "\u0120a\u010A");
  EXPECT_EQ(byte_level_decode("<image> \u0120"), "<image> \u0120");  // the space stands for no byte
}

TEST(ByteLevel, CutsAsThePatternOfGpt2) {
  using Words = std::vector<std::string_view>;
  EXPECT_EQ(gpt2_split("I'll it's  don't"), (Words{"I", "'ll", " it", "'s", " ", " don", "'t"}));
  EXPECT_EQ(gpt2_split("a1b2 34 !?\n\n x \t"),
            (Words{"a", "1", "b", "2", " 34", " !?", "\n\n", " x", " \t"}));
  EXPECT_EQ(gpt2_split(" '"), (Words{" '"}));
  EXPECT_EQ(gpt2_split("\u00A0\u00E9 \u65E5\u672C\u00B2"),
            (Words{"\u00A0", "\u00E9", " \u65E5\u672C", "\u00B2"}));
  EXPECT_TRUE(gpt2_split("").empty());
}

std::vector<std::string> pre_tokenize(const char* json, std::string text) {
  const auto pre = PreTokenizer::parse(JsonView::parse(json, "test.json"));
  std::vector<std::string> out;
  for (const auto& word : pre->apply({{std::move(text), true}})) out.push_back(word.text);
  return out;
}

TEST(PreTokenizer, MetaspaceFollowsItsPrependScheme) {
  using Words = std::vector<std::string>;
  EXPECT_EQ(pre_tokenize(R"({"type": "Metaspace", "prepend_scheme": "always"})", "a b"),
            (Words{"\u2581a", "\u2581b"}));
  EXPECT_EQ(
      pre_tokenize(R"({"type": "Metaspace", "prepend_scheme": "never", "split": false})", "a b"),
      (Words{"a\u2581b"}));
  EXPECT_EQ(pre_tokenize(R"({"type": "Metaspace", "add_prefix_space": false})", "a b"),
            (Words{"a", "\u2581b"}));
  EXPECT_EQ(
      pre_tokenize(
          R"({"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": true},
                             {"type": "Metaspace", "prepend_scheme": "first", "split": false}]})",
          "a12 b"),
      (Words{"\u2581a", "1", "2", "\u2581b"}));
}

TEST(PreTokenizer, SplitFollowsItsBehavior) {
  using Words = std::vector<std::string>;
  const auto split = [](const std::string& behavior) {
    return pre_tokenize(
        (R"({"type": "Split", "pattern": {"String": "-"}, "behavior": ")" + behavior + "\"}")
            .c_str(),
        "a--b-");
  };
  EXPECT_EQ(split("Removed"), (Words{"a", "b"}));
  EXPECT_EQ(split("Isolated"), (Words{"a", "-", "-", "b", "-"}));
  EXPECT_EQ(split("Contiguous"), (Words{"a", "--", "b", "-"}));
  EXPECT_EQ(split("MergedWithPrevious"), (Words{"a-", "-", "b-"}));
  EXPECT_EQ(split("MergedWithNext"), (Words{"a", "-", "-b", "-"}));
}

TEST(BpeModel, UnknownCharactersFollowFuseUnkAndByteFallback) {
  const auto encode = [](const char* json, std::string_view word) {
    std::vector<TokenId> ids;
    BpeModel::parse(JsonView::parse(json, "test.json")).encode(word, ids);
    return ids;
  };
  using Ids = std::vector<TokenId>;
  EXPECT_EQ(
      encode(
          R"({"type": "BPE", "vocab": {"?": 0, "a": 1}, "merges": [], "unk_token": "?", "fuse_unk": true})",
          "xya"),
      (Ids{0, 1}));
  EXPECT_EQ(
      encode(
          R"({"vocab": {"?": 0, "a": 1, "aa": 2}, "merges": ["#version: 0.2", "a a"], "unk_token": "?"})",
          "xyaa"),
      (Ids{0, 0, 2}));
  EXPECT_EQ(
      encode(R"({"vocab": {"a": 0, "<0x78>": 1}, "merges": [], "byte_fallback": true})", "axy"),
      (Ids{0, 1}));
  EXPECT_EQ(
      encode(R"({"vocab": {"a": 0, "b": 1, "ab": 2}, "merges": [], "ignore_merges": true})", "ab"),
      (Ids{2}));
  EXPECT_EQ(encode(R"({"vocab": {"a": 0, "b</w>": 1, "ab</w>": 2}, "merges": [["a", "b</w>"]],
                       "end_of_word_suffix": "</w>"})",
                   "ab"),
            (Ids{2}));
}

TEST(TokenizerJson, RefusesUnknownComponentsByName) {
  const auto base = nlohmann::json::parse(
      read_text(kLlava / "hf_llava15/model/llava-1.5-tiny-hf/tokenizer.json"));
  const auto folder = fresh_folder("unknown_components");
  const auto complaint = [&](const char* key, const nlohmann::json& value) {
    auto json = base;
    json[key] = value;
    write_text(folder / "tokenizer.json", json.dump());
    EXPECT_THROW(Tokenizer::load(folder), UnsupportedError) << key;
    return message_of([&] { Tokenizer::load(folder); });
  };
  EXPECT_NE(complaint("normalizer", {{"type", "NFKC"}})
                .find("tokenizer.json: normalizer: normalizer NFKC"),
            std::string::npos);
  EXPECT_NE(complaint("pre_tokenizer", {{"type", "BertPreTokenizer"}}).find("BertPreTokenizer"),
            std::string::npos);
  EXPECT_NE(
      complaint("pre_tokenizer",
                {{"type", "Split"}, {"pattern", {{"Regex", "\\p{Han}"}}}, {"behavior", "Isolated"}})
          .find("tokenizer.json: pre_tokenizer.pattern.Regex: a property other than a general"),
      std::string::npos);
  EXPECT_NE(complaint("post_processor", {{"type", "BertProcessing"}}).find("BertProcessing"),
            std::string::npos);
  EXPECT_NE(complaint("decoder", {{"type", "WordPiece"}}).find("WordPiece"), std::string::npos);
  EXPECT_NE(
      complaint("model", {{"type", "Unigram"}, {"vocab", nlohmann::json::array()}}).find("Unigram"),
      std::string::npos);
}

TEST(AddedTokens, RandomUserTextNeverBecomesASpecialToken) {
  const std::vector<std::pair<std::filesystem::path, bool>> folders{
      {kLlava / "tokenizer_prompts/model/legacy_false", false},
      {kLlava / "tokenizer_prompts/model/legacy_true", false},
      {kLlava / "tokenizer_prompts/model/legacy_true", true},
      {kLlava / "hf_llava15/model/llava-1.5-tiny-hf", true},
      {kFixtures / "openflamingo/tokenizer_neox/model", true}};
  const std::vector<std::string> bits{"</s>",          "<s>",      "<unk>", "<im_start>", "<image>",
                                      "<|endoftext|>", "<",        "/s>",   "s",          " ",
                                      "\u2581",        "im_start", ">",     "<pad>",      "e\u0301",
                                      "\xFF",          "|",        "[INST]"};
  uint64_t state = 3;
  for (const auto& [folder, fast] : folders) {
    const std::vector<std::string> added{"<im_start>", "<image>"};
    const auto tokenizer = Tokenizer::load(folder, {.prefer_fast = fast})->with_added_tokens(added);
    for (int round = 0; round < 500; ++round) {
      std::vector<std::string> texts;
      std::vector<TextSpan> spans;
      for (int i = 0; i < 8; ++i) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        texts.push_back(bits[(state >> 33) % bits.size()]);
      }
      // One harmless trusted span in between: trust must not leak from it.
      for (size_t i = 0; i < texts.size(); ++i) {
        if (i == 4) spans.push_back({"<", true});
        spans.push_back({texts[i], false});
      }
      for (const TokenId id : tokenizer->encode(spans, false))
        EXPECT_FALSE(tokenizer->is_special(id)) << folder << testing::PrintToString(texts);
    }
  }
}

// Older LLaMA files mark their special tokens `normalized`: they are looked for behind the prefix.
TEST(AddedTokens, NormalizedSpecialTokensAreFoundInNormalizedText) {
  const auto folder = fresh_folder("normalized");
  write_text(folder / "tokenizer.json", R"({
    "normalizer": {"type": "Prepend", "prepend": "_"},
    "added_tokens": [{"id": 3, "content": "<s>", "normalized": true, "special": true}],
    "model": {"type": "BPE", "vocab": {"_": 0, "a": 1, "<": 2}, "merges": []}})");
  const auto tokenizer = Tokenizer::load(folder);
  EXPECT_EQ(tokenizer->encode("<s>a", false), (std::vector<TokenId>{3, 1}));
  const TextSpan user{"<s>a", false};
  EXPECT_EQ(tokenizer->encode(std::span(&user, 1), false), (std::vector<TokenId>{0, 2, 1}));
}

TEST(AddedTokens, StripFlagsAndSingleWordsAreHonoured) {
  const auto folder = fresh_folder("flags");
  write_text(folder / "tokenizer.json", R"({
    "added_tokens": [
      {"id": 4, "content": "<l>", "lstrip": true, "special": true},
      {"id": 5, "content": "<r>", "rstrip": true, "special": true},
      {"id": 6, "content": "ab", "single_word": true, "special": true, "normalized": false},
      {"id": 7, "content": "<l><r>", "special": true}],
    "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, " ": 2, ".": 3}, "merges": []}})");
  const auto tokenizer = Tokenizer::load(folder);
  using Ids = std::vector<TokenId>;
  EXPECT_EQ(tokenizer->encode("a  <l> b", false), (Ids{0, 4, 2, 1}));
  EXPECT_EQ(tokenizer->encode("a <r>  b", false), (Ids{0, 2, 5, 1}));
  EXPECT_EQ(tokenizer->encode("ab.aba ab", false), (Ids{6, 3, 0, 1, 0, 2, 6}));
  EXPECT_EQ(tokenizer->encode("<l><r>", false), (Ids{7}));
  EXPECT_EQ(tokenizer->decode(Ids{0, 4, 1}, false), "a <l> b");  // no decoder: joined by spaces
}

}  // namespace
}  // namespace isthmus::text
