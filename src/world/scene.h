// One to four coloured solids on a table: what there is, and where.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "world/dice.h"

namespace isthmus::world {

// What words can say of an object: indices into kShapes, kColours, kSizes, kPlaces.
struct Item {
  int shape = 0, colour = 0, size = 0, place = 0;
  bool operator==(const Item&) const = default;
};

// x to the right, y away from the viewer, z up; the table is z = 0. The object stands at (x, y).
struct Object {
  Item what;
  double x = 0, y = 0;
  double yaw = 0;         // about the vertical; seen on cubes only
  double brightness = 1;  // of its colour
};

// What a moving object has left behind: two dark lanes on the table that fade from (x, y), where
// the object stands, backwards. They run beside it, so that it does not hide them when it comes
// closer.
struct Track {
  double x = 0, y = 0;
  double back_x = 0, back_y = 0;  // unit vector away from where it moves to
  double length = 0, width = 0, lane_width = 0;
};

struct Scene {
  std::vector<Object> objects;                    // ascending in place: the order of mention
  double light_azimuth = 0, light_elevation = 0;  // radians
  std::array<double, 3> table{.80, .69, .54}, wall{.74, .79, .85};
  std::optional<Track> track;
};

double radius_of(int size);  // the unit of the solids' measures; .38 or .64

// Left to right as the picture shows it: x over the depth of the object's middle.
double seen_x(double x, double y, int size);

// The index into kPlaces of an object at (x, y), or nothing near a border between two places.
std::optional<int> place_at(double x, double y, int size);

// Pairs that no picture shows of which a model learns: (2 shape + colour) mod 8 = 0, one colour of
// each shape. Texts for the language model name them like all others.
constexpr bool held_out(int shape, int colour) { return (2 * shape + colour) % 8 == 0; }

// kTrain and kTest show only pairs that are not held out, kHeldOut only those that are.
enum class Split : uint8_t { kTrain, kTest, kHeldOut, kAny };
bool allows(Split split, int shape, int colour);

struct SceneLimits {
  int min_objects = 1, max_objects = 3;
  // Else a shape may occur twice; colours never do.
  bool different_shapes = true;
};

// Numbers of objects have the weights 1 2 3 3. Colours differ, and so do places.
std::vector<Item> draw_items(Dice& dice, Split split, const SceneLimits& limits = {});

// Scene `index` of the stream (seed, split): the same at every call, whatever was drawn before.
// Every object keeps at least 60 % of the pixels that it has alone.
Scene draw_scene(uint64_t seed, Split split, uint64_t index, const SceneLimits& limits = {});

// A scene of these shapes, colours and sizes; light and places are drawn.
Scene arrange(Dice& dice, const std::vector<Item>& items);

std::vector<Item> items_of(const Scene& scene);

}  // namespace isthmus::world
