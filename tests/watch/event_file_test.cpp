#include "watch/event_file.h"

#include <bit>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <map>
#include <numeric>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/atomic_file.h"
#include "base/wire.h"
#include "error_message.h"
#include "media/encode_png.h"
#include "watch/crc32c.h"

namespace isthmus::watch {
namespace {

uint64_t little_endian(std::string_view bytes) {
  uint64_t number = 0;
  for (size_t i = bytes.size(); i-- > 0;) number = number << 8 | static_cast<uint8_t>(bytes[i]);
  return number;
}

// A message taken apart without its definition: numbers as they are, the rest as bytes.
struct Field {
  uint64_t number = 0;
  std::string bytes;
};
using Message = std::multimap<uint32_t, Field>;

uint64_t take_varint(std::string_view& data) {
  uint64_t value = 0;
  for (int shift = 0;; shift += 7) {
    const auto byte = static_cast<uint8_t>(data.at(0));
    data.remove_prefix(1);
    value |= uint64_t{byte & 0x7Fu} << shift;
    if (byte < 0x80) return value;
  }
}

Message parse(std::string_view data) {
  Message message;
  while (!data.empty()) {
    const uint64_t tag = take_varint(data);
    Field field;
    const auto take = [&](size_t count) {
      const std::string_view bytes = data.substr(0, count);
      EXPECT_EQ(bytes.size(), count);
      data.remove_prefix(bytes.size());
      return bytes;
    };
    switch (tag & 7) {
      case 0: field.number = take_varint(data); break;
      case 1: field.number = little_endian(take(8)); break;
      case 2: field.bytes = take(take_varint(data)); break;
      case 5: field.number = little_endian(take(4)); break;
      default: ADD_FAILURE() << "wire type " << (tag & 7); return message;
    }
    message.emplace(static_cast<uint32_t>(tag >> 3), field);
  }
  return message;
}

const Field& one(const Message& message, uint32_t number) {
  EXPECT_EQ(message.count(number), 1u) << "field " << number;
  return message.find(number)->second;
}

// Checks every frame's lengths and checksums.
std::vector<Message> events_of(const std::filesystem::path& file) {
  const std::string content = read_file(file);
  std::vector<Message> events;
  for (std::string_view left = content; !left.empty();) {
    const uint64_t size = little_endian(left.substr(0, 8));
    EXPECT_EQ(little_endian(left.substr(8, 4)), masked_crc32c(left.substr(0, 8)));
    const std::string_view payload = left.substr(12, size);
    EXPECT_EQ(little_endian(left.substr(12 + size, 4)), masked_crc32c(payload));
    events.push_back(parse(payload));
    left.remove_prefix(16 + size);
  }
  return events;
}

std::filesystem::path fresh_folder(const std::string& name) {
  const auto folder = std::filesystem::path(testing::TempDir()) / ("watch_" + name);
  std::filesystem::remove_all(folder);
  return folder;
}

TEST(Crc32c, EqualsTheVectorsOfRfc3720) {
  EXPECT_EQ(crc32c(""), 0u);
  EXPECT_EQ(crc32c("123456789"), 0xE3069283u);
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8A9136AAu);
  EXPECT_EQ(crc32c(std::string(32, '\xFF')), 0x62A8AB43u);
  std::string rising(32, '\0');
  std::iota(rising.begin(), rising.end(), '\0');
  EXPECT_EQ(crc32c(rising), 0x46DD794Eu);
  EXPECT_EQ(crc32c(std::string(rising.rbegin(), rising.rend())), 0x113FDB5Cu);
}

TEST(Crc32c, TheFrameOfTheFirstEventIsThatOfTensorFlow) {
  // Eight bytes of length 24 and their checksum begin every event file that TensorFlow writes.
  const std::string frame = tfrecord_frame(std::string(24, 'x'));
  EXPECT_EQ(frame.substr(0, 12), std::string("\x18\0\0\0\0\0\0\0\xa3\x7f\x4b\x22", 12));
}

TEST(Wire, NumbersAreWrittenAsTheEncodingGuideShows) {
  EXPECT_EQ(WireMessage().integer(1, 150).data(), "\x08\x96\x01");
  EXPECT_EQ(WireMessage().bytes(2, "testing").data(), "\x12\x07testing");
  EXPECT_EQ(WireMessage().integer(1, -2).data(), "\x08\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01");
}

TEST(EventFile, ItsFirstEventIsTheVersion) {
  const auto folder = fresh_folder("version");
  const EventFile file(folder / "run");
  EXPECT_TRUE(file.path().filename().string().starts_with("events.out.tfevents."));
  const auto events = events_of(file.path());
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(one(events[0], 3).bytes, "brain.Event:2");
  const double now =
      std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  EXPECT_NEAR(std::bit_cast<double>(one(events[0], 1).number), now, 60);
}

TEST(EventFile, HoldsScalarsByTagAndStep) {
  EventFile file(fresh_folder("scalars"));
  file.add_scalar("loss/train", 300, 0.125);
  const auto events = events_of(file.path());
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(one(events[1], 2).number, 300u);
  const Message value = parse(one(parse(one(events[1], 5).bytes), 1).bytes);
  EXPECT_EQ(one(value, 1).bytes, "loss/train");
  EXPECT_EQ(std::bit_cast<float>(static_cast<uint32_t>(one(value, 2).number)), 0.125f);
}

TEST(EventFile, HoldsPicturesAndTexts) {
  EventFile file(fresh_folder("pictures"));
  const auto bytes = media::encode_png(media::filled_image(3, 2, {200, 200, 200}));
  const std::string png(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  file.add_image("samples/0", 7, png);
  file.add_text("answers/0", 7, "A *blue* cone.");
  const auto events = events_of(file.path());
  ASSERT_EQ(events.size(), 3u);
  const Message picture = parse(one(parse(one(events[1], 5).bytes), 1).bytes);
  const Message image = parse(one(picture, 4).bytes);
  EXPECT_EQ(one(image, 1).number, 2u);
  EXPECT_EQ(one(image, 2).number, 3u);
  EXPECT_EQ(one(image, 3).number, 3u);
  EXPECT_EQ(one(image, 4).bytes, png);
  const Message text = parse(one(parse(one(events[2], 5).bytes), 1).bytes);
  const Message tensor = parse(one(text, 8).bytes);
  EXPECT_EQ(one(tensor, 1).number, 7u);
  EXPECT_EQ(one(tensor, 8).bytes, "A *blue* cone.");
  EXPECT_EQ(one(parse(one(parse(one(text, 9).bytes), 1).bytes), 1).bytes, "text");
}

TEST(EventFile, ARunThatGoesOnOpensAnotherFileAndSaysSo) {
  const auto folder = fresh_folder("resumed");
  const EventFile first(folder);
  EventFile second(folder);
  EXPECT_NE(first.path(), second.path());
  second.resumed_after(40);
  const auto events = events_of(second.path());
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(one(events[1], 2).number, 41u);
  EXPECT_EQ(one(parse(one(events[1], 7).bytes), 1).number, 1u);  // START
}

TEST(EventFile, AFolderThatCannotBeMadeIsNamed) {
  const auto folder = fresh_folder("blocked");
  write_file(folder, "a file");
  EXPECT_TRUE(message_of<ResourceError>([&] {
                EventFile file(folder / "run");
              }).starts_with((folder / "run").string() + ": cannot be made"));
}

}  // namespace
}  // namespace isthmus::watch
