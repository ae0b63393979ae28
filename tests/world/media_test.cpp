// The other modalities: true to what is said of them, and readable by the loaders.
#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>
#include <set>

#include <gtest/gtest.h>

#include "media/audio.h"
#include "media/decode_image.h"
#include "media/imu.h"
#include "media/number_array.h"
#include "media/point_cloud.h"
#include "media/scene_map.h"
#include "media/video.h"
#include "modalities/fmri.h"
#include "modalities/imu.h"
#include "modalities/map_pair.h"
#include "modalities/mel_audio.h"
#include "modalities/point_cloud.h"
#include "modalities/video_clips.h"
#include "world/encode.h"
#include "world/film.h"
#include "world/points.h"
#include "world/signals.h"
#include "world/words.h"

namespace isthmus::world {
namespace {

double mean(const std::vector<float>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

double deviation(const std::vector<float>& values) {
  const double middle = mean(values);
  double sum = 0;
  for (const float value : values) sum += (value - middle) * (value - middle);
  return std::sqrt(sum / static_cast<double>(values.size()));
}

TEST(Points, AreThoseOfTheDemo) {
  const std::filesystem::path folder =
      std::filesystem::path(ISTHMUS_SOURCE_DIR) / "demo" / "pictures";
  const Scene scene{
      {{{3, 2, 0, 0}, -.7612, -.0296, 0, 1.0487}, {{0, 4, 1, 0}, .7549, 1.5058, 0, .9243}},
      -.2904,
      .7920,
      {.7897, .6525, .5319},
      {.7722, .7804, .8226},
      {}};
  const media::PointCloud wanted = media::load_point_cloud(folder / "table02.ply");
  const Maps maps = maps_of(scene, {256, 256});
  size_t at = 0;
  int far = 0;
  for (size_t y = 0; y < 256; y += 2)  // every second pixel, without the wall
    for (size_t x = 0; x < 256; x += 2) {
      const float* point = &maps.positions[3 * (256 * y + x)];
      if (point[1] > 3.99) continue;
      ASSERT_LT(3 * at, wanted.positions.size());
      for (size_t c = 0; c < 3; ++c)
        far += std::abs(point[c] - wanted.positions[3 * at + c]) > .002;
      ++at;
    }
  EXPECT_EQ(3 * at, wanted.positions.size());
  EXPECT_LT(far, 12);  // places have four digits: a few pixels at edges
}

TEST(Points, HaveTheCountAndShareAskedFor) {
  Dice dice(1);
  for (uint64_t i = 0; i < 6; ++i) {
    const Scene scene = draw_scene(1, Split::kTrain, i);
    const media::PointCloud cloud = points_of(dice, scene, {512, .5});
    ASSERT_EQ(cloud.count(), 512);
    int above = 0;
    for (size_t k = 0; k < 512; ++k) {
      EXPECT_LT(cloud.positions[3 * k + 1], 3.99);
      above += cloud.positions[3 * k + 2] > 1e-4;
    }
    EXPECT_NEAR(above, 256, 8);
    const media::PointCloud back = media::decode_point_cloud(write_ply(cloud), "memory");
    EXPECT_EQ(back.positions, cloud.positions);
    ASSERT_EQ(back.colours.size(), cloud.colours.size());
    for (size_t k = 0; k < back.colours.size(); ++k)
      EXPECT_NEAR(back.colours[k], cloud.colours[k], 1e-6);
    EXPECT_EQ(modalities::prepare_point_cloud(back).shape, (Shape{512, 6}));
  }
}

// Power of one frequency (Goertzel).
double power(std::span<const float> wave, double frequency, double rate) {
  const double turn = 2 * std::cos(2 * std::numbers::pi * frequency / rate);
  double last = 0, before = 0;
  for (const float sample : wave) {
    const double next = sample + turn * last - before;
    before = last;
    last = next;
  }
  return last * last + before * before - turn * last * before;
}

TEST(Sounds, CanBeCountedAndTuned) {
  constexpr double kPitches[] = {300, 800, 2000};
  Dice dice(2);
  for (int i = 0; i < 18; ++i) {
    const Sounds sounds{i % 4 + 1, i % 3, i / 6};
    const std::vector<float> wave = wave_of(dice, sounds);
    ASSERT_EQ(wave.size(), 19200u);
    // Loud stretches with pauses between them.
    int events = 0, quiet = 1000;
    for (size_t at = 0; at + 160 <= wave.size(); at += 160) {
      double energy = 0;
      for (size_t k = 0; k < 160; ++k) energy += wave[at + k] * wave[at + k];
      const bool loud = energy / 160 > .003;
      events += loud && quiet >= 4;
      quiet = loud ? 0 : quiet + 1;
    }
    EXPECT_EQ(events, sounds.count) << account_of(sounds).description;
    const auto around = [&](double centre) {
      double sum = 0;
      for (double f = centre * .8; f <= centre * 1.2; f += 8) sum += power(wave, f, 16000);
      return sum;
    };
    const double pitch = kPitches[static_cast<size_t>(sounds.pitch)];
    for (const double other : kPitches) {
      if (other != pitch) {
        EXPECT_GT(around(pitch), 2 * around(other));
      }
    }
    // A square wave has a third harmonic, a ninth as strong.
    const double harmonic = around(3 * pitch) / around(pitch);
    if (sounds.kind == 1) {
      EXPECT_GT(harmonic, .02);
    } else {
      EXPECT_LT(harmonic, .01);
    }
  }
}

TEST(Sounds, AreReadByTheLoader) {
  Dice dice(3);
  const std::vector<float> wave = wave_of(dice, draw_sounds(dice));
  const Bytes file = write_wav(wave, 16000);
  media::AudioReader reader(file, "memory");
  EXPECT_EQ(reader.sample_rate(), 16000);
  std::vector<float> back;
  for (media::AudioBlock block; reader.next(block);)
    back.insert(back.end(), block.samples.begin(), block.samples.end());
  ASSERT_EQ(back.size(), wave.size());
  for (size_t i = 0; i < back.size(); ++i) ASSERT_NEAR(back[i], wave[i], 4e-5);
  media::AudioReader again(file, "memory");
  EXPECT_EQ(modalities::prepare_mel_audio(again).shape, (Shape{1, 128, 1024}));
}

TEST(Motion, FollowsActivityAndTurn) {
  Dice dice(4);
  for (int i = 0; i < 60; ++i) {
    const Activity activity{i % 5, i / 5 % 3};
    const media::ImuRecording recording = motion_of(dice, activity);
    EXPECT_NEAR(mean(recording.channels[5]),
                activity.turn == 0   ? 0
                : activity.turn == 1 ? .75
                                     : -.75,
                activity.turn == 0 ? .05 : .3);
    const double up = deviation(recording.channels[2]), aside = deviation(recording.channels[0]);
    const double slowest[] = {0, .1, .35, .4, 0}, fastest[] = {.1, .3, .7, 1.2, .1};
    const auto kind = static_cast<size_t>(activity.activity);
    EXPECT_TRUE(up > slowest[kind] && up < fastest[kind]) << up << " " << kActivities[kind];
    EXPECT_EQ(aside > .45, activity.activity == 4);
    const Bytes csv = write_csv(recording);
    const auto back = media::parse_imu_csv(
        std::string_view(reinterpret_cast<const char*>(csv.data()), csv.size()), "memory");
    const auto prepared = modalities::prepare_imu(back, modalities::default_imu_window(back));
    EXPECT_EQ(prepared.shape, (Shape{6, 400}));
    EXPECT_TRUE(prepared.notes.empty());  // neither resampled nor filled up
  }
}

TEST(Brain, TellsShapesAndColoursApart) {
  const Brain brain(512);
  Dice dice(5);
  // The nearest mean of ten looks at each of four things; other looks are recognised.
  const std::vector<Item> things{{0, 1, 0, 0}, {1, 1, 0, 0}, {0, 3, 0, 0}, {3, 3, 1, 0}};
  const auto look = [&](const Item& item) { return brain.activity(dice, arrange(dice, {item})); };
  std::vector<std::vector<float>> means;
  for (const Item& item : things) {
    std::vector<float> sum(512);
    for (int i = 0; i < 10; ++i) {
      const auto activity = look(item);
      for (size_t v = 0; v < 512; ++v) sum[v] += activity[v] / 10;
    }
    means.push_back(sum);
  }
  int right = 0;
  for (int i = 0; i < 40; ++i) {
    const auto thing = static_cast<size_t>(i % 4);
    const auto activity = look(things[thing]);
    std::vector<double> distances;
    for (const auto& each : means) {
      double sum = 0;
      for (size_t v = 0; v < 512; ++v) sum += (each[v] - activity[v]) * (each[v] - activity[v]);
      distances.push_back(sum);
    }
    right += std::min_element(distances.begin(), distances.end()) ==
             distances.begin() + static_cast<std::ptrdiff_t>(thing);
  }
  EXPECT_GE(right, 38);
}

TEST(Brain, IsAlwaysTheSameOne) {
  Dice one(6), other(6);
  const Scene scene = draw_scene(1, Split::kTrain, 0, {.max_objects = 1});
  const std::vector<float> activity = Brain(64).activity(one, scene);
  EXPECT_EQ(Brain(64).activity(other, scene), activity);
  Dice third(6);
  const std::vector<float> larger = Brain(128).activity(third, scene);
  EXPECT_TRUE(std::equal(activity.begin(), activity.end(), larger.begin()));
  const Bytes file = write_npy(activity, {64});
  const media::NumberArray array(file, "memory");
  const auto prepared = modalities::prepare_fmri(array, {.num_voxels = 64});
  EXPECT_EQ(prepared.values, activity);
}

TEST(Film, ShowsTheWayInEveryFrame) {
  Dice dice(7);
  for (int i = 0; i < 32; ++i) {
    const Movement movement{{i % 4, i % 8, i / 2 % 2, 0}, i / 4 % 4, i / 16};
    const Path path = path_of(dice, movement);
    for (const double at : {0.0, .8, 2.0}) {
      const Scene scene = path.at(at);
      const Object& object = scene.objects[0];
      EXPECT_TRUE(std::abs(object.x) < 1.4 && object.y > -1.5 && object.y < 1.7);
      ASSERT_TRUE(scene.track.has_value());
      EXPECT_EQ(scene.track->x, object.x);
      // Where the track's lanes are, and only there, the table is darker than without them.
      Scene clean = scene;
      clean.track.reset();
      const media::Image with = render(scene, {96, 96}), without = render(clean, {96, 96});
      const Maps maps = maps_of(scene, {96, 96});
      double x = 0, y = 0;
      int darker = 0;
      for (size_t pixel = 0; pixel < maps.depth.size(); ++pixel) {
        if (with.pixels[3 * pixel] + 8 > without.pixels[3 * pixel]) continue;
        ++darker;
        x += maps.positions[3 * pixel] - object.x;
        y += maps.positions[3 * pixel + 1] - object.y;
      }
      ASSERT_GT(darker, 8) << account_of(movement).description;
      x /= darker;
      y /= darker;
      // The middle of what is darker lies behind.
      const double expected[4][2] = {{1, 0}, {-1, 0}, {0, -1}, {0, 1}};
      const double* back = expected[movement.direction];
      EXPECT_GT(x * back[0] + y * back[1], .15) << account_of(movement).description;
    }
    const Scene start = path.at(0), end = path.at(1);
    const double x = end.objects[0].x - start.objects[0].x;
    const double y = end.objects[0].y - start.objects[0].y;
    const double way[] = {-x, x, y, -y};
    EXPECT_NEAR(way[movement.direction], movement.speed ? 1.2 : .4, 1e-9);
  }
}

TEST(Film, IsReadByTheLoader) {
  Dice dice(8);
  const Film film = film_of(dice, {{1, 0, 1, 0}, 1, 1}, {{64, 48}});
  ASSERT_EQ(film.frames.size(), 10u);
  const Bytes file = write_avi(film);
  media::VideoReader reader(file, "memory");
  ASSERT_EQ(reader.num_frames(), 10);
  EXPECT_EQ(reader.frames_per_second(), 5);
  for (int64_t i : {0, 3, 9, 5})
    EXPECT_EQ(reader.frame(i).pixels, film.frames[static_cast<size_t>(i)].pixels);
  EXPECT_EQ(modalities::clip_frames(10, 5, 5), (std::vector<int64_t>{0, 1, 2, 3, 4}));
  EXPECT_EQ(modalities::prepare_video_clips(reader).shape, (Shape{15, 3, 224, 224}));
}

TEST(Film, HeldOutPairsDoNotMove) {
  Dice dice(9);
  for (int i = 0; i < 500; ++i) {
    const Item train = draw_movement(dice, Split::kTrain).what;
    EXPECT_FALSE(held_out(train.shape, train.colour));
    const Item held = draw_movement(dice, Split::kHeldOut).what;
    EXPECT_TRUE(held_out(held.shape, held.colour));
  }
}

TEST(Maps, AreReadByTheLoaders) {
  const Scene scene = draw_scene(1, Split::kTrain, 4);
  const Maps maps = maps_of(scene, {72, 64});
  const media::Image picture = render(scene, {72, 64});
  EXPECT_EQ(media::decode_image(write_png(picture), "memory").pixels, picture.pixels);
  const auto depth =
      media::decode_scene_map(write_depth_png(maps), "memory", media::SceneMapKind::kDepth);
  ASSERT_EQ(depth.measured.values.size(), maps.depth.size());
  for (size_t i = 0; i < maps.depth.size(); ++i)
    ASSERT_NEAR(depth.measured.values[i] / 4096, maps.depth[i], 1.3e-4);
  const auto normals = media::decode_scene_map(write_png(normal_picture(maps)), "memory",
                                               media::SceneMapKind::kNormals);
  ASSERT_TRUE(normals.picture.has_value());
  EXPECT_EQ(modalities::prepare_depth_map(depth, picture).shape, (Shape{2, 3, 224, 224}));
  EXPECT_EQ(modalities::prepare_normal_map(normals, picture).shape, (Shape{2, 3, 224, 224}));
}

}  // namespace
}  // namespace isthmus::world
