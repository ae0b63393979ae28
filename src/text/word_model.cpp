#include "text/word_model.h"

#include <cstdint>
#include <set>
#include <string_view>

#include <fmt/format.h>

#include "base/wire.h"
#include "isthmus/error.h"
#include "text/sentencepiece_model.h"

namespace isthmus::text {
namespace {

using Type = SentencePieceModel::PieceType;

constexpr float kPieceScore = -1, kCharacterScore = -20;

// Field numbers of sentencepiece_model.proto.
namespace model {
constexpr uint32_t kPieces = 1, kTrainerSpec = 2, kNormalizerSpec = 3;
}
namespace pieces {
constexpr uint32_t kPiece = 1, kScore = 2, kType = 3;
}
namespace trainer_spec {
constexpr uint32_t kModelType = 3, kVocabSize = 4, kUnkId = 40, kBosId = 41, kEosId = 42, kPadId = 43;
}
namespace normalizer_spec {
constexpr uint32_t kName = 1, kAddDummyPrefix = 3, kRemoveExtraWhitespaces = 4,
                   kEscapeWhitespaces = 5;
}

WireMessage piece(std::string_view text, float score, Type type) {
  WireMessage message;
  message.bytes(pieces::kPiece, text).fixed(pieces::kScore, score);
  if (type != Type::kNormal) message.integer(pieces::kType, static_cast<int64_t>(type));
  return message;
}

}  // namespace

std::string word_model(std::span<const std::string> words) {
  WireMessage file;
  std::set<std::string, std::less<>> known;
  const auto add = [&](const std::string& text, float score, Type type) {
    if (text.empty() || !known.insert(text).second)
      throw UsageError(fmt::format("the piece \"{}\" is empty or comes twice", text));
    file.message(model::kPieces, piece(text, score, type));
  };
  add("<unk>", 0, Type::kUnknown);
  for (const char* const mark : {"<s>", "</s>"}) add(mark, 0, Type::kControl);
  for (const std::string& text : words)
    add(text, kPieceScore,
        text.size() > 2 && text.front() == '<' && text.back() == '>' ? Type::kUserDefined
                                                                      : Type::kNormal);
  const std::string blank = "\xE2\x96\x81";
  if (!known.contains(blank)) add(blank, kCharacterScore, Type::kNormal);
  for (char c = '!'; c <= '~'; ++c)
    if (!known.contains(std::string(1, c)))
      add(std::string(1, c), kCharacterScore, Type::kNormal);

  WireMessage trainer;
  trainer
      .integer(trainer_spec::kModelType, static_cast<int64_t>(SentencePieceModel::ModelType::kUnigram))
      .integer(trainer_spec::kVocabSize, static_cast<int64_t>(known.size()))
      .integer(trainer_spec::kUnkId, 0)
      .integer(trainer_spec::kBosId, 1)
      .integer(trainer_spec::kEosId, 2)
      .integer(trainer_spec::kPadId, -1);
  // A blank in front of the text, and every blank kept, as ▁.
  WireMessage normalizer;
  normalizer.bytes(normalizer_spec::kName, "identity")
      .integer(normalizer_spec::kAddDummyPrefix, 1)
      .integer(normalizer_spec::kRemoveExtraWhitespaces, 0)
      .integer(normalizer_spec::kEscapeWhitespaces, 1);
  file.message(model::kTrainerSpec, trainer).message(model::kNormalizerSpec, normalizer);
  return file.data();
}

}  // namespace isthmus::text
