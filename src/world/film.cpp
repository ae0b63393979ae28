#include "world/film.h"

#include <algorithm>
#include <cmath>

namespace isthmus::world {
namespace {

constexpr double kSpeedsPerSecond[] = {.4, 1.2};
constexpr double kTrackLengths[] = {.9, 2.2};
constexpr double kFoot = 1.0, kLane = .2;  // the lanes run right and left of the foot
constexpr double kFarX = 1.25, kNearY = -1.4, kFarY = 1.5;

}  // namespace

Scene Path::at(double seconds) const {
  Scene now = scene;
  Object& object = now.objects[0];
  object.x += seconds * step_x;
  object.y += seconds * step_y;
  if (now.track) {
    now.track->x = object.x;
    now.track->y = object.y;
  }
  return now;
}

Path path_of(Dice& dice, const Movement& movement, double seconds) {
  // left, right, away, closer
  constexpr double kX[] = {-1, 1, 0, 0}, kY[] = {0, 0, 1, -1};
  const auto direction = static_cast<size_t>(movement.direction);
  const auto speed = static_cast<size_t>(movement.speed);
  Path path{arrange(dice, {movement.what})};
  Object& object = path.scene.objects[0];
  // Drawn as a middle, then half the way back; the way stays on the used part of the table.
  const double half = kSpeedsPerSecond[speed] * seconds / 2;
  const double free_x = std::max(0.0, kFarX - half * std::abs(kX[direction]));
  const double free_y = std::max(0.0, (kFarY - kNearY) / 2 - half * std::abs(kY[direction]));
  object.x = dice.uniform(-free_x, free_x) - half * kX[direction];
  object.y = (kNearY + kFarY) / 2 + dice.uniform(-free_y, free_y) - half * kY[direction];
  path.step_x = kSpeedsPerSecond[speed] * kX[direction];
  path.step_y = kSpeedsPerSecond[speed] * kY[direction];
  const double radius = radius_of(object.what.size);
  path.scene.track = Track{object.x,
                           object.y,
                           -kX[direction],
                           -kY[direction],
                           radius / 2 + kTrackLengths[speed],
                           2 * (kFoot * radius + kLane),
                           kLane};
  return path;
}

Film film_of(Dice& dice, const Movement& movement, const FilmOptions& options) {
  const Path path = path_of(dice, movement, options.seconds);
  Film film{{}, options.frames_per_second};
  const auto frames = static_cast<int>(std::lround(options.seconds * options.frames_per_second));
  for (int i = 0; i < frames; ++i)
    film.frames.push_back(render(path.at(i / options.frames_per_second), options.view));
  return film;
}

}  // namespace isthmus::world
