// Tar shards and lists of captions, as OpenFlamingo and OneLLM have their data.
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "error_message.h"
#include "formats/tar_index.h"
#include "isthmus/error.h"
#include "samples/modality_captions.h"
#include "samples/shards.h"

namespace isthmus::samples {
namespace {

namespace fs = std::filesystem;

fs::path folder() {
  const fs::path path = fs::path(testing::TempDir()) / "isthmus_shards";
  fs::remove_all(path);
  fs::create_directories(path);
  return path;
}

fs::path put(const fs::path& file, const std::string& text) {
  fs::create_directories(file.parent_path());
  std::ofstream(file, std::ios::binary) << text;
  return file;
}

// Members in the order given, by the system's own tar.
fs::path packed(const fs::path& root, const std::string& name, const std::string& members,
                const std::string& format = "ustar") {
  const std::string command = fmt::format("tar --format={} -C '{}' -cf '{}' {}", format,
                                          root.string(), (root / name).string(), members);
  EXPECT_EQ(std::system(command.c_str()), 0) << command;
  return root / name;
}

TEST(Shards, PairsAreConsecutiveMembersOfOneKey) {
  const fs::path root = folder();
  put(root / "a.jpg", "AAA"), put(root / "a.txt", " a cat "), put(root / "sub/b.v2.PNG", "BB");
  put(root / "sub/b.txt", "a dog"), put(root / "c.txt", "no picture");
  packed(root, "s-000.tar", "a.jpg a.txt sub/b.v2.PNG sub/b.txt");
  packed(root, "s-001.tar", "c.txt");
  const auto data = open_shards(root / "s-{000..001}.tar", ShardKind::kPairs);
  ASSERT_EQ(data->size(), 3u);
  const Sample first = data->at(0);
  EXPECT_EQ(first.name, "s-000.tar/a");
  ASSERT_EQ(first.document.size(), 2u);
  EXPECT_EQ(first.document[0].data.size(), 3u);
  EXPECT_EQ(first.document[1].text, " a cat ");
  // "v2.png" is no extension of a picture.
  EXPECT_NE(message_of<BadSample>([&] { data->at(1); }).find("has no picture"), std::string::npos);
  EXPECT_NE(message_of<BadSample>([&] { data->at(2); }).find("s-001.tar/c"), std::string::npos);
  EXPECT_EQ(open_shards(root, ShardKind::kPairs)->size(), 3u);
  EXPECT_EQ(data->fingerprint(), open_shards(root, ShardKind::kPairs)->fingerprint());
}

TEST(Shards, LongNamesOfBothKindsOfTarAreRead) {
  const fs::path root = folder();
  const std::string deep = std::string(120, 'd') + "/" + std::string(130, 'k');
  put(root / (deep + ".txt"), "text"), put(root / (deep + ".jpg"), "J");
  for (const char* format : {"pax", "gnu"}) {
    packed(root, "long.tar", deep + ".jpg " + deep + ".txt", format);
    const auto data = open_shards(root / "long.tar", ShardKind::kPairs);
    ASSERT_EQ(data->size(), 1u) << format;
    EXPECT_EQ(data->at(0).document[1].text, "text");
  }
}

TEST(Shards, WhatIsBrokenIsNamed) {
  const fs::path root = folder();
  put(root / "a.jpg", std::string(2000, 'x')), put(root / "a.txt", "t");
  const fs::path tar = packed(root, "cut.tar", "a.jpg a.txt");
  fs::resize_file(tar, 1500);
  const auto error = [&](const fs::path& place) {
    return message_of<InputError>([&] { open_shards(place, ShardKind::kPairs); });
  };
  EXPECT_NE(error(tar).find("cut.tar: at byte 0: a member of 2000 bytes"), std::string::npos)
      << error(tar);
  EXPECT_NE(error(put(root / "no.tar", std::string(1024, 'q'))).find("no tar file"),
            std::string::npos);
  EXPECT_NE(error(root / "s-{00..02}.tar").find("s-01.tar"), std::string::npos);
  EXPECT_NE(error(put(root / "empty.tar", std::string(10240, '\0'))).find("hold no sample"),
            std::string::npos);
}

TEST(ModalityCaptions, TablesAndWindowsAreRead) {
  const fs::path root = folder();
  const auto table = open_modality_captions(
      put(root / "audio.csv", "url\tcaption\r\nx/1.wav\ta dog, barking\r\nx/2.wav\train\r\n"),
      {"audio", ""});
  ASSERT_EQ(table->size(), 2u);
  const Sample sample = table->at(0);
  EXPECT_EQ(sample.name, "audio.csv:2");
  EXPECT_EQ(sample.document[0].modality, "audio");
  EXPECT_EQ(sample.document[0].path, root / "x/1.wav");
  EXPECT_EQ(sample.document[1].text, "a dog, barking");

  const auto windows = open_modality_captions(
      put(root / "imu.json",
          R"([{"text": "walking", "video_uid": "u1", "window_start": 1.5, "window_end": 3.5}])"),
      {"imu", "/signals"});
  ASSERT_EQ(windows->size(), 1u);
  EXPECT_EQ(windows->at(0).document[0].path, "/signals/u1.npy");
  EXPECT_EQ(windows->at(0).document[0].start, 1.5);
  EXPECT_EQ(windows->at(0).document[1].text, "walking");

  EXPECT_NE(message_of<InputError>([&] {
              open_modality_captions(put(root / "bad.csv", "caption,url\n"), {});
            }).find("between tabs"),
            std::string::npos);
}

}  // namespace
}  // namespace isthmus::samples
