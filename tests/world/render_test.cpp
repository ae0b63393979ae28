#include "world/render.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>

#include <gtest/gtest.h>

#include "media/decode_image.h"
#include "media/scene_map.h"

namespace isthmus::world {
namespace {

const std::filesystem::path kPictures =
    std::filesystem::path(ISTHMUS_SOURCE_DIR) / "demo" / "pictures";

// Pictures of the demo: shapes, colours, sizes and places as answers.json has them; light, the
// colours of table and wall, brightness and yaw, which it leaves out, fitted to the pictures.
struct Known {
  const char* name;
  Scene scene;
};

Object object(int shape, int colour, int size, double x, double y, double brightness,
              double yaw = 0) {
  return {{shape, colour, size, 0}, x, y, yaw, brightness};
}

std::array<Known, 3> known_pictures() {
  return {{{"table02",
            {{object(3, 2, 0, -.7612, -.0296, 1.0487), object(0, 4, 1, .7549, 1.5058, .9243)},
             -.2904,
             .7920,
             {.7897, .6525, .5319},
             {.7722, .7804, .8226},
             {}}},
           {"table04",
            {{object(1, 5, 1, -1.0411, -1.0883, 1.0594, 1.0186),
              object(2, 6, 0, -.5305, .7892, .9680), object(1, 0, 0, .2084, .1187, 1.0719, 1.4634)},
             -.6472,
             .9158,
             {.7998, .7041, .5577},
             {.6911, .7921, .8088},
             {}}},
           {"table06",
            {{object(2, 5, 0, -1.2319, -1.0282, .9774), object(2, 2, 0, -.4485, -.2080, 1.0337),
              object(0, 1, 1, .4051, 1.2055, .9417)},
             -.7705,
             .9840,
             {.7703, .7047, .5530},
             {.7205, .7743, .8991},
             {}}}}};
}

TEST(Render, ReproducesThePicturesOfTheDemo) {
  for (const Known& known : known_pictures()) {
    const media::Image found = render(known.scene, {256, 256, 3});
    const media::Image wanted = media::load_image(kPictures / (std::string(known.name) + ".png"));
    ASSERT_EQ(found.pixels.size(), wanted.pixels.size());
    double sum = 0;
    int differing = 0;
    for (size_t i = 0; i < found.pixels.size(); ++i) {
      const int difference = std::abs(found.pixels[i] - wanted.pixels[i]);
      sum += difference;
      differing += difference > 3;
    }
    const auto count = static_cast<double>(found.pixels.size());
    EXPECT_LT(sum / count, .08) << known.name;         // fitted numbers have four digits
    EXPECT_LT(differing / count, .002) << known.name;  // edges
  }
}

TEST(Maps, ReproduceDepthAndNormalsOfTheDemo) {
  for (const Known& known : known_pictures()) {
    const Maps maps = maps_of(known.scene, {256, 256});
    const auto depth = media::load_scene_map(kPictures / (std::string(known.name) + "_depth.png"),
                                             media::SceneMapKind::kDepth);
    const auto normals = media::load_image(kPictures / (std::string(known.name) + "_normal.png"));
    ASSERT_EQ(depth.measured.values.size(), maps.depth.size());
    int deep = 0, turned = 0;
    for (size_t i = 0; i < maps.depth.size(); ++i) {
      deep += std::abs(depth.measured.values[i] / 4096 - maps.depth[i]) > .002f;
      for (size_t c = 0; c < 3; ++c) {
        const float byte = std::round(255 * (.5f * maps.normals[3 * i + c] + .5f));
        turned += std::abs(byte - static_cast<float>(normals.pixels[3 * i + c])) > 2;
      }
    }
    EXPECT_LT(deep, 66) << known.name;  // a thousandth of the pixels
    EXPECT_LT(turned, 198) << known.name;
  }
}

// Distance of a point from the surface of a solid, from its measures alone.
double off_surface(const Object& object, double x, double y, double z) {
  const double s = object.what.size ? .64 : .38, dx = x - object.x, dy = y - object.y;
  const double across = std::hypot(dx, dy);
  switch (object.what.shape) {
    case 0: return std::abs(std::hypot(dx, dy, z - s) - s);
    case 1: {
      const double u = dx * std::cos(object.yaw) + dy * std::sin(object.yaw);
      const double v = -dx * std::sin(object.yaw) + dy * std::cos(object.yaw);
      return std::abs(std::max({std::abs(u), std::abs(v), std::abs(z - .8 * s)}) - .8 * s);
    }
    case 2: return std::min(std::abs(across - .78 * s), std::abs(z - 1.8 * s));
    default: return std::abs(across - .95 * s * (1 - z / (2.1 * s)));
  }
}

TEST(Maps, EveryPixelLiesOnTheSurfaceItNames) {
  const double length = std::hypot(5.9, 3.0), forward_y = 5.9 / length, forward_z = -3 / length;
  for (uint64_t i = 0; i < 12; ++i) {
    const Scene scene = draw_scene(3, Split::kAny, i, {.max_objects = 4});
    const Maps maps = maps_of(scene, {80, 60});
    std::vector<int> seen(scene.objects.size());
    for (size_t pixel = 0; pixel < maps.depth.size(); ++pixel) {
      const float* at = &maps.positions[3 * pixel];
      const float* normal = &maps.normals[3 * pixel];
      EXPECT_NEAR(maps.depth[pixel], (at[1] + 6) * forward_y + (at[2] - 3.3) * forward_z, 1e-4);
      // A cylinder's is its point over its radius, seven units away in float.
      EXPECT_NEAR(std::hypot(normal[0], normal[1], normal[2]), 1, 1e-4);
      const int8_t surface = maps.surfaces[pixel];
      if (surface == kTableSurface) {
        EXPECT_NEAR(at[2], 0, 1e-5);
      } else if (surface == kWallSurface) {
        EXPECT_NEAR(at[1], 4, 1e-5);
      } else {
        const Object& object = scene.objects[static_cast<size_t>(surface)];
        EXPECT_LT(off_surface(object, at[0], at[1], at[2]), 2e-4);
        ++seen[static_cast<size_t>(surface)];
      }
    }
    for (const int pixels : seen) EXPECT_GT(pixels, 9);
  }
}

TEST(Render, ShowsObjectsInTheirColoursWhereTheMapsSay) {
  Dice dice(4);
  for (int colour = 0; colour < 8; ++colour) {
    const Scene scene = arrange(dice, {{0, colour, 1, 0}});
    const View view{64, 64};
    const media::Image image = render(scene, view);
    const Maps maps = maps_of(scene, view);
    std::array<double, 3> sum{};
    for (size_t i = 0; i < maps.surfaces.size(); ++i)
      if (maps.surfaces[i] == 0)
        for (size_t c = 0; c < 3; ++c) sum[c] += image.pixels[3 * i + c];
    // red green blue yellow purple orange cyan gray: which channels lead
    const double red = sum[0], green = sum[1], blue = sum[2];
    const bool leads[] = {
        red > 2 * green && red > 2 * blue,      green > 1.5 * red && green > 1.5 * blue,
        blue > 1.5 * red && blue > 1.5 * green, red > 2 * blue && green > 2 * blue,
        blue > red && red > 1.3 * green,        red > 1.4 * green && green > 1.4 * blue,
        green > 1.5 * red && blue > 1.5 * red,  std::abs(red - blue) < .2 * green};
    EXPECT_TRUE(leads[colour]) << colour << ": " << red << " " << green << " " << blue;
  }
}

TEST(Render, AnySizeAndSampling) {
  const Scene scene = draw_scene(8, Split::kTrain, 3);
  const media::Image wide = render(scene, {120, 50, 2});
  EXPECT_EQ(wide.width, 120);
  EXPECT_EQ(wide.height, 50);
  EXPECT_EQ(wide.pixels.size(), 120u * 50 * 3);
  EXPECT_EQ(render(scene, {120, 50, 2}).pixels, wide.pixels);
  // Averaging samples is rendering larger and averaging pixels, up to rounding to bytes.
  const media::Image large = render(scene, {240, 100, 1});
  for (int64_t y = 0; y < 50; ++y)
    for (int64_t x = 0; x < 360; ++x) {
      const auto at = [&](int64_t dy, int64_t dx) {
        return int{large.row(2 * y + dy)[(2 * (x / 3) + dx) * 3 + x % 3]};
      };
      EXPECT_NEAR(wide.row(y)[x], (at(0, 0) + at(0, 1) + at(1, 0) + at(1, 1)) / 4.0, 1.01);
    }
}

TEST(Render, ATrackDarkensTheTableBehind) {
  Scene scene = draw_scene(8, Split::kTrain, 1, {.max_objects = 1});
  const media::Image before = render(scene, {64, 64});
  scene.track = Track{scene.objects[0].x, scene.objects[0].y, 1, 0, 2, 1.6, .3};
  const media::Image after = render(scene, {64, 64});
  const Maps maps = maps_of(scene, {64, 64});
  int darker = 0;
  for (size_t i = 0; i < maps.surfaces.size(); ++i) {
    EXPECT_LE(after.pixels[3 * i], before.pixels[3 * i]);
    if (after.pixels[3 * i] == before.pixels[3 * i]) continue;
    ++darker;
    EXPECT_EQ(maps.surfaces[i], kTableSurface);
    EXPECT_GT(maps.positions[3 * i], scene.objects[0].x);
  }
  EXPECT_GT(darker, 30);
}

}  // namespace
}  // namespace isthmus::world
