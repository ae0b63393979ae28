#include "modalities/map_pair.h"

#include <cmath>
#include <filesystem>
#include <limits>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "isthmus/error.h"
#include "media/decode_image.h"
#include "modalities/sound_goldens.h"

namespace isthmus::modalities {
namespace {

namespace fs = std::filesystem;
using media::FloatMap;
using media::Image;
using media::SceneMap;
using testing_support::golden;
using testing_support::Golden;
using testing_support::kCase;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();

TEST(MapPair, PairsOfTheFixtureAgree) {
  const JsonView expect = JsonView::load(kCase / "expect.json");
  for (const JsonView& item : expect.at("depth_normal").elements()) {
    const fs::path file = kCase / item.string("map");
    const Image picture = media::load_image(kCase / item.string("image"));
    const auto box = item.at("crop_top_left_height_width").elements();
    MapPairConfig config;
    config.view.crop = media::Box{box[1].as_integer(), box[0].as_integer(), box[3].as_integer(),
                                  box[2].as_integer()};
    const bool depth = file.stem() == "depth";
    const Prepared pair =
        depth
            ? prepare_depth_map(load_scene_map(file, media::SceneMapKind::kDepth), picture, config)
            : prepare_normal_map(load_scene_map(file, media::SceneMapKind::kNormals), picture,
                                 config);
    EXPECT_EQ(pair.shape, (Shape{2, 3, 224, 224}));
    EXPECT_EQ(pair.modality, depth ? Modality::kDepthMap : Modality::kNormalMap);
    const std::string name = file.stem().string() + ".pair";
    const Golden expected = golden(expect, name);
    size_t i = 0, outside = 0;
    for (size_t plane = 0; plane < 6; ++plane)
      for (size_t y = 0; y < 224; y += 4)
        for (size_t x = 0; x < 224; x += 4, ++i)
          outside += std::abs(static_cast<double>(pair.values[(plane * 224 + y) * 224 + x]) -
                              static_cast<double>(expected.npy.values.at(i))) > expected.allowed(i);
    EXPECT_EQ(i, expected.npy.values.size());
    EXPECT_EQ(outside, 0u) << name;
  }
}

TEST(MapPair, WithoutABoxBothLoseTheSameMargins) {
  const Image picture = media::load_image(kCase / "inputs/image_0.png");
  const SceneMap same{"same", picture, {}};
  const Prepared pair = prepare_depth_map(same, picture);
  const auto half = pair.values.size() / 2;
  EXPECT_TRUE(std::equal(pair.values.begin(),
                         pair.values.begin() + static_cast<std::ptrdiff_t>(half),
                         pair.values.begin() + static_cast<std::ptrdiff_t>(half)));
  const Prepared alone =
      prepare_open_clip_image({media::PixelMode::kRgb, picture, {}}, MapPairConfig{}.view);
  EXPECT_TRUE(std::equal(alone.values.begin(), alone.values.end(), pair.values.begin()));
}

FloatMap depth_map(int64_t width, std::vector<float> values, bool whole_numbers = false) {
  const auto height = static_cast<int64_t>(values.size()) / width;
  return {width, height, 1, std::move(values), whole_numbers};
}

std::vector<int> levels(const FloatMap& depth, std::vector<std::string>& notes,
                        DepthUnit unit = DepthUnit::kGuess) {
  const Image image = picture_of_depth(depth, unit, "d.npy", notes);
  std::vector<int> grey;
  for (size_t i = 0; i < image.pixels.size(); i += 3) {
    EXPECT_EQ(image.pixels[i], image.pixels[i + 1]);
    EXPECT_EQ(image.pixels[i], image.pixels[i + 2]);
    grey.push_back(image.pixels[i]);
  }
  return grey;
}

TEST(DepthPicture, IsLinearFromNearToFarWhateverTheUnit) {
  std::vector<std::string> notes;
  EXPECT_EQ(levels(depth_map(3, {1, 2, 3}), notes), (std::vector<int>{0, 128, 255}));
  EXPECT_EQ(levels(depth_map(3, {1000, 2000, 3000}, true), notes), (std::vector<int>{0, 128, 255}));
  EXPECT_EQ(levels(depth_map(3, {2, 2, 2}), notes), (std::vector<int>{128, 128, 128}));
}

TEST(DepthPicture, TheUnitIsGuessedAndSaid) {
  const auto note = [](const FloatMap& depth, DepthUnit unit = DepthUnit::kGuess) {
    std::vector<std::string> notes;
    levels(depth, notes, unit);
    return notes.front();
  };
  EXPECT_EQ(note(depth_map(3, {1, 2, 3})),
            "d.npy: depth taken as metres, since its median is 2: 1 m to 3 m, shown from black to "
            "white. Only the relations count; the unit can be given");
  EXPECT_NE(note(depth_map(3, {1000, 2000, 3000}))
                .find("as millimetres, since its median is 2000: 1 m to 3 m"),
            std::string::npos);
  EXPECT_NE(note(depth_map(3, {10, 20, 30}, true))
                .find("as millimetres, since the file stores whole numbers: 0.01 m to 0.03 m"),
            std::string::npos);
  EXPECT_NE(note(depth_map(3, {10, 20, 30}, true), DepthUnit::kMetres)
                .find("as metres, as told: 10 m to 30 m"),
            std::string::npos);
  EXPECT_NE(note(depth_map(3, {2e5f, 3e5f, 4e5f}), DepthUnit::kMetres).find("is the unit right?"),
            std::string::npos);
  EXPECT_EQ(parse_depth_unit("mm"), DepthUnit::kMillimetres);
  EXPECT_THROW(parse_depth_unit("feet"), UsageError);
}

TEST(DepthPicture, HolesTakeTheDepthOfTheirNeighboursAndAreCounted) {
  std::vector<std::string> notes;
  EXPECT_EQ(levels(depth_map(5, {1, 0, kNan, 3, -kInf,  //
                                 0, 0, 0, 0, 0,         //
                                 kInf, 2, -1, 0, 2}),
                   notes),
            (std::vector<int>{0, 0, 255, 255, 255, 0, 0, 255, 255, 255, 128, 128, 128, 128, 128}));
  ASSERT_EQ(notes.size(), 2u);
  EXPECT_EQ(
      notes[1],
      "d.npy: 73.3 % of the pixels have no depth (0, negative, NaN or infinite); they got that "
      "of their neighbours");
  try {
    levels(depth_map(2, {0, kNan, -1, kInf}), notes);
    ADD_FAILURE() << "no error";
  } catch (const InputError& error) {
    EXPECT_STREQ(error.what(), "d.npy: no pixel has a depth; all are 0, negative, NaN or infinite");
  }
}

TEST(NormalPicture, ComponentsBecomeBytes) {
  std::vector<std::string> notes;
  const FloatMap normals{3, 1, 3, {-1, 0, 1, kNan, 0, 0, 0.5f, -0.5f, 0}, false};
  EXPECT_EQ(picture_of_normals(normals, "n.npy", notes).pixels,
            (std::vector<uint8_t>{0, 128, 255, 128, 128, 128, 191, 64, 128}));
  ASSERT_EQ(notes.size(), 1u);
  EXPECT_EQ(notes[0], "n.npy: 33.3 % of the normals are NaN or infinite; shown as grey");
  const FloatMap shifted{1, 1, 3, {0, 0.5f, 1}, false};
  EXPECT_EQ(picture_of_normals(shifted, "n.npy", notes).pixels,
            (std::vector<uint8_t>{0, 128, 255}));
  EXPECT_NE(notes[1].find("no component is negative"), std::string::npos);
  const FloatMap bytes{1, 2, 3, {0, 0, 1, 0, 127, 255}, false};
  try {
    picture_of_normals(bytes, "n.npy", notes);
    ADD_FAILURE() << "no error";
  } catch (const InputError& error) {
    EXPECT_STREQ(error.what(),
                 "n.npy: component y of the normal at row 1, column 0 is 127; "
                 "expected -1 to 1 (or 0 to 255 as uint8)");
  }
}

TEST(MapPair, NotesSayWhatWasChanged) {
  const Image picture = media::filled_image(64, 48, {9, 9, 9});
  const SceneMap map{"d.npy", std::nullopt, depth_map(2, {1, 2, 3, 4})};
  const Prepared pair = prepare_depth_map(map, picture);
  ASSERT_EQ(pair.notes.size(), 2u);
  EXPECT_EQ(
      pair.notes[1],
      "d.npy: 2x2 pixels, stretched to the 64x48 of its picture. Do they show the same scene?");
  const SceneMap grey{"d.png", media::filled_image(64, 48, {5, 5, 5}), {}};
  MapPairConfig config;
  config.unit = DepthUnit::kMetres;
  EXPECT_EQ(prepare_depth_map(grey, picture, config).notes.front(),
            "d.png: 8-bit depth is relative; the given unit says nothing");
}

}  // namespace
}  // namespace isthmus::modalities
