#include "training/world_data.h"

#include <array>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "isthmus/error.h"
#include "training/world_text.h"
#include "world/dice.h"
#include "world/encode.h"
#include "world/episodes.h"
#include "world/film.h"
#include "world/points.h"
#include "world/render.h"
#include "world/rows.h"
#include "world/signals.h"
#include "world/words.h"

namespace isthmus::training {
namespace {

using samples::Sample;
using world::Dice;
using world::Split;

Split split_of(const std::string& name) {
  if (name == "train") return Split::kTrain;
  if (name == "test") return Split::kTest;
  if (name == "held_out") return Split::kHeldOut;
  throw UsageError(
      fmt::format("split \"{}\" of the world: expected train, test or held_out", name));
}

// The seed of everything in a split: nothing that is tested was ever drawn for training.
uint64_t seed_of(Split split) { return 20261126 + static_cast<uint64_t>(split); }

// Samples that are drawn when they are asked for.
class Drawn : public samples::DataSet {
 public:
  explicit Drawn(const recipe::DataEntry& entry)
      : entry_(entry), split_(split_of(entry.split)), seed_(seed_of(split_)) {}

  size_t size() const override { return static_cast<size_t>(entry_.samples); }
  std::string fingerprint() const override {
    return fmt::format("world/1 {} {} {} {} {}", entry_.kind, entry_.modality, entry_.split,
                       entry_.samples, entry_.side);
  }

 protected:
  std::string name(size_t index) const {
    return fmt::format("world/{}/{}[{}]", entry_.kind, entry_.split, index);
  }
  Dice dice(size_t index, uint64_t stream) const {
    return Dice(world::seed_of(seed_, stream, index));
  }

  recipe::DataEntry entry_;
  Split split_;
  uint64_t seed_;
};

class Chat final : public Drawn {
 public:
  using Drawn::Drawn;
  Sample at(size_t index) const override {
    Dice own = dice(index, 1);
    return chat_document(own, name(index));
  }
};

class Rows final : public Drawn {
 public:
  using Drawn::Drawn;
  Sample at(size_t index) const override {
    return row_document(world::text_row(seed_, index, {.scenes = 2, .modalities = 0}), name(index));
  }
};

// Names given to 2 objects, then one of them asked for: k shots, of which none is learnt.
class Names final : public Drawn {
 public:
  using Drawn::Drawn;
  Sample at(size_t index) const override {
    static constexpr std::array<int, 4> kShots = {1, 2, 4, 8};
    Dice own = dice(index, 5);
    const int shots = kShots[index % kShots.size()];
    const bool colour = index / kShots.size() % 2 == 1;
    world::Row row = world::naming_row(
        own, {.of = colour ? world::NameClass::kColour : world::NameClass::kObject,
              .ways = 2,
              .shots = shots});
    // Only the query counts.
    for (size_t i = 0; i + 2 < row.spans.size(); ++i) row.spans[i].weight = 0;
    Sample sample = row_document(row, name(index));
    sample.weights[sample.weights.size() - 2] = 1;
    sample.tags = {fmt::format("{} by {}, {} shots", "name", colour ? "colour" : "object", shots)};
    return sample;
  }
};

Part picture_of(const world::Scene& scene, int64_t side) {
  const auto size = static_cast<int>(side);
  return Part::of_image_data(world::write_png(world::render(scene, {size, size})));
}

Part medium_of(const std::string& modality, world::Bytes bytes) {
  Part part = Part::of_media(modality, {});
  part.data = std::move(bytes);
  return part;
}

// A medium, and what it shows.
struct Shown {
  Part medium;
  Topic topic;
};

// One of the eight kinds of media.
class Media : public Drawn {
 public:
  explicit Media(const recipe::DataEntry& entry) : Drawn(entry) {
    for (const char* known :
         {"image", "video", "audio", "points", "depth", "normal", "imu", "fmri"})
      if (entry.modality == known) return;
    throw UsageError(fmt::format("the world has no modality \"{}\"", entry.modality));
  }

 protected:
  static constexpr int kQuestions = 6;

  Shown draw(size_t index) const {
    Dice own = dice(index, 3);
    const std::string& kind = entry_.modality;
    const auto account = [&](world::Bytes bytes, world::Account told) {
      own.shuffle(told.exchanges);
      return Shown{medium_of(kind, std::move(bytes)),
                   {std::move(told.description), std::move(told.exchanges)}};
    };
    if (kind == "video") {
      const auto movement = world::draw_movement(own, split_);
      return account(world::write_avi(world::film_of(own, movement, {.view = view()})),
                     world::account_of(movement));
    }
    if (kind == "audio") {
      const auto sounds = world::draw_sounds(own);
      const world::SoundOptions options;
      return account(world::write_wav(world::wave_of(own, sounds, options), options.sample_rate),
                     world::account_of(sounds));
    }
    if (kind == "imu") {
      const auto activity = world::draw_activity(own);
      return account(world::write_csv(world::motion_of(own, activity)),
                     world::account_of(activity));
    }
    const int most = kind == "fmri" ? 1 : kind == "image" ? 4 : 2;
    const world::Scene scene =
        world::draw_scene(seed_, split_, index, {.min_objects = 1, .max_objects = most});
    const auto items = world::items_of(scene);
    if (kind == "fmri") {
      const auto activity = brain_.activity(own, scene);
      return account(
          world::write_npy(activity, {1, static_cast<int64_t>(activity.size())}),
          world::account_of_seeing(items.front()));
    }
    const world::Wording wording{.colours = kind != "depth" && kind != "normal"};
    const int count = items.size() == 1 ? own.between(2, 4) : kQuestions;
    return {of_scene(own, scene), scene_topic(own, items, count, wording)};
  }

 private:
  world::View view() const {
    return {static_cast<int>(entry_.side), static_cast<int>(entry_.side)};
  }

  Part of_scene(Dice& own, const world::Scene& scene) const {
    const std::string& kind = entry_.modality;
    if (kind == "points")
      return medium_of(kind, world::write_ply(world::points_of(own, scene, {.count = kPoints})));
    if (kind == "image") return picture_of(scene, entry_.side);
    // The map beside a dark picture: what it shows is in the map alone.
    const world::Maps maps = world::maps_of(scene, view());
    Part part = medium_of(kind, kind == "depth"
                                    ? world::write_depth_png(maps)
                                    : world::write_png(world::normal_picture(maps)));
    part.rgb_data = world::write_png(
        media::filled_image(entry_.side, entry_.side, media::Rgb{0, 0, 0}));
    return part;
  }

  static constexpr int kPoints = 1024, kVoxels = 512;
  world::Brain brain_{kVoxels};
};

class Questions final : public Media {
 public:
  using Media::Media;
  Sample at(size_t index) const override {
    Shown shown = draw(index);
    Sample sample;
    sample.name = name(index);
    sample.media = {std::move(shown.medium)};
    for (const world::Exchange& exchange : shown.topic.exchanges) {
      sample.turns.push_back(
          {"user", (sample.turns.empty() ? "<image>\n" : "") + exchange.question});
      sample.turns.push_back({"assistant", exchange.answer});
      sample.tags.emplace_back(exchange.kind);
    }
    return sample;
  }
};

class Captions final : public Media {
 public:
  using Media::Media;
  Sample at(size_t index) const override {
    Shown shown = draw(index);
    Sample sample;
    sample.name = name(index);
    if (entry_.kind == "plain") {
      sample.media = {std::move(shown.medium)};
      sample.turns = {{"user", "<image>"}, {"assistant", shown.topic.description}};
    } else {
      sample.document = {std::move(shown.medium), Part::of_text(shown.topic.description)};
    }
    return sample;
  }
};

// Flamingo's documents.
class Album final : public Drawn {
 public:
  explicit Album(const recipe::DataEntry& entry)
      : Drawn(entry), album_(seed_, split_, counts(entry)) {}

  Sample at(size_t index) const override {
    const world::Episode episode = entry_.kind == "episodes"
                                       ? world::draw_episode(seed_, index, album_)
                                       : world::draw_picture_row(seed_, index, album_);
    Sample sample;
    sample.name = name(index);
    size_t picture = 0;
    bool first = true;
    for (const world::Span& span : episode.row.spans) {
      std::string text;
      const auto flush = [&] {
        if (text.empty()) return;
        sample.document.push_back(Part::of_text(std::exchange(text, {})));
        sample.weights.push_back(static_cast<float>(span.weight));
        if (span.weight >= world::kAnswerWeight) sample.tags.emplace_back(episode.row.kind);
      };
      for (const std::string_view word : world::split_words(span.text)) {
        if (word == "<img>") {
          flush();
          sample.document.push_back(
              picture_of(album_.scene(episode.pictures.at(picture++)), entry_.side));
          sample.weights.push_back(0);
          first = true;
        } else if (word != ".") {  // the end of a chunk, which the family writes
          if (!std::exchange(first, false)) text += ' ';
          text += word == "<sep>" ? std::string_view(":") : word;
        }
      }
      flush();
    }
    return sample;
  }

 private:
  static world::Album::Counts counts(const recipe::DataEntry& entry) {
    return entry.split == "train" ? world::Album::Counts{5000, 5000, 3000, 0}
                                  : world::Album::Counts{800, 600, 400, 0};
  }

  world::Album album_;
};

}  // namespace

std::unique_ptr<samples::DataSet> open_world(const recipe::DataEntry& entry) {
  if (entry.kind == "chat") return std::make_unique<Chat>(entry);
  if (entry.kind == "rows") return std::make_unique<Rows>(entry);
  if (entry.kind == "names") return std::make_unique<Names>(entry);
  if (entry.kind == "questions") return std::make_unique<Questions>(entry);
  if (entry.kind == "captions" || entry.kind == "plain") return std::make_unique<Captions>(entry);
  if (entry.kind == "episodes" || entry.kind == "pictures") return std::make_unique<Album>(entry);
  throw UsageError(fmt::format("kind \"{}\" of the world: expected chat, rows, names, questions, captions, "
                               "plain, episodes or pictures",
                               entry.kind));
}

}  // namespace isthmus::training
