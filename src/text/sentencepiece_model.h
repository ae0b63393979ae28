// tokenizer.model: the SentencePiece model file.           Kudo & Richardson 2018;
// sentencepiece_model.proto
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace isthmus::text {

// The fields of ModelProto that decide ids. Parsed by hand: a protobuf library is not worth its
// weight here.
struct SentencePieceModel {
  enum class PieceType {
    kNormal = 1,
    kUnknown = 2,
    kControl = 3,
    kUserDefined = 4,
    kUnused = 5,
    kByte = 6
  };
  enum class ModelType { kUnigram = 1, kBpe = 2 };
  struct Piece {
    std::string text;
    float score = 0;
    PieceType type = PieceType::kNormal;
  };

  std::vector<Piece> pieces;
  ModelType model_type = ModelType::kUnigram;
  bool byte_fallback = false;
  int32_t unk_id = 0, bos_id = 1, eos_id = 2, pad_id = -1;  // -1: the model has none
  std::string unk_surface = " \xE2\x81\x87 ";               // what an unknown piece decodes to
  std::string normalizer_name;
  bool add_dummy_prefix = true;
  bool remove_extra_whitespaces = true;
  bool escape_whitespaces = true;

  // ModelError for a broken file, UnsupportedError for a normaliser with a character map (nmt_nfkc,
  // …), for model types word and char, and for whitespace as a suffix.
  static SentencePieceModel load(const std::filesystem::path& file);
  static SentencePieceModel parse(std::string_view bytes, const std::string& file);

  // "<0x41>" -> 0x41; -1 when `piece` is not spelt like a byte piece.
  static int byte_of(std::string_view piece);
  // Whether a user-defined piece is spelt like markup: <...> or [...]. User text must not become
  // one.
  static bool is_markup(const Piece& piece);
};

}  // namespace isthmus::text
