#include "text/sentencepiece_model.h"

#include <array>
#include <bit>
#include <cmath>
#include <unordered_set>

#include <fmt/format.h>

#include "base/mapped_file.h"
#include "isthmus/error.h"
#include "text/utf8.h"

namespace isthmus::text {

namespace {

// One message of the protobuf wire format: next() steps through its fields; lengths are checked
// against the message that holds them.
class WireReader {
 public:
  WireReader(std::string_view bytes, const std::string& file, std::string_view message)
      : bytes_(bytes), file_(file), message_(message) {}

  bool next() {
    if (position_ == bytes_.size()) return false;
    const uint64_t tag = varint();
    field_ = tag >> 3;
    const auto wire_type = static_cast<int>(tag & 7);
    if (field_ == 0 || field_ > 0x1FFFFFFF) fail(fmt::format("field number {}", field_));
    is_number_ = is_bytes_ = is_float_ = false;
    switch (wire_type) {
      case 0:
        number_ = varint();
        is_number_ = true;
        break;
      case 1: take(8); break;
      case 2:
        payload_ = take(varint());
        is_bytes_ = true;
        break;
      case 5: {
        uint32_t bits = 0;
        const std::string_view raw = take(4);
        for (int i = 3; i >= 0; --i)
          bits = (bits << 8) | static_cast<unsigned char>(raw[static_cast<size_t>(i)]);
        real_ = std::bit_cast<float>(bits);
        is_float_ = true;
        break;
      }
      default: fail(fmt::format("wire type {} of field {}", wire_type, field_));
    }
    return true;
  }

  uint64_t field() const { return field_; }
  std::string_view bytes() const {
    if (!is_bytes_) fail(fmt::format("field {} has the wrong type, expected bytes", field_));
    return payload_;
  }
  int32_t integer() const {
    if (!is_number_) fail(fmt::format("field {} has the wrong type, expected an integer", field_));
    const auto value = static_cast<int64_t>(number_);
    if (value < INT32_MIN || value > INT32_MAX) fail(fmt::format("field {} is {}", field_, value));
    return static_cast<int32_t>(value);
  }
  bool boolean() const { return integer() != 0; }
  float real() const {
    if (!is_float_) fail(fmt::format("field {} has the wrong type, expected a float", field_));
    if (!std::isfinite(real_)) fail(fmt::format("field {} is not a finite number", field_));
    return real_;
  }
  [[noreturn]] void fail(const std::string& what) const {
    throw ModelError(fmt::format("{}: not a SentencePiece model: {} near byte {}: {}", file_,
                                 message_, position_, what));
  }

 private:
  uint64_t varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (position_ == bytes_.size()) fail("ends in the middle of a number");
      const auto byte = static_cast<unsigned char>(bytes_[position_++]);
      value |= uint64_t{byte & 0x7Fu} << shift;
      if (byte < 0x80) return value;
    }
    fail("a number is longer than 64 bits");
  }

  std::string_view take(uint64_t length) {
    if (length > bytes_.size() - position_)
      fail(fmt::format("field {} needs {} bytes, {} are left", field_, length,
                       bytes_.size() - position_));
    const std::string_view taken = bytes_.substr(position_, static_cast<size_t>(length));
    position_ += static_cast<size_t>(length);
    return taken;
  }

  std::string_view bytes_;
  const std::string& file_;
  std::string_view message_;
  size_t position_ = 0;
  uint64_t field_ = 0, number_ = 0;
  std::string_view payload_;
  float real_ = 0;
  bool is_number_ = false, is_bytes_ = false, is_float_ = false;
};

SentencePieceModel::Piece parse_piece(std::string_view bytes, const std::string& file) {
  SentencePieceModel::Piece piece;
  WireReader reader(bytes, file, "a piece");
  while (reader.next()) {
    switch (reader.field()) {
      case 1: piece.text = reader.bytes(); break;
      case 2: piece.score = reader.real(); break;
      case 3: {
        const int32_t type = reader.integer();
        if (type < 1 || type > 6) reader.fail(fmt::format("piece type {}", type));
        piece.type = static_cast<SentencePieceModel::PieceType>(type);
        break;
      }
      default: break;
    }
  }
  if (piece.text.empty()) reader.fail("a piece without text");
  if (!is_valid_utf8(piece.text)) reader.fail("a piece that is not UTF-8");
  return piece;
}

void parse_trainer_spec(std::string_view bytes, const std::string& file,
                        SentencePieceModel& model) {
  WireReader reader(bytes, file, "trainer_spec");
  while (reader.next()) {
    switch (reader.field()) {
      case 3: {
        const int32_t type = reader.integer();
        if (type == 3 || type == 4)
          throw UnsupportedError(
              fmt::format("{}: trainer_spec.model_type is {}; bpe and unigram are supported", file,
                          type == 3 ? "word" : "char"));
        if (type < 1 || type > 4) reader.fail(fmt::format("model_type {}", type));
        model.model_type = static_cast<SentencePieceModel::ModelType>(type);
        break;
      }
      case 24:
        if (reader.boolean())
          throw UnsupportedError(
              fmt::format("{}: trainer_spec.treat_whitespace_as_suffix is not supported", file));
        break;
      case 35: model.byte_fallback = reader.boolean(); break;
      case 40: model.unk_id = reader.integer(); break;
      case 41: model.bos_id = reader.integer(); break;
      case 42: model.eos_id = reader.integer(); break;
      case 43: model.pad_id = reader.integer(); break;
      case 44: model.unk_surface = replace_invalid_utf8(reader.bytes()); break;
      default: break;
    }
  }
}

void parse_normalizer_spec(std::string_view bytes, const std::string& file,
                           SentencePieceModel& model) {
  WireReader reader(bytes, file, "normalizer_spec");
  bool has_character_map = false;
  while (reader.next()) {
    switch (reader.field()) {
      case 1: model.normalizer_name = replace_invalid_utf8(reader.bytes()); break;
      case 2: has_character_map = !reader.bytes().empty(); break;
      case 3: model.add_dummy_prefix = reader.boolean(); break;
      case 4: model.remove_extra_whitespaces = reader.boolean(); break;
      case 5: model.escape_whitespaces = reader.boolean(); break;
      default: break;
    }
  }
  if (has_character_map && model.normalizer_name != "identity")
    throw UnsupportedError(
        fmt::format("{}: normalizer_spec is \"{}\" with a compiled character map; only identity "
                    "normalisation is supported. A tokenizer.json beside it may work.",
                    file, model.normalizer_name));
}

void check(const SentencePieceModel& model, const std::string& file) {
  using PieceType = SentencePieceModel::PieceType;
  const auto fail = [&](const std::string& what) {
    throw ModelError(fmt::format("{}: {}", file, what));
  };
  if (model.pieces.empty()) fail("not a SentencePiece model: it has no pieces");
  std::unordered_set<std::string_view> seen;
  std::array<bool, 256> has_byte{};
  int unknowns = 0;
  for (size_t i = 0; i < model.pieces.size(); ++i) {
    const auto& piece = model.pieces[i];
    if (!seen.insert(piece.text).second)
      fail(fmt::format("piece {} repeats \"{}\"", i, piece.text));
    if (piece.type == PieceType::kUnknown) ++unknowns;
    if (piece.type == PieceType::kByte) {
      const int byte = SentencePieceModel::byte_of(piece.text);
      if (byte < 0)
        fail(fmt::format("piece {}: expected a byte such as <0x41>, found \"{}\"", i, piece.text));
      has_byte[static_cast<size_t>(byte)] = true;
    }
  }
  if (unknowns != 1) fail(fmt::format("expected one piece of type unknown, found {}", unknowns));
  if (model.byte_fallback)
    for (size_t byte = 0; byte < 256; ++byte)
      if (!has_byte[byte])
        fail(fmt::format("byte_fallback is set, but piece <0x{:02X}> is missing", byte));
  const auto count = static_cast<int64_t>(model.pieces.size());
  for (const int32_t id : {model.unk_id, model.bos_id, model.eos_id, model.pad_id})
    if (id >= count || id < -1)
      fail(fmt::format("a special id is {}, the model has {} pieces", id, count));
  if (model.unk_id < 0 ||
      model.pieces[static_cast<size_t>(model.unk_id)].type != PieceType::kUnknown)
    fail(fmt::format("unk_id is {}, which is not the piece of type unknown", model.unk_id));
}

}  // namespace

SentencePieceModel SentencePieceModel::load(const std::filesystem::path& file) {
  const auto mapped = MappedFile::open(file);
  return parse({reinterpret_cast<const char*>(mapped->bytes().data()), mapped->bytes().size()},
               file.string());
}

SentencePieceModel SentencePieceModel::parse(std::string_view bytes, const std::string& file) {
  SentencePieceModel model;
  WireReader reader(bytes, file, "the model");
  while (reader.next()) {
    switch (reader.field()) {
      case 1: model.pieces.push_back(parse_piece(reader.bytes(), file)); break;
      case 2: parse_trainer_spec(reader.bytes(), file, model); break;
      case 3: parse_normalizer_spec(reader.bytes(), file, model); break;
      default: break;
    }
  }
  check(model, file);
  return model;
}

int SentencePieceModel::byte_of(std::string_view piece) {
  if (piece.size() != 6 || !piece.starts_with("<0x") || piece[5] != '>') return -1;
  int value = 0;
  for (const char c : piece.substr(3, 2)) {
    const int digit = c >= '0' && c <= '9'   ? c - '0'
                      : c >= 'A' && c <= 'F' ? c - 'A' + 10
                      : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                             : -1;
    if (digit < 0) return -1;
    value = value * 16 + digit;
  }
  return value;
}

bool SentencePieceModel::is_markup(const Piece& piece) {
  const std::string_view text = piece.text;
  return piece.type == PieceType::kUserDefined && text.size() > 2 &&
         ((text.front() == '<' && text.back() == '>') ||
          (text.front() == '[' && text.back() == ']'));
}

}  // namespace isthmus::text
