#include "protocol/content.h"

#include <gtest/gtest.h>

#include "exchange_testing.h"

namespace isthmus::protocol {
namespace {

Part part_of(const std::string& text) {
  std::optional<Part> part;
  const JsonView json = parse_body(text);
  reading_a_request([&] { part = read_part(json, context().card); });
  return *part;
}

std::string wrong(const std::string& text, const serving::Card& card = context().card) {
  return message_of<UsageError>([&] {
    const JsonView json = parse_body(text);
    reading_a_request([&] { read_part(json, card); });
  });
}

TEST(Content, EverySpellingOfAMedium) {
  const std::vector<std::pair<std::string, std::string>> spellings{
      {R"({"type": "image_url", "image_url": {"url": "data:image/png;base64,QUJD"}})", "image"},
      {R"({"type": "input_image", "image_url": "data:image/png;base64,QUJD"})", "image"},
      {R"({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "QUJD"}})",
       "image"},
      {R"({"type": "input_audio", "input_audio": {"data": "QUJD", "format": "wav"}})", "audio"},
      {R"({"type": "audio_url", "audio_url": {"url": "data:audio/wav;base64,QUJD"}})", "audio"},
      {R"({"type": "video_url", "video_url": {"url": "data:video/mp4;base64,QUJD"}})", "video"},
      {R"({"type": "input_video", "video_url": "data:video/mp4;base64,QUJD"})", "video"},
      {R"({"type": "points", "data": "data:application/octet-stream;base64,QUJD"})", "points"},
      {R"({"type": "imu", "data": "QUJD"})", "imu"},
      {R"({"type": "fmri", "data": "QUJD"})", "fmri"},
  };
  for (const auto& [text, modality] : spellings) {
    const Part part = part_of(text);
    EXPECT_EQ(part.type, Part::Type::kMedia) << text;
    EXPECT_EQ(part.modality, modality) << text;
    EXPECT_EQ(part.data.size(), 3u) << text;
    EXPECT_TRUE(part.path.empty()) << text;
  }
}

TEST(Content, DetailsOfAMedium) {
  const Part depth = part_of(
      R"({"type": "depth", "data": "QUJD", "rgb": "data:image/png;base64,QUI=", "unit": "mm",
          "crop": [1, 2, 3, 4]})");
  EXPECT_EQ(depth.rgb_data.size(), 2u);
  EXPECT_EQ(depth.unit, "mm");
  EXPECT_EQ(depth.crop->width, 4);
  const Part video = part_of(R"({"type": "video", "data": "QUJD", "start": 1.5, "end": 3})");
  EXPECT_EQ(video.start, 1.5);
  EXPECT_EQ(video.end, 3);
}

TEST(Content, NothingIsFetched) {
  for (const char* address : {"http://a/b.png", "https://a/b.png", "file:///etc/passwd", "ftp://a"})
    EXPECT_EQ(
        wrong(std::string(R"({"type": "image_url", "image_url": {"url": ")") + address + "\"}}"),
        "request: image_url.url: this server fetches nothing; send the file itself, as "
        "\"data:TYPE;base64,…\" or base64");
}

TEST(Content, WhatIsWrongIsNamed) {
  EXPECT_EQ(wrong(R"({"type": "image_url", "image_url": {"url": "data:image/png,QUJD"}})"),
            "request: image_url.url: a data URI must be base64: \"data:TYPE;base64,…\"");
  EXPECT_EQ(wrong(R"({"type": "image", "data": "*"})"), "request: data: is not base64");
  EXPECT_EQ(wrong(R"({"type": "image", "data": ""})"), "request: data: holds no bytes");
  EXPECT_EQ(wrong(R"({"type": "image", "data": 5})"),
            "request: data: expected a string, found 5 (a number)");
  EXPECT_EQ(wrong(R"({"type": "depth", "data": "QUJD", "unit": "ft"})"),
            "request: unit: expected m or mm, found \"ft\"");
  EXPECT_EQ(wrong(R"({"text": "a"})"), "request: type: missing");
  serving::Card pictures = context().card;
  pictures.modalities = {"image"};
  EXPECT_EQ(wrong(R"({"type": "audio", "data": "QUJD"})", pictures),
            "request: type: onellm takes image and text, no audio");
}

}  // namespace
}  // namespace isthmus::protocol
