#include "world/text.h"

#include <algorithm>

#include "base/check.h"
#include "world/words.h"

namespace isthmus::world {
namespace {

constexpr std::array<std::string_view, kNumAsks> kAskNames{
    "color", "shape", "where", "at",     "exists", "count", "size",
    "left",  "right", "front", "behind", "larger", "closer"};

template <typename Words>
std::string_view word(const Words& words, int index) {
  return words[static_cast<size_t>(index)];
}

std::string join(std::initializer_list<std::string_view> words) {
  std::string text;
  for (const std::string_view each : words) {
    if (each.empty()) continue;
    if (!text.empty()) text += ' ';
    text += each;
  }
  return text;
}

// "red cube", or "cube" where no colours are seen.
std::string noun(const Item& item, const Wording& wording) {
  return join({wording.colours ? word(kColours, item.colour) : "", word(kShapes, item.shape)});
}

std::string with_article(const std::string& noun) { return join({article(noun), noun}); }

int column_of(const Item& item) { return item.place % 3; }
int row_of(const Item& item) { return item.place / 3; }  // 0 is the back

// What stands next to items[which] towards smaller (step -1) or larger (1) values of `line_of`:
// -1 for nothing, or no answer where two objects share a line so that the order is in doubt.
template <typename Line>
std::optional<int> neighbour(const std::vector<Item>& items, size_t which, int step, Line line_of) {
  std::array<int, 3> owners{-1, -1, -1};
  std::array<int, 3> counts{};
  for (size_t k = 0; k < items.size(); ++k) {
    owners[static_cast<size_t>(line_of(items[k]))] = static_cast<int>(k);
    ++counts[static_cast<size_t>(line_of(items[k]))];
  }
  int line = line_of(items[which]);
  if (counts[static_cast<size_t>(line)] > 1) return std::nullopt;
  for (line += step; line >= 0 && line < 3; line += step) {
    if (counts[static_cast<size_t>(line)] > 1) return std::nullopt;
    if (counts[static_cast<size_t>(line)] == 1) return owners[static_cast<size_t>(line)];
  }
  return -1;
}

std::optional<Exchange> ask_neighbour(const std::vector<Item>& items, size_t which, Ask kind,
                                      const Wording& wording) {
  const bool across = kind == Ask::kLeft || kind == Ask::kRight;
  const int step = kind == Ask::kLeft || kind == Ask::kBehind ? -1 : 1;
  const std::optional<int> found =
      across ? neighbour(items, which, step, column_of) : neighbour(items, which, step, row_of);
  if (!found) return std::nullopt;
  const std::string_view relation = kind == Ask::kLeft    ? "left of"
                                    : kind == Ask::kRight ? "right of"
                                    : kind == Ask::kFront ? "in front of"
                                                          : "behind";
  return Exchange{
      name_of(kind), join({"what is", relation, "the", noun(items[which], wording), "?"}),
      *found < 0 ? "nothing" : with_article(noun(items[static_cast<size_t>(*found)], wording))};
}

std::optional<Exchange> ask_comparison(Dice& dice, const std::vector<Item>& items, size_t which,
                                       Ask kind, const Wording& wording) {
  if (items.size() < 2) return std::nullopt;
  const Item& one = items[which];
  const auto step = static_cast<size_t>(dice.between(1, static_cast<int>(items.size()) - 1));
  const Item& other = items[(which + step) % items.size()];
  const int difference = kind == Ask::kLarger ? one.size - other.size : row_of(one) - row_of(other);
  constexpr double kEqualKept = .6;
  if (difference == 0 && (kind == Ask::kCloser || !dice.chance(kEqualKept))) return std::nullopt;
  const std::string first = "the " + noun(one, wording), second = "the " + noun(other, wording);
  return Exchange{
      name_of(kind),
      join({"which is", kind == Ask::kLarger ? "larger" : "closer", ",", first, "or", second, "?"}),
      difference == 0  ? "neither"
      : difference > 0 ? first
                       : second};
}

bool holds(const std::vector<Item>& items, const Item& wanted, const Wording& wording) {
  return std::any_of(items.begin(), items.end(), [&](const Item& item) {
    return item.shape == wanted.shape && (!wording.colours || item.colour == wanted.colour);
  });
}

Exchange ask_existence(Dice& dice, const std::vector<Item>& items, size_t which,
                       const Wording& wording) {
  Item wanted = items[which];
  const bool present = dice.chance(.5);
  // Without colours, four objects of different shapes leave nothing that is not there.
  const bool possible = wording.colours || items.size() < kNumShapes;
  while (!present && possible && holds(items, wanted, wording)) {
    // Hard: the colour of one object with the shape of another.
    constexpr double kHard = .6;
    if (wording.colours && items.size() > 1 && dice.chance(kHard)) {
      wanted.shape = dice.pick(items).shape;
      wanted.colour = dice.pick(items).colour;
    } else {
      wanted.shape = dice.below(kNumShapes);
      wanted.colour = dice.below(kNumColours);
    }
  }
  return {name_of(Ask::kExists), join({"is there", with_article(noun(wanted, wording)), "?"}),
          holds(items, wanted, wording) ? "yes" : "no"};
}

bool shape_is_single(const std::vector<Item>& items, int shape) {
  return std::count_if(items.begin(), items.end(),
                       [&](const Item& item) { return item.shape == shape; }) == 1;
}

}  // namespace

std::string_view name_of(Ask ask) { return kAskNames[static_cast<size_t>(ask)]; }

std::string describe(const std::vector<Item>& items, const Wording& wording) {
  std::string text;
  for (const Item& item : items) {
    const std::string seen =
        join({wording.sizes ? word(kSizes, item.size) : "", noun(item, wording)});
    text +=
        join({text.empty() ? "" : " and", with_article(seen), "at the", word(kPlaces, item.place)});
  }
  return text;
}

std::optional<Exchange> ask(Dice& dice, const std::vector<Item>& items, Ask kind,
                            const Wording& wording) {
  const auto which = static_cast<size_t>(dice.below(static_cast<int>(items.size())));
  const Item& item = items[which];
  const std::string it = noun(item, wording);
  const std::string_view name = name_of(kind);
  // Where only the shape names an object, it has to be the only one of its shape.
  const bool named_by_shape = kind == Ask::kColour || !wording.colours;
  if (named_by_shape && kind != Ask::kExists && kind != Ask::kCount &&
      !shape_is_single(items, item.shape))
    return std::nullopt;
  if (!wording.colours && (kind == Ask::kColour || kind == Ask::kShape)) return std::nullopt;
  switch (kind) {
    case Ask::kColour:
      return Exchange{name, join({"what color is the", word(kShapes, item.shape), "?"}),
                      std::string(word(kColours, item.colour))};
    case Ask::kShape:
      return Exchange{name, join({"what shape is", word(kColours, item.colour), "?"}),
                      std::string(word(kShapes, item.shape))};
    case Ask::kWhere:
      return Exchange{name, join({"where is the", it, "?"}),
                      std::string(word(kPlaces, item.place))};
    case Ask::kAt:
      return Exchange{name, join({"what is at the", word(kPlaces, item.place), "?"}),
                      with_article(it)};
    case Ask::kExists: return ask_existence(dice, items, which, wording);
    case Ask::kCount:
      return Exchange{name, "how many objects ?",
                      std::string(word(kNumbers, static_cast<int>(items.size()) - 1))};
    case Ask::kSize:
      return Exchange{name, join({"what size is the", it, "?"}),
                      std::string(word(kSizes, item.size))};
    case Ask::kLarger:
    case Ask::kCloser: return ask_comparison(dice, items, which, kind, wording);
    default: return ask_neighbour(items, which, kind, wording);
  }
}

Exchange ask_any(Dice& dice, const std::vector<Item>& items, const AskWeights& weights,
                 const Wording& wording) {
  constexpr int kTries = 10000;
  for (int i = 0; i < kTries; ++i) {
    const auto kind = static_cast<Ask>(dice.weighted(weights));
    if (auto exchange = ask(dice, items, kind, wording)) return *exchange;
  }
  ISTHMUS_CHECK(false, "none of these kinds of questions can be asked about this scene");
}

std::vector<Exchange> questions(Dice& dice, const std::vector<Item>& items, int count,
                                const AskWeights& weights, const Wording& wording) {
  std::vector<Exchange> chosen;
  const int tries = 8 * count;
  for (int i = 0; i < tries && static_cast<int>(chosen.size()) < count; ++i) {
    Exchange exchange = ask_any(dice, items, weights, wording);
    const bool known = std::any_of(chosen.begin(), chosen.end(), [&](const Exchange& other) {
      return other.question == exchange.question;
    });
    if (!known) chosen.push_back(std::move(exchange));
  }
  return chosen;
}

Account account_of(const Movement& movement) {
  const Item& item = movement.what;
  const std::string colour(word(kColours, item.colour)), shape(word(kShapes, item.shape));
  const std::string way(word(kDirections, movement.direction));
  const std::string speed(word(kSpeeds, movement.speed));
  return {join({with_article(colour + " " + shape), "moving", way, speed}),
          {{"color", "what color is it ?", colour},
           {"shape", "what shape is it ?", shape},
           {"direction", "which way does it move ?", way},
           {"speed", "how fast does it move ?", speed}}};
}

Account account_of(const Sounds& sounds) {
  const std::string count(word(kNumbers, sounds.count - 1)), pitch(word(kPitches, sounds.pitch));
  const std::string_view kind = word(kSounds, sounds.kind);
  return {join({count, pitch, sounds.count == 1 ? kind : word(kSoundPlurals, sounds.kind)}),
          {{"count", "how many ?", count},
           {"pitch", "what pitch ?", pitch},
           {"sound", "what sound ?", std::string(kind)}}};
}

Account account_of(const Activity& activity) {
  const std::string doing(word(kActivities, activity.activity)), way(word(kTurns, activity.turn));
  return {join({"a person", doing, "turning", way}),
          {{"activity", "what is the person doing ?", doing},
           {"turn", "which way is the person turning ?", way}}};
}

Account account_of_seeing(const Item& seen) {
  const std::string colour(word(kColours, seen.colour)), shape(word(kShapes, seen.shape));
  return {join({"seeing", with_article(colour + " " + shape)}),
          {{"color", "what color is it ?", colour}, {"shape", "what shape is it ?", shape}}};
}

Movement draw_movement(Dice& dice, Split split) {
  const Item item = draw_items(dice, split, {.min_objects = 1, .max_objects = 1})[0];
  return {item, dice.below(kDirections.size()), dice.below(kSpeeds.size())};
}

Sounds draw_sounds(Dice& dice) {
  return {dice.between(1, 4), dice.below(kPitches.size()), dice.below(kSounds.size())};
}

Activity draw_activity(Dice& dice) {
  return {dice.below(kActivities.size()), dice.below(kTurns.size())};
}

}  // namespace isthmus::world
