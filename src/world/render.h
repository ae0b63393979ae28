// Pictures of scenes, and what is exactly known of each of their pixels.
#pragma once

#include <cstdint>
#include <vector>

#include "media/image.h"
#include "world/scene.h"

namespace isthmus::world {

struct View {
  int width = 256, height = 256;
  int samples = 1;  // per pixel in either direction, averaged
};

// Whose surface a pixel shows: an index into the scene's objects, or one of these.
inline constexpr int8_t kTableSurface = -1, kWallSurface = -2;

// By the ray through the middle of every pixel; rows from top to bottom.
struct Maps {
  int width = 0, height = 0;
  std::vector<float> depth;      // along the camera's axis, in units of the scene
  std::vector<float> normals;    // [height, width, 3]: x right, y up, z towards the viewer
  std::vector<float> positions;  // [height, width, 3]: in the scene
  std::vector<int8_t> surfaces;
};

media::Image render(const Scene& scene, const View& view);
Maps maps_of(const Scene& scene, const View& view);

}  // namespace isthmus::world
