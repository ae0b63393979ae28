#include <chrono>

#include "isthmus/error.h"
#include "text/sentencepiece_encoder.h"
#include "text_testing.h"

namespace isthmus::text {
namespace {

const auto kCase = kLlava / "tokenizer_prompts";

class SlowTokenizer : public testing::TestWithParam<const char*> {
 protected:
  nlohmann::json expect_ = expectations(kCase)["tokenizers"][GetParam()];
  std::shared_ptr<const Tokenizer> tokenizer_ =
      Tokenizer::load(kCase / expect_["model"].get<std::string>(), {.prefer_fast = false});
};

TEST_P(SlowTokenizer, EncodesEveryGoldenString) {
  for (const auto& item : expect_["strings"]) {
    const auto text = item["text"].get<std::string>();
    const auto ids = tokenizer_->encode(text, true);
    EXPECT_EQ(ids, ids_of(item["ids"])) << text;
    std::vector<std::string> pieces;
    for (const TokenId id : ids) pieces.push_back(tokenizer_->piece(id));
    EXPECT_EQ(pieces, item["pieces"].get<std::vector<std::string>>()) << text;
  }
}

TEST_P(SlowTokenizer, DecodesEveryGoldenString) {
  for (const char* list : {"strings", "decode_random"}) {
    for (const auto& item : expect_[list]) {
      const auto ids = ids_of(item["ids"]);
      EXPECT_EQ(tokenizer_->decode(ids, false), item["decode"].get<std::string>()) << item["ids"];
      EXPECT_EQ(tokenizer_->decode(ids, true), item["decode_skip_special"].get<std::string>())
          << item["ids"];
    }
  }
  const auto& history = expect_["cli_history"];
  EXPECT_EQ(tokenizer_->decode(ids_of(history["answer_ids_with_leading_bos"]), false),
            history["decoded"].get<std::string>());
}

TEST_P(SlowTokenizer, StopKeywordsGetTheirDummyPrefix) {
  for (const auto& item : expect_["stop_keyword_ids"])
    EXPECT_EQ(tokenizer_->encode(item["keyword"].get<std::string>(), false), ids_of(item["ids"]))
        << item;
}

TEST_P(SlowTokenizer, KnowsItsSpecialTokens) {
  EXPECT_EQ(tokenizer_->bos_id(), 1);
  EXPECT_EQ(tokenizer_->eos_id(), 2);
  EXPECT_EQ(tokenizer_->unk_id(), 0);
  EXPECT_EQ(tokenizer_->pad_id(), 0);  // special_tokens_map.json
  EXPECT_EQ(tokenizer_->vocab_size(), 800u);
  EXPECT_TRUE(tokenizer_->is_special(2));
  EXPECT_FALSE(tokenizer_->is_special(300));
  EXPECT_EQ(tokenizer_->find("</s>"), 2);
  EXPECT_EQ(tokenizer_->find("no such piece"), std::nullopt);
  EXPECT_EQ(tokenizer_->piece(5000), "");
  EXPECT_EQ(tokenizer_->decode(std::vector<TokenId>{-200, 5000}, false), "");
}

TEST_P(SlowTokenizer, UserTextNeverBecomesASpecialToken) {
  const std::vector<std::string> added{"<im_start>", "<im_end>"};
  const auto tokenizer = tokenizer_->with_added_tokens(added);
  for (const std::string text : {"</s>", "<s>", "<unk>", "<im_start>", "a</s>b <im_end>"}) {
    const TextSpan span{text, false};
    const auto ids = tokenizer->encode(std::span(&span, 1), false);
    for (const TokenId id : ids) EXPECT_FALSE(tokenizer->is_special(id)) << text;
    EXPECT_EQ(tokenizer->decode(ids, true), text);
  }
  // Half of the spelling is the user's: no special token either.
  const TextSpan halves[] = {{"</", true}, {"s>", false}};
  for (const TokenId id : tokenizer->encode(halves, false)) EXPECT_FALSE(tokenizer->is_special(id));
  const TextSpan whole[] = {{"</", true}, {"s>", true}};
  EXPECT_EQ(tokenizer->encode(whole, false), std::vector<TokenId>{2});
}

TEST_P(SlowTokenizer, SpansMergeAcrossTheirBorders) {
  const std::string text = "the cat is sitting on a wooden table.";
  const auto whole = tokenizer_->encode(text, true);
  for (size_t cut = 0; cut <= text.size(); ++cut) {
    const TextSpan spans[] = {{std::string_view(text).substr(0, cut), true},
                              {std::string_view(text).substr(cut), false}};
    EXPECT_EQ(tokenizer_->encode(spans, true), whole) << cut;
  }
}

TEST_P(SlowTokenizer, InvalidUtf8IsReadAsReplacementCharacters) {
  EXPECT_EQ(tokenizer_->encode("a\xFF\xE2\x96 b", false),
            tokenizer_->encode("a\uFFFD\uFFFD b", false));
}

TEST_P(SlowTokenizer, AMegabyteTakesLinearithmicTime) {
  std::string text;
  while (text.size() < 1000000) text += "Does the old man look at the train? 12345 \xE6\x97\xA5 ";
  text.append(100000, ' ');
  text.append(100000, 'a');
  const auto start = std::chrono::steady_clock::now();
  const auto ids = tokenizer_->encode(text, true);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  EXPECT_GT(ids.size(), 100000u);
  EXPECT_LT(seconds.count(),
            30.0);  // quadratic work would take hours; sanitizers may take some seconds
  RecordProperty("seconds", std::to_string(seconds.count()));
}

INSTANTIATE_TEST_SUITE_P(Modes, SlowTokenizer, testing::Values("legacy_false", "legacy_true"));

TEST(SlowTokenizer, TokensOfAddedTokensJsonKeepTheirIds) {
  const auto tokenizer = Tokenizer::load(kLlava / "v1_linear/model/LLaVA-tiny-v0");
  EXPECT_EQ(tokenizer->find("<im_patch>"), 630);
  EXPECT_EQ(tokenizer->find("<im_start>"), 631);
  EXPECT_EQ(tokenizer->find("<im_end>"), 632);
  EXPECT_EQ(tokenizer->vocab_size(), 633u);
  EXPECT_TRUE(tokenizer->legacy());
  const std::vector<std::string> again{"<im_patch>", "<im_start>", "<im_end>", "<new>"};
  const auto more = tokenizer->with_added_tokens(again);
  EXPECT_EQ(more->find("<im_end>"), 632);
  EXPECT_EQ(more->find("<new>"), 633);
  EXPECT_EQ(more->vocab_size(), 634u);
  const TextSpan user{"<im_start>", false};
  for (const TokenId id : tokenizer->encode(std::span(&user, 1), false)) EXPECT_LT(id, 630);
}

TEST(SlowTokenizer, BosAndEosFollowTheConfig) {
  const auto folder = fresh_folder("bos_eos");
  std::filesystem::copy(kCase / "model/legacy_false", folder,
                        std::filesystem::copy_options::recursive);
  auto config = nlohmann::json::parse(read_text(folder / "tokenizer_config.json"));
  config["add_bos_token"] = false;
  config["add_eos_token"] = true;
  write_text(folder / "tokenizer_config.json", config.dump());
  const auto tokenizer = Tokenizer::load(folder);
  const auto bare = tokenizer->encode("Hello", false);
  auto expected = bare;
  expected.push_back(2);
  EXPECT_EQ(tokenizer->encode("Hello", true), expected);
}

TEST(SlowTokenizer, AFolderWithoutLegacyIsLegacy) {
  const auto folder = fresh_folder("no_config");
  std::filesystem::copy(kCase / "model/legacy_true/tokenizer.model", folder / "tokenizer.model");
  const auto tokenizer = Tokenizer::load(folder);
  EXPECT_TRUE(tokenizer->legacy());
  EXPECT_EQ(tokenizer->bos_id(), 1);
  const auto golden = expectations(kCase)["tokenizers"]["legacy_true"];
  for (const auto& item : golden["strings"])
    EXPECT_EQ(tokenizer->encode(item["text"].get<std::string>(), true), ids_of(item["ids"]))
        << item["text"];
}

// A small model built in memory, for what the published ones do not show.
std::shared_ptr<SentencePieceModel> tiny_model(std::vector<SentencePieceModel::Piece> pieces) {
  auto model = std::make_shared<SentencePieceModel>();
  model->model_type = SentencePieceModel::ModelType::kBpe;
  model->remove_extra_whitespaces = false;
  model->pieces = {{"<unk>", 0, SentencePieceModel::PieceType::kUnknown}};
  for (auto& piece : pieces) model->pieces.push_back(std::move(piece));
  return model;
}

std::vector<TokenId> encode(const SentencePieceEncoder& encoder, std::string_view text,
                            bool trusted = false) {
  MarkedText marked;
  marked.append(text, trusted);
  std::vector<TokenId> ids;
  encoder.encode(marked, ids);
  return ids;
}

TEST(SentencePieceBpe, EqualScoresMergeLeftmostFirst) {
  const auto model = tiny_model({{"a", -9}, {"ab", -1}, {"ba", -1}, {"b", -9}});
  const SentencePieceEncoder encoder(model, false);
  EXPECT_EQ(encode(encoder, "aba"), (std::vector<TokenId>{2, 1}));
  EXPECT_EQ(encode(encoder, "bab"), (std::vector<TokenId>{3, 4}));
}

TEST(SentencePieceBpe, ARunOfUnknownCharactersIsOneUnknown) {
  const SentencePieceEncoder encoder(tiny_model({{"a", -1}}), false);
  EXPECT_EQ(encode(encoder, "axyaz"), (std::vector<TokenId>{1, 0, 1, 0}));
}

TEST(SentencePieceBpe, UnusedPiecesFallBackIntoTheirHalves) {
  using Type = SentencePieceModel::PieceType;
  const SentencePieceEncoder encoder(
      tiny_model({{"a", -9}, {"b", -9}, {"c", -9}, {"ab", -1, Type::kUnused}, {"abc", -2}}), false);
  EXPECT_EQ(encode(encoder, "ab"), (std::vector<TokenId>{1, 2}));
  EXPECT_EQ(encode(encoder, "abc"), (std::vector<TokenId>{5}));
}

TEST(SentencePieceBpe, UserDefinedMarkupNeedsTrust) {
  using Type = SentencePieceModel::PieceType;
  const SentencePieceEncoder encoder(tiny_model({{"<", -9},
                                                 {"x", -9},
                                                 {">", -9},
                                                 {"<x>", 0, Type::kUserDefined},
                                                 {"xx", 0, Type::kUserDefined}}),
                                     false);
  EXPECT_EQ(encode(encoder, "<x>", true), (std::vector<TokenId>{4}));
  EXPECT_EQ(encode(encoder, "<x>", false), (std::vector<TokenId>{1, 2, 3}));
  EXPECT_EQ(encode(encoder, "xx", false), (std::vector<TokenId>{5}));
}

TEST(SentencePieceEncoder, ExtraWhiteSpaceIsRemovedWhenTheModelSaysSo) {
  auto model = tiny_model({{"\u2581", -2}, {"a", -1}});
  model->remove_extra_whitespaces = true;
  const SentencePieceEncoder encoder(model, true);
  EXPECT_EQ(encode(encoder, "  a   a "), (std::vector<TokenId>{1, 2, 1, 2}));
  EXPECT_TRUE(encode(encoder, "   ").empty());
}

TEST(SentencePieceUnigram, TakesTheSegmentationOfGreatestScore) {
  auto model = tiny_model({{"a", -2}, {"b", -2}, {"ab", -3}, {"abc", -9}, {"c", -1}});
  model->model_type = SentencePieceModel::ModelType::kUnigram;
  const SentencePieceEncoder encoder(model, false);
  EXPECT_EQ(encode(encoder, "abc"), (std::vector<TokenId>{3, 5}));
  EXPECT_EQ(encode(encoder, "xab"), (std::vector<TokenId>{0, 3}));
}

}  // namespace
}  // namespace isthmus::text
