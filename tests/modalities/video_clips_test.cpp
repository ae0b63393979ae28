#include "modalities/video_clips.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "modalities/sound_goldens.h"

namespace isthmus::modalities {
namespace {

namespace fs = std::filesystem;
using testing_support::golden;
using testing_support::Golden;
using testing_support::kCase;

TEST(VideoClips, EveryFileOfTheFixtureAgrees) {
  const JsonView expect = JsonView::load(kCase / "expect.json");
  for (const JsonView& item : expect.at("video").elements()) {
    const fs::path file = kCase / item.string("file");
    media::VideoReader reader(file);
    std::vector<int64_t> frames;
    for (const JsonView& index : item.at("selected_frame_index").elements())
      frames.push_back(index.as_integer());
    EXPECT_EQ(clip_frames(reader.num_frames(), reader.frames_per_second(), 5), frames) << file;
    const Prepared prepared = prepare_video_clips(reader);
    EXPECT_EQ(prepared.shape, (Shape{15, 3, 224, 224}));
    EXPECT_EQ(prepared.modality, Modality::kVideo);
    const std::string name = "video." + file.stem().string();
    const Golden views = golden(expect, name);
    ASSERT_EQ(views.npy.shape, (Shape{15, 3, 32, 32}));
    double worst = 0;
    size_t outside = 0, i = 0;
    for (size_t plane = 0; plane < 45; ++plane)
      for (size_t y = 0; y < 224; y += 7)
        for (size_t x = 0; x < 224; x += 7, ++i) {
          const double difference =
              std::abs(static_cast<double>(prepared.values[(plane * 224 + y) * 224 + x]) -
                       static_cast<double>(views.npy.values[i]));
          worst = std::max(worst, difference);
          outside += difference > views.allowed(i);
        }
    EXPECT_EQ(outside, 0u) << name << ": max |Δ| " << worst;
    RecordProperty(name, std::to_string(worst));
  }
}

// 25 * (12/25 as the fixture rounds it) is a little more than 12: the reference takes frame 13.
TEST(VideoClips, StartsAreRoundedAsFractionsAre) {
  EXPECT_EQ(clip_frames(55, 25, 5), (std::vector<int64_t>{0, 7, 13, 19, 25}));
  EXPECT_EQ(clip_frames(6, 8, 5), (std::vector<int64_t>{0, 0, 0, 0, 0}));
  EXPECT_EQ(clip_frames(54000, 30, 5), (std::vector<int64_t>{0, 10794, 21588, 32383, 43176}));
  EXPECT_EQ(clip_frames(12345, 29.97, 5), (std::vector<int64_t>{0, 2464, 4927, 7390, 9853}));
  EXPECT_EQ(clip_frames(4321, 24000 / 1001.0, 5), (std::vector<int64_t>{0, 860, 1719, 2579, 3438}));
  EXPECT_EQ(clip_frames(1, 0.1, 5), (std::vector<int64_t>{0, 0, 0, 0, 0}));
  EXPECT_EQ(clip_frames(int64_t{1} << 62, 1e-9, 2).size(), 2u);
}

}  // namespace
}  // namespace isthmus::modalities
