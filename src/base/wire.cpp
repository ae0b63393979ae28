#include "base/wire.h"

#include <bit>

namespace isthmus {
namespace {

// The low three bits of a tag.
enum WireType : uint32_t { kVarint = 0, kFixed64 = 1, kLengthDelimited = 2, kFixed32 = 5 };

uint64_t tag(uint32_t field, WireType type) { return uint64_t{field} << 3 | type; }

}  // namespace

void append_little_endian(std::string& to, uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) to += static_cast<char>(value >> (8 * i) & 0xFF);
}

void WireMessage::varint(uint64_t value) {
  for (; value >= 0x80; value >>= 7) data_ += static_cast<char>((value & 0x7F) | 0x80);
  data_ += static_cast<char>(value);
}

WireMessage& WireMessage::integer(uint32_t field, int64_t value) {
  varint(tag(field, kVarint));
  varint(static_cast<uint64_t>(value));  // a negative number takes ten bytes
  return *this;
}

WireMessage& WireMessage::fixed(uint32_t field, double value) {
  varint(tag(field, kFixed64));
  append_little_endian(data_, std::bit_cast<uint64_t>(value), 8);
  return *this;
}

WireMessage& WireMessage::fixed(uint32_t field, float value) {
  varint(tag(field, kFixed32));
  append_little_endian(data_, std::bit_cast<uint32_t>(value), 4);
  return *this;
}

WireMessage& WireMessage::bytes(uint32_t field, std::string_view value) {
  varint(tag(field, kLengthDelimited));
  varint(value.size());
  data_ += value;
  return *this;
}

}  // namespace isthmus
