// Tokenizers whose words are given one by one.
#include "text/word_model.h"

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "error_message.h"
#include "isthmus/error.h"
#include "text/sentencepiece_model.h"
#include "text/tokenizer.h"

namespace isthmus::text {
namespace {

namespace fs = std::filesystem;

const std::vector<std::string> kPieces = {
    "\xE2\x96\x81"
    "red",
    "\xE2\x96\x81"
    "cube",
    "red",
    "\n",
    "###",
    "<image>",
    "\xE2\x96\x81"
    "."};

std::shared_ptr<const Tokenizer> tokenizer() {
  const fs::path folder = fs::path(testing::TempDir()) / "isthmus_word_model";
  fs::create_directories(folder);
  std::ofstream(folder / "tokenizer.model", std::ios::binary) << word_model(kPieces);
  std::ofstream(folder / "tokenizer_config.json")
      << R"({"tokenizer_class": "LlamaTokenizer", "add_bos_token": true, "bos_token": "<s>",
             "eos_token": "</s>", "unk_token": "<unk>", "legacy": false})";
  return Tokenizer::load(folder);
}

std::vector<std::string> pieces_of(const Tokenizer& tokenizer, const std::string& text) {
  std::vector<std::string> pieces;
  for (const TokenId id : tokenizer.encode(text, false)) pieces.push_back(tokenizer.piece(id));
  return pieces;
}

TEST(WordModel, HoldsMarksWordsAndCharacters) {
  const auto model = SentencePieceModel::parse(word_model(kPieces), "tokenizer.model");
  ASSERT_GE(model.pieces.size(), 3 + kPieces.size());
  EXPECT_EQ(model.pieces[0].text, "<unk>");
  EXPECT_EQ(model.pieces[0].type, SentencePieceModel::PieceType::kUnknown);
  EXPECT_EQ(model.pieces[2].type, SentencePieceModel::PieceType::kControl);
  for (size_t i = 0; i < kPieces.size(); ++i) EXPECT_EQ(model.pieces[3 + i].text, kPieces[i]);
  EXPECT_EQ(model.pieces[3 + 5].type, SentencePieceModel::PieceType::kUserDefined);
  EXPECT_EQ(model.model_type, SentencePieceModel::ModelType::kUnigram);
  EXPECT_EQ(model.unk_id, 0);
  EXPECT_EQ(model.bos_id, 1);
  EXPECT_EQ(model.eos_id, 2);
  EXPECT_EQ(model.pad_id, -1);
  EXPECT_FALSE(model.remove_extra_whitespaces);
}

TEST(WordModel, EveryWordIsOneTokenAndComesBack) {
  const auto words = tokenizer();
  const auto ids = words->encode("red cube .", true);
  EXPECT_EQ(ids, (std::vector<TokenId>{1, 3, 4, 9}));
  EXPECT_EQ(words->decode(ids, true), "red cube .");
  const std::string lines = "red\n### red";
  EXPECT_EQ(pieces_of(*words, lines),
            (std::vector<std::string>{kPieces[0], "\n", "###", kPieces[0]}));
  EXPECT_EQ(words->decode(words->encode(lines, true), true), lines);
  EXPECT_EQ(words->encode("<image>", false).back(), 8);
}

TEST(WordModel, OtherWordsFallApartIntoCharacters) {
  const auto words = tokenizer();
  EXPECT_EQ(pieces_of(*words, "red rod"),
            (std::vector<std::string>{kPieces[0], "\xE2\x96\x81", "r", "o", "d"}));
  EXPECT_EQ(words->decode(words->encode("red rod Cub3?", true), true), "red rod Cub3?");
  // What is no character of ASCII is unknown.
  EXPECT_EQ(words->encode("red \xC3\xA9", false).back(), 0);
}

TEST(WordModel, APieceThatComesTwiceIsRefused) {
  for (const std::vector<std::string>& pieces :
       {std::vector<std::string>{"a", "b", "a"}, {"<s>"}, {"x", ""}})
    EXPECT_NE(message_of<UsageError>([&] { word_model(pieces); }).find("is empty or comes twice"),
              std::string::npos);
}

}  // namespace
}  // namespace isthmus::text
