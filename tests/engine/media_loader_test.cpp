// What makes two media the same to the cache.
#include "engine/media_loader.h"

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

namespace isthmus::engine {
namespace {

namespace fs = std::filesystem;

fs::path put(const std::string& name, const std::string& content) {
  const fs::path file = fs::path(testing::TempDir()) / ("media_identity_" + name);
  std::ofstream(file, std::ios::binary) << content;
  return file;
}

TEST(MediaIdentity, IsTheContentWhateverTheFileIsCalled) {
  const Part a = Part::of_image(put("a.png", "pixels")), b = Part::of_image(put("b.png", "pixels"));
  EXPECT_EQ(identity_of(a), identity_of(b));
  EXPECT_NE(identity_of(a), identity_of(Part::of_image(put("c.png", "pixelt"))));
  const char* bytes = "pixels";
  const auto* first = reinterpret_cast<const std::byte*>(bytes);
  EXPECT_EQ(identity_of(a), identity_of(Part::of_image_data({first, first + 6})));
  EXPECT_NE(identity_of(a), identity_of(Part::of_media("depth", a.path)));
}

TEST(MediaIdentity, HoldsAllThatIsAskedOfTheMedium) {
  const Part whole = Part::of_media("depth", put("d.png", "depth"));
  Part changed = whole;
  changed.unit = "mm";
  EXPECT_NE(identity_of(whole), identity_of(changed));
  changed = whole;
  changed.start = 1.5;
  EXPECT_NE(identity_of(whole), identity_of(changed));
  changed = whole;
  changed.crop = Part::Box{1, 2, 3, 4};
  EXPECT_NE(identity_of(whole), identity_of(changed));
  changed = whole;
  changed.rgb = put("rgb.png", "one");
  const auto beside = identity_of(changed);
  EXPECT_NE(identity_of(whole), beside);
  put("rgb.png", "two");
  EXPECT_NE(identity_of(changed), beside);
  changed = whole;
  changed.rgb_data = {std::byte{1}};
  EXPECT_NE(identity_of(whole), identity_of(changed));
}

TEST(MediaIdentity, HoldsTheTimestampsBesideARecording) {
  const Part imu = Part::of_media("imu", put("m.npy", "samples"));
  put("m_timestamps.npy", "first");
  const auto before = identity_of(imu);
  put("m_timestamps.npy", "second");
  EXPECT_NE(identity_of(imu), before);
}

TEST(MediaIdentity, OfALongRecordingIsItsPlaceSizeAndTime) {
  const fs::path file = put("long.mp4", "x");
  fs::resize_file(file, uintmax_t{40} << 20);  // sparse: nothing is written
  const Part video = Part::of_media("video", file);
  const auto before = identity_of(video);
  ASSERT_TRUE(before);
  EXPECT_EQ(identity_of(video), before);
  fs::last_write_time(file, fs::last_write_time(file) + std::chrono::seconds(2));
  EXPECT_NE(identity_of(video), before);
  fs::remove(file);
}

TEST(MediaIdentity, AFileThatCannotBeReadHasNone) {
  EXPECT_FALSE(identity_of(Part::of_image(testing::TempDir() + "media_identity_none.png")));
  EXPECT_FALSE(identity_of(Part::of_image(testing::TempDir())));
}

}  // namespace
}  // namespace isthmus::engine
