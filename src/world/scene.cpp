#include "world/scene.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/check.h"
#include "world/solids.h"
#include "world/words.h"

namespace isthmus::world {
namespace {

constexpr double kDegree = std::numbers::pi / 180;
constexpr double kMaxX = 1.4, kMinY = -1.4, kMaxY = 1.6;  // where objects stand
// Between left, center and right, in seen_x; between front, center and back, in y. Nothing stands
// nearer to a border than the margin, so that words are never in doubt.
constexpr double kSeenBorder = .075, kSeenMargin = .015;
constexpr double kBorders[2] = {-.4, .6}, kMargin = .1;

bool far_enough(const Object& a, const Object& b) {
  return std::hypot(a.x - b.x, a.y - b.y) >=
         1.13 * (radius_of(a.what.size) + radius_of(b.what.size)) + .08;
}

// Somewhere in its place.
void put(Dice& dice, Object& object) {
  const int row = object.what.place / 3, column = object.what.place % 3;
  const double from = row == 2 ? kMinY : kBorders[1 - row] + kMargin;
  const double to = row == 0 ? kMaxY : kBorders[row == 1 ? 1 : 0] - kMargin;
  object.y = dice.uniform(from, to);
  const double depth = 1 / seen_x(1, object.y, object.what.size);
  const double inner = (kSeenBorder + kSeenMargin) * depth;
  const double middle = (kSeenBorder - kSeenMargin) * depth;
  object.x = column == 1 ? dice.uniform(-middle, middle) : dice.uniform(inner, kMaxX);
  if (column == 0) object.x = -object.x;
}

// Of 48 x 48 pixels, every object keeps 60 % of those it has alone, and 9.
bool all_visible(const std::vector<Object>& objects) {
  constexpr int kSide = 48, kFewest = 9;
  static const Camera camera;
  std::array<float, kSide * kSide> depths;
  depths.fill(1e30f);
  std::array<int8_t, kSide * kSide> owners;
  owners.fill(-1);
  std::vector<int> alone(objects.size()), kept(objects.size());
  for (size_t k = 0; k < objects.size(); ++k) {
    const Solid solid(objects[k]);
    const Frame frame = frame_of(solid, camera);
    const auto pixel = [&](float at) { return (at / camera.tangent + 1) * kSide / 2; };
    const int left = std::max(0, static_cast<int>(pixel(frame.left)));
    const int right = std::min(kSide, static_cast<int>(pixel(frame.right)) + 1);
    const int top = std::max(0, kSide - 1 - static_cast<int>(pixel(frame.top)));
    const int bottom = std::min(kSide, kSide - static_cast<int>(pixel(frame.bottom)));
    for (int j = top; j < bottom; ++j)
      for (int i = left; i < right; ++i) {
        const float x = (2 * (static_cast<float>(i) + .5f) / kSide - 1) * camera.tangent;
        const float y = (1 - 2 * (static_cast<float>(j) + .5f) / kSide) * camera.tangent;
        Hit hit;
        if (!meets(solid, camera.position, camera.ray(x, y), hit)) continue;
        ++alone[k];
        const auto at = static_cast<size_t>(j * kSide + i);
        if (hit.t >= depths[at]) continue;
        depths[at] = hit.t;
        owners[at] = static_cast<int8_t>(k);
      }
  }
  for (const int8_t owner : owners)
    if (owner >= 0) ++kept[static_cast<size_t>(owner)];
  for (size_t k = 0; k < objects.size(); ++k)
    if (kept[k] < .6 * alone[k] || kept[k] < kFewest) return false;
  return true;
}

}  // namespace

double radius_of(int size) { return size == 0 ? .38 : .64; }

double seen_x(double x, double y, int size) {
  constexpr double kForwardY = 5.9, kForwardZ = -3.0;
  static const double length = std::hypot(kForwardY, kForwardZ);
  return x * length / ((y + 6) * kForwardY + (radius_of(size) - 3.3) * kForwardZ);
}

std::optional<int> place_at(double x, double y, int size) {
  const double seen = seen_x(x, y, size);
  if (std::abs(std::abs(seen) - kSeenBorder) < kSeenMargin - 1e-9) return std::nullopt;
  for (const double border : kBorders)
    if (std::abs(y - border) < kMargin - 1e-9) return std::nullopt;
  const int column = seen < -kSeenBorder ? 0 : seen > kSeenBorder ? 2 : 1;
  const int row = y > kBorders[1] ? 0 : y > kBorders[0] ? 1 : 2;
  return 3 * row + column;
}

bool allows(Split split, int shape, int colour) {
  return split == Split::kAny || held_out(shape, colour) == (split == Split::kHeldOut);
}

std::vector<Item> draw_items(Dice& dice, Split split, const SceneLimits& limits) {
  constexpr double kWeights[] = {1, 2, 3, 3};
  ISTHMUS_CHECK(1 <= limits.min_objects && limits.min_objects <= limits.max_objects &&
                    limits.max_objects <= 4,
                "one to four objects");
  std::vector<double> weights(kWeights, kWeights + limits.max_objects);
  std::fill(weights.begin(), weights.begin() + limits.min_objects - 1, 0.0);
  const auto count = static_cast<int>(dice.weighted(weights)) + 1;
  std::vector<int> places = dice.sample(kNumPlaces, count);
  std::sort(places.begin(), places.end());
  std::vector<Item> items(static_cast<size_t>(count));
  // Held-out pairs differ in colour and shape, so four of them fit into one scene.
  while (true) {
    const std::vector<int> shapes = dice.sample(kNumShapes, count);
    const std::vector<int> colours = dice.sample(kNumColours, count);
    bool allowed = true;
    for (size_t k = 0; k < items.size(); ++k) {
      const int shape = limits.different_shapes ? shapes[k] : dice.below(kNumShapes);
      items[k] = {shape, colours[k], dice.below(kNumSizes), places[k]};
      allowed = allowed && allows(split, shape, colours[k]);
    }
    if (allowed) return items;
  }
}

Scene arrange(Dice& dice, const std::vector<Item>& items) {
  Scene scene;
  scene.light_azimuth = kDegree * (dice.chance(.7) ? dice.uniform(-55, -15) : dice.uniform(15, 55));
  scene.light_elevation = kDegree * dice.uniform(42, 58);
  for (double& channel : scene.table) channel *= dice.uniform(.93, 1.06);
  for (double& channel : scene.wall) channel *= dice.uniform(.93, 1.06);
  for (const Item& item : items) {
    Object object{.what = item};
    object.yaw = dice.uniform(0, std::numbers::pi / 2);
    object.brightness = dice.uniform(.92, 1.08);
    scene.objects.push_back(object);
  }
  // Four large objects in neighbouring places may find no room at all: places are drawn anew with
  // every try, and after many tries (a few scenes in a million) so are sizes.
  constexpr int kTries = 400;
  for (int tries = 0;; ++tries) {
    std::vector<int> places = dice.sample(kNumPlaces, static_cast<int>(items.size()));
    std::sort(places.begin(), places.end());
    for (size_t k = 0; k < items.size(); ++k) scene.objects[k].what.place = places[k];
    if (tries > kTries)
      for (Object& object : scene.objects) object.what.size = dice.below(kNumSizes);
    bool room = true;
    for (size_t k = 0; k < items.size() && room; ++k) {
      put(dice, scene.objects[k]);
      for (size_t other = 0; other < k && room; ++other)
        room = far_enough(scene.objects[k], scene.objects[other]);
    }
    if (room && all_visible(scene.objects)) return scene;
  }
}

Scene draw_scene(uint64_t seed, Split split, uint64_t index, const SceneLimits& limits) {
  constexpr uint64_t kStream = 0x7363656e65;  // "scene"
  Dice dice(seed_of(seed, kStream + static_cast<uint64_t>(split), index));
  return arrange(dice, draw_items(dice, split, limits));
}

std::vector<Item> items_of(const Scene& scene) {
  std::vector<Item> items;
  for (const Object& object : scene.objects) items.push_back(object.what);
  return items;
}

}  // namespace isthmus::world
