#include "world/solids.h"

#include <algorithm>
#include <limits>

namespace isthmus::world {
namespace {

constexpr float kNear = 1e-3f;  // closer than this is the surface that the ray comes from
constexpr float kNothing = std::numeric_limits<float>::max();

bool meets_sphere(const Solid& solid, Vec from, Vec direction, Hit& hit) {
  const float a = dot(direction, direction), b = dot(from, direction);
  const float square = b * b - a * (dot(from, from) - solid.radius * solid.radius);
  if (square < 0) return false;
  hit.t = (-b - std::sqrt(square)) / a;
  if (hit.t < kNear) return false;
  hit.normal = normalised(from + direction * hit.t);
  return true;
}

bool meets_cube(const Solid& solid, Vec from, Vec direction, Hit& hit) {
  const float half = 0.80f * solid.radius, c = solid.cos_yaw, s = solid.sin_yaw;
  from.z += solid.radius - half;
  const float origins[3] = {c * from.x + s * from.y, -s * from.x + c * from.y, from.z};
  const float steps[3] = {c * direction.x + s * direction.y, -s * direction.x + c * direction.y,
                          direction.z};
  float enter = -kNothing, leave = kNothing, sign = 1;
  int axis = 0;
  for (int i = 0; i < 3; ++i) {
    constexpr float kParallel = 1e-9f;
    const float step = std::abs(steps[i]) >= kParallel ? steps[i]
                       : steps[i] < 0                  ? -kParallel
                                                       : kParallel;
    const float inverse = 1.0f / step, side = step < 0 ? 1.0f : -1.0f;
    const float first = (side * half - origins[i]) * inverse;
    if (first > enter) {
      enter = first;
      axis = i;
      sign = side;
    }
    leave = std::min(leave, (-side * half - origins[i]) * inverse);
  }
  if (enter > leave || enter < kNear) return false;
  hit.t = enter;
  hit.normal = axis == 0   ? Vec{c * sign, s * sign, 0}
               : axis == 1 ? Vec{-s * sign, c * sign, 0}
                           : Vec{0, 0, sign};
  return true;
}

bool meets_cylinder(const Solid& solid, Vec from, Vec direction, Hit& hit) {
  const float radius = 0.78f * solid.radius, height = 1.8f * solid.radius;
  const float foot = from.z + solid.radius;  // of the ray's origin above the table
  const float a = direction.x * direction.x + direction.y * direction.y;
  const float b = from.x * direction.x + from.y * direction.y;
  const float square = b * b - a * (from.x * from.x + from.y * from.y - radius * radius);
  hit.t = kNothing;
  if (square >= 0 && a > 1e-12f) {
    const float t = (-b - std::sqrt(square)) / a, z = foot + t * direction.z;
    if (t > kNear && z >= 0 && z <= height)
      hit = {t, {(from.x + t * direction.x) / radius, (from.y + t * direction.y) / radius, 0}};
  }
  if (std::abs(direction.z) > 1e-9f) {
    const float t = (height - foot) / direction.z;
    const float x = from.x + t * direction.x, y = from.y + t * direction.y;
    if (t > kNear && t < hit.t && x * x + y * y <= radius * radius) hit = {t, {0, 0, 1}};
  }
  return hit.t < kNothing;
}

bool meets_cone(const Solid& solid, Vec from, Vec direction, Hit& hit) {
  const float height = 2.1f * solid.radius, slope = 0.95f * solid.radius / height;
  const float below = height - (from.z + solid.radius);  // the apex; radius there = slope * below
  const float k = slope * slope;
  const float a =
      direction.x * direction.x + direction.y * direction.y - k * direction.z * direction.z;
  const float b = from.x * direction.x + from.y * direction.y + k * below * direction.z;
  const float square = b * b - a * (from.x * from.x + from.y * from.y - k * below * below);
  if (square < 0 || std::abs(a) < 1e-9f) return false;
  hit.t = kNothing;
  for (const float root : {-std::sqrt(square), std::sqrt(square)}) {
    const float t = (-b + root) / a, z = height - below + t * direction.z;
    if (!(t > kNear && t < hit.t && z >= 0 && z <= height)) continue;
    const Vec gradient{from.x + t * direction.x, from.y + t * direction.y, k * (height - z)};
    hit = {t, dot(gradient, gradient) < 1e-12f ? Vec{0, 0, 1} : normalised(gradient)};
  }
  return hit.t < kNothing;
}

// What an angle of the bounding circle covers of one axis of the picture.
void cover(float across, float along, float bound, float& low, float& high) {
  const float middle = std::atan2(across, along),
              half = std::asin(bound / std::hypot(across, along));
  low = std::tan(middle - half);
  high = std::tan(middle + half);
}

}  // namespace

Camera::Camera() : tangent(std::tan(20.0f * 3.14159265f / 180)) {
  forward = normalised(Vec{0, -0.1f, 0.3f} - position);
  up = {0, -forward.z, forward.y};
}

Solid::Solid(const Object& object)
    : shape(object.what.shape),
      radius(static_cast<float>(radius_of(object.what.size))),
      x(static_cast<float>(object.x)),
      y(static_cast<float>(object.y)),
      cos_yaw(std::cos(static_cast<float>(object.yaw))),
      sin_yaw(std::sin(static_cast<float>(object.yaw))) {}

bool meets(const Solid& solid, Vec origin, Vec direction, Hit& hit) {
  const Vec from = origin - solid.centre();
  const float b = dot(from, direction), bound = solid.bound();
  if (b * b < dot(direction, direction) * (dot(from, from) - bound * bound)) return false;
  switch (solid.shape) {
    case 0: return meets_sphere(solid, from, direction, hit);
    case 1: return meets_cube(solid, from, direction, hit);
    case 2: return meets_cylinder(solid, from, direction, hit);
    default: return meets_cone(solid, from, direction, hit);
  }
}

Frame frame_of(const Solid& solid, const Camera& camera) {
  const Vec from = solid.centre() - camera.position;
  const float along = dot(from, camera.forward);
  Frame frame{};
  cover(dot(from, camera.right), along, solid.bound(), frame.left, frame.right);
  cover(dot(from, camera.up), along, solid.bound(), frame.bottom, frame.top);
  return frame;
}

}  // namespace isthmus::world
