#include "world/episodes.h"

#include <algorithm>

#include "base/check.h"
#include "world/text.h"
#include "world/words.h"

namespace isthmus::world {
namespace {

std::string name_word(int index) { return std::string(kNames[static_cast<size_t>(index)]); }

size_t pair_index(int shape, int colour) {
  return static_cast<size_t>(shape) * kNumColours + static_cast<size_t>(colour);
}

// Pairs of which the album has pictures, as far as they belong to a class.
std::vector<Item> pairs_of(const Album& album, NameClass of, const Item& wanted) {
  std::vector<Item> pairs;
  for (int shape = 0; shape < static_cast<int>(kNumShapes); ++shape)
    for (int colour = 0; colour < static_cast<int>(kNumColours); ++colour) {
      if (album.of_pair(shape, colour).empty()) continue;
      if (of != NameClass::kColour && shape != wanted.shape) continue;
      if (of != NameClass::kShape && colour != wanted.colour) continue;
      pairs.push_back({.shape = shape, .colour = colour});
    }
  return pairs;
}

// So many different classes, of each of which the album has a picture.
std::vector<Item> draw_classes(Dice& dice, const Album& album, const NamingEpisode& naming) {
  constexpr int kTries = 100000;
  for (int i = 0; i < kTries; ++i) {
    const std::vector<int> shapes = dice.sample(kNumShapes, naming.ways);
    const std::vector<int> colours = dice.sample(kNumColours, naming.ways);
    std::vector<Item> classes;
    for (size_t k = 0; k < shapes.size(); ++k) {
      const Item item{.shape = shapes[k], .colour = colours[k]};
      if (!pairs_of(album, naming.of, item).empty()) classes.push_back(item);
    }
    if (classes.size() == shapes.size()) return classes;
  }
  ISTHMUS_CHECK(false, "the album has not enough different pictures of one object");
}

size_t other_picture(Dice& dice, const Album& album, size_t picture) {
  return dice.pick(album.of_objects(static_cast<int>(album.scene(picture).objects.size())));
}

}  // namespace

Album::Album(uint64_t seed, Split split, const Counts& counts) {
  constexpr uint64_t kStream = 0x616c62756d;  // "album"
  for (size_t k = 0; k < counts.size(); ++k) {
    const int objects = static_cast<int>(k) + 1;
    const uint64_t own_seed = seed_of(seed, kStream, k);
    for (size_t i = 0; i < counts[k]; ++i) {
      by_count_[k].push_back(scenes_.size());
      scenes_.push_back(
          draw_scene(own_seed, split, i, {.min_objects = objects, .max_objects = objects}));
      if (objects > 1) continue;
      const Item& item = scenes_.back().objects[0].what;
      by_pair_[pair_index(item.shape, item.colour)].push_back(scenes_.size() - 1);
    }
  }
}

const std::vector<size_t>& Album::of_objects(int count) const {
  return by_count_[static_cast<size_t>(count) - 1];
}

const std::vector<size_t>& Album::of_pair(int shape, int colour) const {
  return by_pair_[pair_index(shape, colour)];
}

Episode naming_episode(Dice& dice, const Album& album, const NamingEpisode& naming) {
  ISTHMUS_CHECK(naming.ways >= 1 && naming.ways <= static_cast<int>(kNumShapes),
                "one to four names");
  const std::vector<Item> classes = draw_classes(dice, album, naming);
  const std::vector<int> names = dice.sample(static_cast<int>(kNames.size()), naming.ways);
  std::vector<int> order;
  if (naming.balanced)
    order = balanced_order(dice, naming.ways, naming.shots);
  else
    for (int i = 0; i <= naming.shots; ++i) order.push_back(dice.below(naming.ways));
  Episode episode;
  episode.row.kind = "naming";
  for (const int name : names) episode.row.names.push_back(name_word(name));
  std::vector<bool> seen(classes.size());
  for (const int which : order) {
    const auto at = static_cast<size_t>(which);
    const Item pair = dice.pick(pairs_of(album, naming.of, classes[at]));
    episode.pictures.push_back(dice.pick(album.of_pair(pair.shape, pair.colour)));
    episode.row.spans.push_back({"<img> is", 0});
    episode.row.spans.push_back({name_word(names[at]), seen[at] ? kAnswerWeight : 0});
    episode.row.spans.push_back({".", 0});
    seen[at] = true;
  }
  return episode;
}

Episode task_episode(Dice& dice, const Album& album, const Task& task, int shots) {
  Episode episode;
  episode.row.kind = "task";
  for (int i = 0; i <= shots; ++i) {
    episode.pictures.push_back(dice.pick(album.of_objects(task.num_objects)));
    episode.row.spans.push_back({"<img> <sep>", 0});
    episode.row.spans.push_back({answer_to(task, items_of(album.scene(episode.pictures.back()))),
                                 i == 0 ? kFirstTaskWeight : kAnswerWeight});
    episode.row.spans.push_back({".", 0});
  }
  return episode;
}

Episode question_episode(Dice& dice, const Album& album, size_t picture, const AskWeights& asks) {
  const Exchange exchange = ask_any(dice, items_of(album.scene(picture)), asks);
  Episode episode;
  episode.row.kind = exchange.kind;
  episode.pictures = {picture};
  episode.row.spans = {{"<img> <sep> " + exchange.question, 0},
                       {exchange.answer + " .", kAnswerWeight}};
  return episode;
}

Episode description_episode(const Album& album, size_t picture, bool sizes) {
  Episode episode;
  episode.row.kind = "describe";
  episode.pictures = {picture};
  episode.row.spans = {
      {"<img> <sep> describe", 0},
      {describe(items_of(album.scene(picture)), {.sizes = sizes}) + " .", kAnswerWeight}};
  return episode;
}

Episode draw_episode(uint64_t seed, uint64_t index, const Album& album, int shots) {
  constexpr uint64_t kStream = 0x657069736f6465;  // "episode"
  Dice dice(seed_of(seed, kStream, index));
  if (dice.chance(.5)) {
    const auto of = static_cast<NameClass>(dice.pick({0, 1, 2, 2}));
    const int ways = dice.pick({2, 2, 3});
    return naming_episode(dice, album, {.of = of, .ways = ways, .shots = shots});
  }
  std::vector<Task> tasks = all_tasks(dice.pick({1, 2}));
  // Answers of one word only, so that all parts of an episode have the same length.
  std::erase_if(tasks,
                [](const Task& task) { return task.attribute == Attribute::kColourAndShape; });
  return task_episode(dice, album, dice.pick(tasks), shots);
}

Episode draw_picture_row(uint64_t seed, uint64_t index, const Album& album, bool sizes,
                         const AskWeights& asks) {
  constexpr uint64_t kStream = 0x706963747572;  // "pictur"
  constexpr double kDescriptions = .4;
  Dice dice(seed_of(seed, kStream, index));
  const size_t picture = dice.pick(album.of_objects(dice.pick({1, 1, 2, 2, 3})));
  return dice.chance(kDescriptions) ? description_episode(album, picture, sizes)
                                    : question_episode(dice, album, picture, asks);
}

Episode with_other_shots(Dice& dice, const Album& album, Episode episode) {
  for (size_t i = 0; i + 1 < episode.pictures.size(); ++i)
    episode.pictures[i] = other_picture(dice, album, episode.pictures[i]);
  return episode;
}

Episode with_other_query(Dice& dice, const Album& album, Episode episode) {
  episode.pictures.back() = other_picture(dice, album, episode.pictures.back());
  return episode;
}

}  // namespace isthmus::world
