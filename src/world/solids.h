// Geometry of the world: the camera, and where rays meet solids.
#pragma once

#include <cmath>

#include "world/scene.h"

namespace isthmus::world {

struct Vec {
  float x, y, z;
};
inline Vec operator+(Vec a, Vec b) { return {a.x + b.x, a.y + b.y, a.z + b.z}; }
inline Vec operator-(Vec a, Vec b) { return {a.x - b.x, a.y - b.y, a.z - b.z}; }
inline Vec operator*(Vec a, float s) { return {a.x * s, a.y * s, a.z * s}; }
inline float dot(Vec a, Vec b) { return a.x * b.x + a.y * b.y + a.z * b.z; }
inline Vec normalised(Vec a) { return a * (1.0f / std::sqrt(dot(a, a))); }

// At (0, -6, 3.3), looking at (0, -0.1, 0.3), 40 degrees high. A ray's direction is forward +
// X right + Y up with the picture's X and Y, not normalised: how often it must be taken to reach a
// point is the point's depth.
struct Camera {
  Vec position{0, -6, 3.3f}, right{1, 0, 0}, up, forward;
  float tangent;  // of half the angle of view
  Camera();
  Vec ray(float x, float y) const { return forward + right * x + up * y; }
};

inline constexpr float kWall = 4;  // its y

// A solid as rays need it.
struct Solid {
  int shape;
  float radius, x, y, cos_yaw, sin_yaw;
  explicit Solid(const Object& object);
  Vec centre() const { return {x, y, radius}; }
  // Of a sphere around centre() that holds all of it.
  float bound() const { return 1.4f * radius; }
};

struct Hit {
  float t;     // the point is origin + t direction
  Vec normal;  // of length 1
};

// The first point in front of `origin`, if there is one. `direction` may have any length.
bool meets(const Solid& solid, Vec origin, Vec direction, Hit& hit);

// In the picture's X and Y, what holds all that is seen of the solid.
struct Frame {
  float left, right, bottom, top;
};
Frame frame_of(const Solid& solid, const Camera& camera);

}  // namespace isthmus::world
