// Protocol buffers as bytes: the few kinds of fields that are written here.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace isthmus {

// Appends fields to a message. Numbers are field numbers of the .proto file.
class WireMessage {
 public:
  WireMessage& integer(uint32_t field, int64_t value);  // int32, int64, enum
  WireMessage& fixed(uint32_t field, double value);
  WireMessage& fixed(uint32_t field, float value);
  WireMessage& bytes(uint32_t field, std::string_view value);  // string, bytes
  WireMessage& message(uint32_t field, const WireMessage& value) {
    return bytes(field, value.data_);
  }
  const std::string& data() const { return data_; }

 private:
  void varint(uint64_t value);

  std::string data_;
};

void append_little_endian(std::string& to, uint64_t value, int bytes);

}  // namespace isthmus
