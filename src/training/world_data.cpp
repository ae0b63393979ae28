#include "training/world_data.h"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "isthmus/error.h"
#include "training/world_text.h"
#include "world/dice.h"
#include "world/encode.h"
#include "world/episodes.h"
#include "world/examples.h"
#include "world/render.h"
#include "world/rows.h"
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

world::AskWeights asks_of(const recipe::DataEntry& entry) {
  world::AskWeights weights = world::kUsualAsks;
  for (const auto& [name, weight] : entry.asks) {
    size_t ask = 0;
    while (ask < world::kNumAsks && world::name_of(static_cast<world::Ask>(ask)) != name) ++ask;
    if (ask == world::kNumAsks)
      throw UsageError(fmt::format("asks: \"{}\" is no kind of question", name));
    weights[ask] = weight;
  }
  return weights;
}

// Samples that are drawn when they are asked for.
class Drawn : public samples::DataSet {
 public:
  explicit Drawn(const recipe::DataEntry& entry)
      : entry_(entry), split_(split_of(entry.split)), seed_(seed_of(split_)) {}

  size_t size() const override { return static_cast<size_t>(entry_.samples); }
  std::string fingerprint() const override {
    return fmt::format("world/1 {} {} {} {} {} {}", entry_.kind, entry_.modality, entry_.split,
                       entry_.samples, entry_.side, fmt::join(asks_of(entry_), " "));
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
  explicit Chat(const recipe::DataEntry& entry) : Drawn(entry), asks_(asks_of(entry)) {}
  Sample at(size_t index) const override {
    Dice own = dice(index, 1);
    return chat_document(own, asks_, name(index));
  }

 private:
  world::AskWeights asks_;
};

class DrawnRows final : public Drawn {
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

// One of the eight kinds of media.
class Media : public Drawn {
 public:
  explicit Media(const recipe::DataEntry& entry)
      : Drawn(entry), examples_(seed_, split_, options(entry)) {
    if (std::ranges::find(world::kModalities, entry.modality) == world::kModalities.end())
      throw UsageError(fmt::format("the world has no modality \"{}\": expected one of {}",
                                   entry.modality, fmt::join(world::kModalities, ", ")));
    dark_ = world::write_png(media::filled_image(entry.side, entry.side, media::Rgb{0, 0, 0}));
  }

 protected:
  static constexpr int kPoints = 1024, kVoxels = 512;

  world::Example draw(size_t index) const { return examples_.draw(entry_.modality, index); }

  // Maps stand beside a dark picture: what is asked is in the map alone.
  Part medium_of(world::Example& example) const {
    Part part = Part::of_media(std::string(example.modality), {});
    part.data = std::move(example.file);
    if (!example.picture.empty()) part.rgb_data = dark_;
    return part;
  }

 private:
  static world::ExampleOptions options(const recipe::DataEntry& entry) {
    world::ExampleOptions options;
    options.view = {static_cast<int>(entry.side), static_cast<int>(entry.side), 1};
    options.points = kPoints;
    options.voxels = kVoxels;
    if (entry.modality != "image")
      options.limits.max_objects = 2;
    else
      options.limits.max_objects = 4;
    options.asks = asks_of(entry);
    return options;
  }

  world::Examples examples_;
  world::Bytes dark_;
};

class Questions final : public Media {
 public:
  using Media::Media;
  Sample at(size_t index) const override {
    world::Example shown = draw(index);
    Sample sample;
    sample.name = name(index);
    sample.media = {medium_of(shown)};
    for (const world::Exchange& exchange : shown.exchanges) {
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
    world::Example shown = draw(index);
    Sample sample;
    sample.name = name(index);
    if (entry_.kind == "plain") {
      sample.media = {medium_of(shown)};
      sample.turns = {{"user", "<image>"}, {"assistant", shown.description}};
    } else {
      sample.document = {medium_of(shown), Part::of_text(shown.description)};
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
    if (entry_.kind == "shots") return shots(index);
    return document_of(entry_.kind == "episodes" ? world::draw_episode(seed_, index, album_)
                                                 : world::draw_picture_row(seed_, index, album_),
                       index);
  }

 private:
  // Two kinds of objects have names, 1, 2, 4 or 8 pictures say which; only the query counts.
  Sample shots(size_t index) const {
    static constexpr std::array<int, 4> kShots = {1, 2, 4, 8};
    Dice own = dice(index, 7);
    const int count = kShots[index % kShots.size()];
    Sample sample = document_of(
        world::naming_episode(
            own, album_,
            {.of = world::NameClass::kObject, .ways = 2, .shots = count, .balanced = true}),
        index);
    std::ranges::fill(sample.weights, 0.0f);
    sample.weights.back() = 1;
    sample.tags = {fmt::format("{} shots", count)};
    return sample;
  }

  Sample document_of(const world::Episode& episode, size_t index) const {
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

  static world::Album::Counts counts(const recipe::DataEntry& entry) {
    return entry.split == "train" ? world::Album::Counts{5000, 5000, 3000, 0}
                                  : world::Album::Counts{800, 600, 400, 0};
  }

  world::Album album_;
};

}  // namespace

std::unique_ptr<samples::DataSet> open_world(const recipe::DataEntry& entry) {
  if (entry.kind == "chat") return std::make_unique<Chat>(entry);
  if (entry.kind == "rows") return std::make_unique<DrawnRows>(entry);
  if (entry.kind == "names") return std::make_unique<Names>(entry);
  if (entry.kind == "questions") return std::make_unique<Questions>(entry);
  if (entry.kind == "captions" || entry.kind == "plain") return std::make_unique<Captions>(entry);
  if (entry.kind == "episodes" || entry.kind == "pictures" || entry.kind == "shots")
    return std::make_unique<Album>(entry);
  throw UsageError(
      fmt::format("kind \"{}\" of the world: expected chat, rows, names, questions, captions, "
                  "plain, episodes, shots or pictures",
                  entry.kind));
}

}  // namespace isthmus::training
