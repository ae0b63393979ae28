#include "server/media_caps.h"

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "error_message.h"
#include "isthmus/error.h"

namespace isthmus::server {
namespace {

Part part_of(const std::string& modality, const std::string& file) {
  Part part = Part::of_media(modality, {});
  std::ifstream stream(std::filesystem::path(ISTHMUS_SOURCE_DIR) / file, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(stream), {}};
  const auto* begin = reinterpret_cast<const std::byte*>(bytes.data());
  part.data.assign(begin, begin + bytes.size());
  EXPECT_FALSE(part.data.empty()) << file;
  return part;
}

std::string complaint(const std::vector<Part>& parts, const MediaCaps& caps) {
  return message_of<UsageError>([&] { check_media(std::span<const Part>(parts), caps); });
}

TEST(MediaCaps, OfPixels) {
  MediaCaps caps;
  const Part picture = part_of("image", "demo/pictures/table01.png");
  EXPECT_EQ(complaint({picture}, caps), "no error");
  caps.pixels = 100;
  EXPECT_NE(complaint({picture}, caps).find("pixels; 100 are allowed"), std::string::npos);
  Part depth = Part::of_media("depth", {});
  depth.rgb_data = picture.data;
  EXPECT_NE(complaint({depth}, caps).find("depth (medium 1 of the request): is "),
            std::string::npos);
}

TEST(MediaCaps, OfMedia) {
  MediaCaps caps;
  caps.media = 1;
  const Part picture = part_of("image", "demo/pictures/table01.png");
  EXPECT_EQ(complaint({picture, Part::of_text("a")}, caps), "no error");
  EXPECT_EQ(complaint({picture, picture}, caps), "more than 1 media in one request");
}

TEST(MediaCaps, OfSeconds) {
  const auto folder = std::filesystem::path(ISTHMUS_SOURCE_DIR) / "tests/media";
  std::string sound;
  for (const auto& entry : std::filesystem::directory_iterator(folder / "audio_data"))
    if (entry.path().extension() == ".wav")
      sound = "tests/media/audio_data/" + entry.path().filename().string();
  ASSERT_FALSE(sound.empty());
  MediaCaps caps;
  Part part = part_of("audio", sound);
  EXPECT_EQ(complaint({part}, caps), "no error");
  caps.seconds = 1e-4;
  EXPECT_NE(complaint({part}, caps).find("seconds; 0 are allowed"), std::string::npos);
  part.start = 0;
  part.end = 1e-5;
  EXPECT_EQ(complaint({part}, caps), "no error");
}

TEST(MediaCaps, WhatCannotBeReadIsForOthersToSay) {
  Part sound = Part::of_media("audio", {});
  sound.data = {std::byte{1}, std::byte{2}};
  EXPECT_EQ(complaint({sound}, {}), "no error");
}

}  // namespace
}  // namespace isthmus::server
