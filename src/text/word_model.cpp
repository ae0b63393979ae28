#include "text/word_model.h"

#include <bit>
#include <cstdint>
#include <set>
#include <string_view>

#include <fmt/format.h>

#include "isthmus/error.h"
#include "text/sentencepiece_model.h"

namespace isthmus::text {
namespace {

using Type = SentencePieceModel::PieceType;

constexpr float kPieceScore = -1, kCharacterScore = -20;

// One message of the protobuf wire format.
class WireWriter {
 public:
  void number(uint32_t field, uint64_t value) {
    tag(field, 0);
    varint(value);
  }
  void real(uint32_t field, float value) {
    tag(field, 5);
    const auto bits = std::bit_cast<uint32_t>(value);
    for (int i = 0; i < 4; ++i) bytes_ += static_cast<char>(bits >> (8 * i) & 0xFF);
  }
  void text(uint32_t field, std::string_view value) {
    tag(field, 2);
    varint(value.size());
    bytes_ += value;
  }
  const std::string& bytes() const { return bytes_; }

 private:
  void tag(uint32_t field, uint32_t wire_type) { varint(field << 3 | wire_type); }
  void varint(uint64_t value) {
    for (; value >= 0x80; value >>= 7) bytes_ += static_cast<char>(value | 0x80);
    bytes_ += static_cast<char>(value);
  }
  std::string bytes_;
};

std::string piece(std::string_view text, float score, Type type) {
  WireWriter writer;
  writer.text(1, text);
  writer.real(2, score);
  if (type != Type::kNormal) writer.number(3, static_cast<uint64_t>(type));
  return writer.bytes();
}

}  // namespace

std::string word_model(std::span<const std::string> pieces) {
  WireWriter model;
  std::set<std::string, std::less<>> known;
  const auto add = [&](const std::string& text, float score, Type type) {
    if (text.empty() || !known.insert(text).second)
      throw UsageError(fmt::format("the piece \"{}\" is empty or comes twice", text));
    model.text(1, piece(text, score, type));
  };
  add("<unk>", 0, Type::kUnknown);
  for (const char* const mark : {"<s>", "</s>"}) add(mark, 0, Type::kControl);
  for (const std::string& text : pieces)
    add(text, kPieceScore,
        text.size() > 2 && text.front() == '<' && text.back() == '>' ? Type::kUserDefined
                                                                      : Type::kNormal);
  const std::string blank = "\xE2\x96\x81";
  if (!known.contains(blank)) add(blank, kCharacterScore, Type::kNormal);
  for (char c = '!'; c <= '~'; ++c)
    if (!known.contains(std::string(1, c)))
      add(std::string(1, c), kCharacterScore, Type::kNormal);

  WireWriter trainer;  // trainer_spec
  trainer.number(3, 1);  // unigram
  trainer.number(4, known.size());
  for (const auto& [field, id] : {std::pair{40u, uint64_t{0}}, {41u, uint64_t{1}}, {42u, uint64_t{2}}})
    trainer.number(field, id);
  trainer.number(43, ~uint64_t{0});  // no padding
  WireWriter normalizer;             // normalizer_spec
  normalizer.text(1, "identity");
  normalizer.number(3, 1);  // a blank in front
  normalizer.number(4, 0);  // blanks are kept
  normalizer.number(5, 1);  // and spelled ▁
  model.text(2, trainer.bytes());
  model.text(3, normalizer.bytes());
  return model.bytes();
}

}  // namespace isthmus::text
