#include "world/render.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/check.h"
#include "world/solids.h"
#include "world/words.h"

namespace isthmus::world {
namespace {

constexpr std::array<Vec, kNumColours> kColourValues{{{.86f, .16f, .14f},
                                                      {.17f, .65f, .24f},
                                                      {.16f, .32f, .88f},
                                                      {.95f, .83f, .16f},
                                                      {.55f, .20f, .72f},
                                                      {.97f, .52f, .10f},
                                                      {.15f, .78f, .82f},
                                                      {.52f, .53f, .55f}}};
constexpr float kAmbient = .42f, kDirect = .66f;
constexpr float kLift = 2e-3f;  // of shadow rays above the surface they leave
constexpr size_t kNumRays = 4;  // of shadow, so that shadows have soft edges

Vec vec(const std::array<double, 3>& from) {
  return {static_cast<float>(from[0]), static_cast<float>(from[1]), static_cast<float>(from[2])};
}

Vec towards(float azimuth, float elevation) {
  return {std::cos(elevation) * std::sin(azimuth), -std::cos(elevation) * std::cos(azimuth),
          std::sin(elevation)};
}

Vec limited(Vec albedo, float light, float highlight) {
  return {std::min(1.0f, albedo.x * light + highlight),
          std::min(1.0f, albedo.y * light + highlight),
          std::min(1.0f, albedo.z * light + highlight)};
}

// One row of rays: all of the same Y, their X a fixed step apart. The camera stands upright in the
// plane x = 0, so along a row of the table only x changes, in equal steps: waves of its grain and
// the dark round objects' feet follow by recurrences, and a shadow, whose casters are convex, is
// one interval.
class RowTracer {
 public:
  RowTracer(const Scene& scene, int columns, float first_x, float step_x);

  // Which surface each ray meets, where and how it is turned there.
  void trace(float y);
  // What trace() met, coloured.
  void shade();

  int8_t surface(size_t i) const { return surfaces_[i]; }
  Vec normal(size_t i) const {
    return surfaces_[i] >= 0 ? hits_[i].normal : on_table_ ? Vec{0, 0, 1} : Vec{0, -1, 0};
  }
  float depth(size_t i) const { return surfaces_[i] >= 0 ? hits_[i].t : far_; }
  Vec point(size_t i) const { return camera_.position + ray(i) * depth(i); }
  const Camera& camera() const { return camera_; }
  Vec colour(size_t i) const { return colours_[i]; }

 private:
  float x_of(size_t i) const { return first_x_ + static_cast<float>(i) * step_x_; }
  Vec ray(size_t i) const { return camera_.ray(x_of(i), y_); }
  float table_x(size_t i) const { return far_ * x_of(i); }
  // Columns whose X lies in [left, right], and perhaps one more on either side.
  std::pair<size_t, size_t> columns_between(float left, float right) const;
  void shade_wall();
  void shade_table();
  void draw_grain();
  void draw_track(const Track& track);
  void darken_foot(const Solid& solid);
  void cast_shadows(Vec ray);
  Vec shade_object(size_t i) const;

  const Scene& scene_;
  Camera camera_;
  std::vector<Solid> solids_;
  std::vector<Frame> frames_;
  std::vector<std::vector<size_t>> casters_;  // of each object: whose shadow may fall on it
  Vec light_;
  std::array<Vec, kNumRays> rays_;  // to the light
  float first_x_, step_x_, y_ = 0;

  bool on_table_ = false;  // what lies behind the objects of this row, and how far
  float far_ = 0, table_y_ = 0;
  std::vector<int8_t> surfaces_;
  std::vector<Hit> hits_;
  std::vector<Vec> colours_;
  std::vector<float> grain_, open_, shadow_;  // of the table
  std::vector<uint8_t> stopped_;              // of one ray to the light from each of its points
};

RowTracer::RowTracer(const Scene& scene, int columns, float first_x, float step_x)
    : scene_(scene), first_x_(first_x), step_x_(step_x) {
  const auto azimuth = static_cast<float>(scene.light_azimuth);
  const auto elevation = static_cast<float>(scene.light_elevation);
  constexpr float kSpread = .05f;
  light_ = towards(azimuth, elevation);
  for (size_t k = 0; k < kNumRays; ++k)
    rays_[k] = towards(azimuth + ((k & 1) != 0 ? kSpread : -kSpread),
                       elevation + ((k & 2) != 0 ? kSpread : -kSpread));
  for (const Object& object : scene.objects) {
    solids_.emplace_back(object);
    frames_.push_back(frame_of(solids_.back(), camera_));
  }
  casters_.resize(solids_.size());
  for (size_t k = 0; k < solids_.size(); ++k)
    for (size_t other = 0; other < solids_.size(); ++other) {
      if (other == k) continue;
      const Vec way = solids_[other].centre() - solids_[k].centre();
      const float along = dot(way, light_), reach = solids_[k].bound() + solids_[other].bound();
      const float aside = std::sqrt(std::max(0.0f, dot(way, way) - along * along));
      if (along > -reach && aside < reach + .08f * std::abs(along)) casters_[k].push_back(other);
    }
  const auto count = static_cast<size_t>(columns);
  surfaces_.resize(count);
  hits_.resize(count);
  colours_.resize(count);
  grain_.resize(count);
  open_.resize(count);
  shadow_.resize(count);
  stopped_.resize(count);
}

std::pair<size_t, size_t> RowTracer::columns_between(float left, float right) const {
  const auto last = static_cast<float>(surfaces_.size());
  const float begin = std::clamp((left - first_x_) / step_x_, 0.0f, last);
  const float end = std::clamp((right - first_x_) / step_x_ + 2, 0.0f, last);
  return {static_cast<size_t>(begin), static_cast<size_t>(end)};
}

void RowTracer::trace(float y) {
  y_ = y;
  const Vec ray = camera_.ray(0, y);
  const float to_wall = (kWall - camera_.position.y) / ray.y;
  const float to_table = ray.z < 0 ? -camera_.position.z / ray.z : to_wall;
  on_table_ = to_table < to_wall;
  far_ = std::min(to_table, to_wall);
  std::fill(surfaces_.begin(), surfaces_.end(), on_table_ ? kTableSurface : kWallSurface);
  for (size_t k = 0; k < solids_.size(); ++k) {
    if (y < frames_[k].bottom || y > frames_[k].top) continue;
    const auto [begin, end] = columns_between(frames_[k].left, frames_[k].right);
    for (size_t i = begin; i < end; ++i) {
      Hit hit;
      if (!meets(solids_[k], camera_.position, camera_.ray(x_of(i), y), hit) || hit.t >= depth(i))
        continue;
      hits_[i] = hit;
      surfaces_[i] = static_cast<int8_t>(k);
    }
  }
}

void RowTracer::shade() {
  if (on_table_)
    shade_table();
  else
    shade_wall();
  for (size_t i = 0; i < colours_.size(); ++i)
    if (surfaces_[i] >= 0) colours_[i] = shade_object(i);
}

void RowTracer::shade_wall() {
  const float z = camera_.position.z + far_ * camera_.ray(0, y_).z;
  const float fade = 1 - .06f * std::clamp(z / 3, 0.0f, 1.0f);
  const float light = kAmbient + kDirect * std::max(0.0f, -light_.y);
  std::fill(colours_.begin(), colours_.end(), limited(vec(scene_.wall) * fade, light, 0));
}

void RowTracer::shade_table() {
  table_y_ = camera_.position.y + far_ * camera_.ray(0, y_).y;
  draw_grain();
  if (scene_.track) draw_track(*scene_.track);
  std::fill(open_.begin(), open_.end(), 1.0f);
  std::fill(shadow_.begin(), shadow_.end(), 0.0f);
  for (const Solid& solid : solids_) darken_foot(solid);
  for (const Vec& ray : rays_) cast_shadows(ray);
  const Vec table = vec(scene_.table);
  const float facing = kDirect * std::max(0.0f, light_.z);
  for (size_t i = 0; i < colours_.size(); ++i) {
    const float open = open_[i];
    const float light = kAmbient * open + facing * (1 - shadow_[i]) * (.5f + .5f * open);
    colours_[i] = limited(table * grain_[i], light, 0);
  }
}

// Planks, each with waves of its own, across which finer waves run.
void RowTracer::draw_grain() {
  constexpr float kPlank = .9f, kSeam = .485f;
  constexpr double kFrequency = 17;
  const double y = table_y_, phase = .8 * std::sin(1.7 * y), step = far_ * step_x_;
  double sine = std::sin(kFrequency * table_x(0) + phase);
  double cosine = std::cos(kFrequency * table_x(0) + phase);
  const double turn_sine = std::sin(kFrequency * step), turn_cosine = std::cos(kFrequency * step);
  float plank = std::floor(table_x(0) / kPlank + .5f) - 1, wave = 0;
  for (size_t i = 0; i < grain_.size(); ++i) {
    const float at = table_x(i) / kPlank + .5f;
    while (at >= plank + 1) {
      plank += 1;
      wave = static_cast<float>(.03 * std::sin(2.3 * y + 5.0 * plank));
    }
    grain_[i] = 1 + wave + .02f * static_cast<float>(sine);
    if (std::abs(at - plank - .5f) > kSeam) grain_[i] *= .90f;
    const double next = sine * turn_cosine + cosine * turn_sine;
    cosine = cosine * turn_cosine - sine * turn_sine;
    sine = next;
  }
}

void RowTracer::draw_track(const Track& track) {
  constexpr double kDarkest = .75, kSoft = .04;
  for (size_t i = 0; i < grain_.size(); ++i) {
    const double x = table_x(i) - track.x, y = table_y_ - track.y;
    const double along = x * track.back_x + y * track.back_y;
    const double across = std::abs(x * track.back_y - y * track.back_x);
    const double outer = track.width / 2 - across, inner = track.lane_width - outer;
    if (along < 0 || along > track.length || outer < 0 || inner < 0) continue;
    const double edge = std::min(1.0, std::min(outer, inner) / kSoft);
    const double rest = along / track.length;
    grain_[i] *= static_cast<float>(1 - kDarkest * edge * (1 - rest * rest));
  }
}

// Less light reaches the table close to an object: 1 - .45 exp(-1.2 distance^2 / radius^2).
void RowTracer::darken_foot(const Solid& solid) {
  constexpr double kStrength = .45, kNegligible = 12;
  const double rate = 1.2 / (solid.radius * solid.radius), y = table_y_ - solid.y;
  if (rate * y * y > kNegligible) return;
  const double half = std::sqrt(kNegligible / rate - y * y);
  const auto [begin, end] = columns_between(static_cast<float>((solid.x - half) / far_),
                                            static_cast<float>((solid.x + half) / far_));
  const double x = table_x(begin) - solid.x, step = far_ * step_x_;
  double value = kStrength * std::exp(-rate * (x * x + y * y));
  double ratio = std::exp(-rate * (2 * x * step + step * step));
  const double change = std::exp(-2 * rate * step * step);
  for (size_t i = begin; i < end; ++i) {
    open_[i] *= static_cast<float>(1 - value);
    value *= ratio;
    ratio *= change;
  }
}

// Where a ray to the light is stopped by a solid. Of each solid that is one interval of the row:
// from the ends of the interval in which its bounding sphere would stop it, search inwards.
void RowTracer::cast_shadows(Vec ray) {
  std::fill(stopped_.begin(), stopped_.end(), uint8_t{0});
  for (const Solid& solid : solids_) {
    const float y = table_y_ - solid.y, z = kLift - solid.radius;
    const float along = y * ray.y + z * ray.z;
    const float a = 1 - ray.x * ray.x, b = ray.x * along;
    const float c = y * y + z * z - along * along - solid.bound() * solid.bound();
    const float square = b * b - a * c;
    if (square < 0) continue;
    const float root = std::sqrt(square);
    auto [begin, end] =
        columns_between((solid.x + (b - root) / a) / far_, (solid.x + (b + root) / a) / far_);
    const auto stops = [&](size_t i) {
      Hit hit;
      return meets(solid, {table_x(i), table_y_, kLift}, ray, hit);
    };
    while (begin < end && !stops(begin)) ++begin;
    while (begin < end && !stops(end - 1)) --end;
    std::fill(stopped_.begin() + static_cast<std::ptrdiff_t>(begin),
              stopped_.begin() + static_cast<std::ptrdiff_t>(end), uint8_t{1});
  }
  for (size_t i = 0; i < shadow_.size(); ++i)
    shadow_[i] += static_cast<float>(stopped_[i]) * (1.0f / kNumRays);
}

Vec RowTracer::shade_object(size_t i) const {
  const auto which = static_cast<size_t>(surfaces_[i]);
  const Solid& solid = solids_[which];
  const Vec direction = ray(i), normal = hits_[i].normal, at = point(i);
  const float facing = dot(normal, light_);
  float lit = 0;
  if (facing > 0) {
    lit = 1;
    if (!casters_[which].empty()) {
      const Vec from = at + normal * kLift;
      for (const Vec& to_light : rays_) {
        Hit hit;
        for (const size_t caster : casters_[which])
          if (meets(solids_[caster], from, to_light, hit)) {
            lit -= 1.0f / kNumRays;
            break;
          }
      }
    }
  }
  const float open = .80f + .20f * std::min(1.0f, at.z / (.8f * solid.radius));
  const float light = kAmbient * open + kDirect * std::max(0.0f, facing) * lit * (.5f + .5f * open);
  float highlight = 0;
  if (lit > 0) {
    const Vec half = normalised(light_ - normalised(direction));
    const float shine = std::max(0.0f, dot(normal, half));
    const float power2 = shine * shine, power4 = power2 * power2, power8 = power4 * power4;
    const float power32 = power8 * power8 * power8 * power8;
    highlight = .35f * power32 * power8 * lit;  // to the power of 40
  }
  const Object& object = scene_.objects[which];
  return limited(kColourValues[static_cast<size_t>(object.what.colour)] *
                     static_cast<float>(object.brightness),
                 light, highlight);
}

struct Grid {
  float first_x, step_x, first_y, step_y;
};

// X and Y of the middles of the samples.
Grid grid_of(const View& view, int samples) {
  ISTHMUS_CHECK(view.width >= 1 && view.height >= 1 && samples >= 1, "a picture has a size");
  const auto columns = static_cast<float>(view.width * samples);
  const auto rows = static_cast<float>(view.height * samples);
  const float tangent = Camera().tangent;
  const float wide = tangent * static_cast<float>(view.width) / static_cast<float>(view.height);
  return {(1 / columns - 1) * wide, 2 / columns * wide, (1 - 1 / rows) * tangent,
          -2 / rows * tangent};
}

}  // namespace

media::Image render(const Scene& scene, const View& view) {
  const Grid grid = grid_of(view, view.samples);
  const int columns = view.width * view.samples;
  RowTracer tracer(scene, columns, grid.first_x, grid.step_x);
  media::Image image{view.width, view.height, 3, {}};
  image.pixels.reserve(static_cast<size_t>(view.width) * static_cast<size_t>(view.height) * 3);
  std::vector<Vec> sums(static_cast<size_t>(view.width));
  const auto samples = static_cast<size_t>(view.samples);
  const float scale = 255.0f / static_cast<float>(view.samples * view.samples);
  for (int row = 0; row < view.height; ++row) {
    std::fill(sums.begin(), sums.end(), Vec{0, 0, 0});
    for (int sample = 0; sample < view.samples; ++sample) {
      tracer.trace(grid.first_y + static_cast<float>(row * view.samples + sample) * grid.step_y);
      tracer.shade();
      for (size_t i = 0; i < sums.size(); ++i)
        for (size_t s = 0; s < samples; ++s) sums[i] = sums[i] + tracer.colour(i * samples + s);
    }
    for (const Vec& sum : sums)
      for (const float channel : {sum.x, sum.y, sum.z})
        image.pixels.push_back(static_cast<uint8_t>(channel * scale + .5f));
  }
  return image;
}

Maps maps_of(const Scene& scene, const View& view) {
  const Grid grid = grid_of(view, 1);
  RowTracer tracer(scene, view.width, grid.first_x, grid.step_x);
  Maps maps{view.width, view.height, {}, {}, {}, {}};
  const size_t pixels = static_cast<size_t>(view.width) * static_cast<size_t>(view.height);
  maps.depth.reserve(pixels);
  maps.surfaces.reserve(pixels);
  maps.normals.reserve(3 * pixels);
  maps.positions.reserve(3 * pixels);
  const Camera& camera = tracer.camera();
  for (int row = 0; row < view.height; ++row) {
    tracer.trace(grid.first_y + static_cast<float>(row) * grid.step_y);
    for (size_t i = 0; i < static_cast<size_t>(view.width); ++i) {
      const Vec normal = tracer.normal(i), point = tracer.point(i);
      maps.depth.push_back(tracer.depth(i));
      maps.surfaces.push_back(tracer.surface(i));
      maps.normals.insert(maps.normals.end(), {dot(normal, camera.right), dot(normal, camera.up),
                                               -dot(normal, camera.forward)});
      maps.positions.insert(maps.positions.end(), {point.x, point.y, point.z});
    }
  }
  return maps;
}

}  // namespace isthmus::world
