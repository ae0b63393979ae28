// Coloured points of a scene, as a depth camera gives them.
#pragma once

#include "media/point_cloud.h"
#include "world/dice.h"
#include "world/render.h"

namespace isthmus::world {

struct PointOptions {
  int count = 8192;
  // So much of it on objects, the rest on the table; of a camera's own points it is 5 to 20 %.
  double object_share = .5;
};

// Exactly `count` points that the camera sees, none of the wall, in the scene's coordinates, with
// the colour that the picture has there.
media::PointCloud points_of(Dice& dice, const Scene& scene, const PointOptions& options = {});

}  // namespace isthmus::world
