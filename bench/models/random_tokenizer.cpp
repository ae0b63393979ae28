#include "random_tokenizer.h"

#include <cstring>

#include <fmt/format.h>

namespace isthmus::bench {

// Written field by field (sentencepiece_model.proto: pieces = 1 {piece = 1,
// score = 2, type = 3}, trainer_spec = 2 {model_type = 3: 2 is BPE, byte_fallback = 35},
// normalizer_spec = 3 {name = 1}).
std::string tokenizer_model(int64_t vocab) {
  const auto varint = [](uint64_t value) {
    std::string bytes;
    for (; value >= 0x80; value >>= 7) bytes += static_cast<char>(value | 0x80);
    return bytes + static_cast<char>(value);
  };
  const auto field = [&](int number, const std::string& payload) {
    return varint(static_cast<uint64_t>(number) << 3 | 2) + varint(payload.size()) + payload;
  };
  const auto number = [&](int at, uint64_t value) {
    return varint(static_cast<uint64_t>(at) << 3) + varint(value);
  };
  std::string model;
  const auto piece = [&](const std::string& text, float score, uint64_t type) {
    std::string bits(4, '\0');
    std::memcpy(bits.data(), &score, 4);
    model += field(1, field(1, text) + varint(2 << 3 | 5) + bits + number(3, type));
  };
  piece("<unk>", 0, 2);
  piece("<s>", 0, 3);
  piece("</s>", 0, 3);
  for (int byte = 0; byte < 256; ++byte) piece(fmt::format("<0x{:02X}>", byte), 0, 6);
  piece("\u2581", -1, 1);
  for (char letter = 'a'; letter <= 'z'; ++letter) piece(std::string(1, letter), -2, 1);
  for (char letter = 'a'; letter <= 'z'; ++letter) piece(fmt::format("\u2581{}", letter), -3, 1);
  for (int64_t i = 259 + 1 + 52; i < vocab; ++i)
    piece(fmt::format("\u2581q{}", i), static_cast<float>(-i), 1);
  return model + field(2, number(3, 2) + number(35, 1)) + field(3, field(1, "identity"));
}

}  // namespace isthmus::bench
