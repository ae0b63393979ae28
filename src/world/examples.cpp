#include "world/examples.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/atomic_file.h"
#include "base/check.h"
#include "world/film.h"
#include "world/points.h"
#include "world/words.h"

namespace isthmus::world {
namespace {

Example with_account(std::string_view modality, Account account, Dice& dice) {
  dice.shuffle(account.exchanges);
  Example example;
  example.modality = modality;
  example.description = std::move(account.description);
  example.exchanges = std::move(account.exchanges);
  return example;
}

void write(const std::filesystem::path& path, std::span<const std::byte> bytes) {
  AtomicFile file(path);
  file.write(bytes);
  file.commit();
}

}  // namespace

Examples::Examples(uint64_t seed, Split split, const ExampleOptions& options)
    : seed_(seed), split_(split), options_(options), brain_(options.voxels) {}

Example Examples::draw(std::string_view modality, uint64_t index) const {
  const auto found = std::find(kModalities.begin(), kModalities.end(), modality);
  ISTHMUS_CHECK(found != kModalities.end(), fmt::format("modality {}", modality));
  constexpr uint64_t kStream = 0x6578616d706c65;  // "example"
  const auto which = static_cast<uint64_t>(found - kModalities.begin());
  const auto split = static_cast<uint64_t>(split_);
  Dice dice(seed_of(seed_, kStream + 8 * split + which, index));
  if (modality == "video") {
    const Movement movement = draw_movement(dice, split_);
    Example example = with_account(*found, account_of(movement), dice);
    example.file = write_avi(film_of(dice, movement, {.view = options_.view}));
    example.extension = "avi";
    return example;
  }
  if (modality == "audio") {
    const Sounds sounds = draw_sounds(dice);
    Example example = with_account(*found, account_of(sounds), dice);
    example.file = write_wav(wave_of(dice, sounds, {.sample_rate = options_.sample_rate}),
                             options_.sample_rate);
    example.extension = "wav";
    return example;
  }
  if (modality == "imu") {
    const Activity activity = draw_activity(dice);
    Example example = with_account(*found, account_of(activity), dice);
    example.file = write_csv(motion_of(dice, activity));
    example.extension = "csv";
    return example;
  }
  if (modality == "fmri") {
    const Scene scene = arrange(dice, draw_items(dice, split_, {.max_objects = 1}));
    Example example = with_account(*found, account_of_seeing(scene.objects[0].what), dice);
    example.file = write_npy(brain_.activity(dice, scene), {brain_.voxels()});
    example.extension = "npy";
    return example;
  }
  return of_scene(*found, index, dice);
}

Example Examples::of_scene(std::string_view modality, uint64_t index, Dice& dice) const {
  const Scene scene = draw_scene(seed_, split_, index, options_.limits);
  const bool is_map = modality == "depth" || modality == "normal";
  const Wording wording{.colours = !is_map, .sizes = options_.sizes};
  Example example;
  example.modality = modality;
  example.description = describe(items_of(scene), wording);
  example.exchanges = questions(dice, items_of(scene), options_.questions, options_.asks, wording);
  example.extension = "png";
  if (modality == "points") {
    example.file = write_ply(points_of(dice, scene, {.count = options_.points}));
    example.extension = "ply";
    return example;
  }
  Bytes picture = write_png(render(scene, options_.view));
  if (!is_map) {
    example.file = std::move(picture);
    return example;
  }
  const Maps maps = maps_of(scene, options_.view);
  example.file = modality == "depth" ? write_depth_png(maps) : write_png(normal_picture(maps));
  example.picture = std::move(picture);
  return example;
}

Part save(const Example& example, const std::filesystem::path& folder, const std::string& name) {
  const std::filesystem::path path = folder / fmt::format("{}.{}", name, example.extension);
  write(path, example.file);
  Part part = Part::of_media(std::string(example.modality), path);
  if (!example.picture.empty()) {
    part.rgb = folder / (name + "_picture.png");
    write(part.rgb, example.picture);
  }
  return part;
}

Part part_of(const Example& example) {
  ISTHMUS_CHECK(example.picture.empty(), "depth and normals need files");
  Part part = Part::of_media(std::string(example.modality), {});
  part.data = example.file;
  return part;
}

}  // namespace isthmus::world
