#include "protocol/content.h"

#include <gtest/gtest.h>

#include "exchange_testing.h"

namespace isthmus::protocol {
namespace {

Part part_of(const std::string& text) {
  std::optional<Part> part;
  const JsonView json = parse_body(text);
  reading_a_request([&] { part = read_part(json, context()); });
  return *part;
}

std::string wrong_part(const std::string& text, const Context& with = context()) {
  return message_of<UsageError>([&] {
    const JsonView json = parse_body(text);
    reading_a_request([&] { read_part(json, with); });
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
  const Part brain = part_of(R"({"type": "fmri", "data": "QUJD", "mask": "QUI="})");
  EXPECT_EQ(brain.mask_data.size(), 2u);
  const Part video = part_of(R"({"type": "video", "data": "QUJD", "start": 1.5, "end": 3})");
  EXPECT_EQ(video.start, 1.5);
  EXPECT_EQ(video.end, 3);
}

TEST(Content, NothingIsFetched) {
  for (const char* address : {"http://a/b.png", "https://a/b.png", "file:///etc/passwd", "ftp://a"})
    EXPECT_EQ(wrong_part(std::string(R"({"type": "image_url", "image_url": {"url": ")") + address +
                         "\"}}"),
              "request: image_url.url: this server fetches nothing; send the file itself, as "
              "\"data:TYPE;base64,…\" or base64");
}

TEST(Content, WhatIsFetchedStandsWhereTheFileWould) {
  Context fetching = context();
  std::vector<std::string> asked;
  fetching.fetch = [&](const std::string& address) -> std::vector<std::byte> {
    asked.push_back(address);
    if (address.ends_with("wrong")) throw UsageError("did not come in the time that is allowed");
    return std::vector<std::byte>(address.ends_with("empty") ? 0 : 7);
  };
  const auto read = [&](const std::string& text) {
    std::optional<Part> part;
    const JsonView json = parse_body(text);
    reading_a_request([&] { part = read_part(json, fetching); });
    return *part;
  };
  EXPECT_EQ(read(R"({"type": "image_url", "image_url": {"url": "https://a/b.png"}})").data.size(),
            7u);
  EXPECT_EQ(
      read(R"({"type": "image", "source": {"type": "url", "url": "http://a/c"}})").data.size(), 7u);
  EXPECT_EQ(read(R"({"type": "points", "data": "QUJD"})").data.size(), 3u);
  EXPECT_EQ(asked, (std::vector<std::string>{"https://a/b.png", "http://a/c"}));
  EXPECT_EQ(wrong_part(R"({"type": "image", "data": "https://a/wrong"})", fetching),
            "request: data: did not come in the time that is allowed");
  EXPECT_EQ(wrong_part(R"({"type": "image", "data": "https://a/empty"})", fetching),
            "request: data: there is nothing at that address");
  EXPECT_TRUE(wrong_part(R"({"type": "image", "data": "file:///etc/passwd"})", fetching)
                  .starts_with("request: data: this server fetches nothing; "));
}

TEST(Content, WhatIsWrongIsNamed) {
  EXPECT_EQ(wrong_part(R"({"type": "image_url", "image_url": {"url": "data:image/png,QUJD"}})"),
            "request: image_url.url: a data URI must be base64: \"data:TYPE;base64,…\"");
  EXPECT_EQ(wrong_part(R"({"type": "image", "data": "*"})"), "request: data: is not base64");
  EXPECT_EQ(wrong_part(R"({"type": "image", "data": ""})"), "request: data: holds no bytes");
  EXPECT_EQ(wrong_part(R"({"type": "image", "data": 5})"),
            "request: data: expected a string, found 5 (a number)");
  EXPECT_EQ(wrong_part(R"({"type": "depth", "data": "QUJD", "unit": "ft"})"),
            "request: unit: expected m or mm, found \"ft\"");
  EXPECT_EQ(wrong_part(R"({"text": "a"})"), "request: type: missing");
  Context pictures = context();
  pictures.card.modalities = {"image"};
  EXPECT_EQ(wrong_part(R"({"type": "audio", "data": "QUJD"})", pictures),
            "request: type: onellm takes image and text, no audio");
}

}  // namespace
}  // namespace isthmus::protocol
