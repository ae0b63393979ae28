#include "world/scene.h"

#include <cmath>
#include <set>

#include <gtest/gtest.h>

#include "world/words.h"

namespace isthmus::world {
namespace {

bool same(const Scene& a, const Scene& b) {
  if (a.objects.size() != b.objects.size() || a.light_azimuth != b.light_azimuth ||
      a.table != b.table || a.wall != b.wall)
    return false;
  for (size_t k = 0; k < a.objects.size(); ++k)
    if (!(a.objects[k].what == b.objects[k].what) || a.objects[k].x != b.objects[k].x ||
        a.objects[k].y != b.objects[k].y || a.objects[k].yaw != b.objects[k].yaw)
      return false;
  return true;
}

TEST(Dice, NumbersAreThoseOfEveryMachine) {
  EXPECT_EQ(seed_of(1, 2, 3), 15020427595393229491u);
  Dice dice(7);
  EXPECT_EQ(dice.below(1000), 700);
  EXPECT_EQ(dice.sample(9, 9).size(), 9u);
}

TEST(Scene, IsTheSameWhateverWasDrawnBefore) {
  const Scene late = draw_scene(5, Split::kTrain, 1000);
  for (uint64_t i = 0; i < 20; ++i) draw_scene(5, Split::kTrain, i);
  EXPECT_TRUE(same(late, draw_scene(5, Split::kTrain, 1000)));
  EXPECT_FALSE(same(late, draw_scene(5, Split::kTrain, 1001)));
  EXPECT_FALSE(same(late, draw_scene(6, Split::kTrain, 1000)));
  EXPECT_FALSE(same(late, draw_scene(5, Split::kTest, 1000)));
}

TEST(Scene, HeldOutPairsAreInNoTrainingPicture) {
  std::set<std::pair<int, int>> trained;
  for (uint64_t i = 0; i < 2000; ++i) {
    const SceneLimits limits{.max_objects = 4, .different_shapes = i % 2 == 0};
    for (const Split split : {Split::kTrain, Split::kTest})
      for (const Item& item : items_of(draw_scene(1, split, i, limits))) {
        ASSERT_NE((2 * item.shape + item.colour) % 8, 0);
        trained.emplace(item.shape, item.colour);
      }
  }
  EXPECT_EQ(trained.size(), 28u);
  std::set<std::pair<int, int>> held;
  for (uint64_t i = 0; i < 100; ++i)
    for (const Item& item : items_of(draw_scene(1, Split::kHeldOut, i, {.max_objects = 4}))) {
      ASSERT_EQ((2 * item.shape + item.colour) % 8, 0);
      held.emplace(item.shape, item.colour);
    }
  EXPECT_EQ(held.size(), 4u);
}

TEST(Scene, ObjectsKeepApartAndWithinTheirPlaces) {
  std::array<int, 5> counts{};
  std::array<int, 9> places{};
  for (uint64_t i = 0; i < 4000; ++i) {
    const Scene scene = draw_scene(2, Split::kTrain, i, {.max_objects = 4});
    const auto& objects = scene.objects;
    ++counts[objects.size()];
    std::set<int> colours, shapes, taken;
    int last = -1;
    for (const Object& object : objects) {
      colours.insert(object.what.colour);
      shapes.insert(object.what.shape);
      ++places[static_cast<size_t>(object.what.place)];
      EXPECT_GT(object.what.place, last);  // in the order of mention
      last = object.what.place;
      EXPECT_EQ(place_at(object.x, object.y, object.what.size), object.what.place);
      EXPECT_LE(std::abs(object.x), 1.4);
      EXPECT_TRUE(object.y >= -1.4 && object.y <= 1.6);
      for (const Object& other : objects) {
        if (&other == &object) continue;
        const double sizes = (object.what.size ? .64 : .38) + (other.what.size ? .64 : .38);
        EXPECT_GE(std::hypot(object.x - other.x, object.y - other.y), 1.13 * sizes + .08);
      }
    }
    EXPECT_EQ(colours.size(), objects.size());
    EXPECT_EQ(shapes.size(), objects.size());
  }
  // Weights 1 2 3 3.
  EXPECT_NEAR(counts[1] / 4000.0, 1 / 9.0, .02);
  EXPECT_NEAR(counts[2] / 4000.0, 2 / 9.0, .02);
  EXPECT_NEAR(counts[3] / 4000.0, 3 / 9.0, .03);
  for (const int place : places) EXPECT_GT(place, 400);
}

TEST(Scene, WordsAreNeverInDoubtNearABorder) {
  EXPECT_EQ(place_at(0, 0, 0), 4);
  EXPECT_EQ(place_at(0, .6, 0), std::nullopt);
  EXPECT_EQ(place_at(.5, 0, 0), std::nullopt);
  EXPECT_EQ(kPlaces[static_cast<size_t>(*place_at(-1.2, 1.4, 1))], "back-left");
  EXPECT_EQ(kPlaces[static_cast<size_t>(*place_at(1.2, -1.4, 0))], "front-right");
}

}  // namespace
}  // namespace isthmus::world
