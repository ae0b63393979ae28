#include "world/rows.h"

#include <algorithm>
#include <array>
#include <set>

#include "base/check.h"
#include "world/words.h"

namespace isthmus::world {
namespace {

constexpr double kDescribeChance = .12, kDescribeOtherChance = .4;

size_t count_words(std::string_view text) { return split_words(text).size(); }

template <typename Words>
std::string word(const Words& words, int index) {
  return std::string(words[static_cast<size_t>(index)]);
}

// Fills a row up to its length.
class Writer {
 public:
  Writer(std::string_view kind, int length) : length_(static_cast<size_t>(length)) {
    row_.kind = kind;
  }
  bool fits(std::initializer_list<Span> spans, size_t and_more = 0) const {
    size_t words = words_ + and_more;
    for (const Span& span : spans) words += count_words(span.text);
    return words <= length_;
  }
  void add(std::initializer_list<Span> spans) {
    for (const Span& span : spans) {
      words_ += count_words(span.text);
      row_.spans.push_back(span);
    }
  }
  bool add_if_fits(std::initializer_list<Span> spans) {
    if (!fits(spans)) return false;
    add(spans);
    return true;
  }
  Row take() { return std::move(row_); }
  Row& row() { return row_; }

 private:
  size_t length_;
  size_t words_ = 1;  // <bos>
  Row row_;
};

std::vector<Item> draw_any(Dice& dice, int min_objects, int max_objects) {
  return draw_items(dice, Split::kAny, {.min_objects = min_objects, .max_objects = max_objects});
}

bool add_exchange(Writer& writer, const Exchange& exchange) {
  return writer.add_if_fits({{exchange.question, kDescriptionWeight},
                             {exchange.answer, kAnswerWeight},
                             {".", kEndWeight}});
}

void add_copy(Writer& writer, const std::string& description) {
  writer.add_if_fits({{"describe", kDescriptionWeight}, {description + " .", kCopyWeight}});
}

// Words that mean something by themselves.
std::vector<std::string> content_words() {
  std::set<std::string_view> unique;
  const auto add = [&](const auto& words) { unique.insert(words.begin(), words.end()); };
  add(kShapes);
  add(kColours);
  add(kPlaces);
  add(kNumbers);
  add(kDirections);
  add(kSpeeds);
  add(kPitches);
  add(kSounds);
  add(kActivities);
  return {unique.begin(), unique.end()};
}

struct Medium {
  std::string description;
  std::vector<Exchange> exchanges;
};

// Of any modality but pictures.
Medium draw_other(Dice& dice, const RowOptions& options) {
  constexpr int kExchanges = 2;
  const auto of_account = [&](Account account) {
    dice.shuffle(account.exchanges);
    account.exchanges.resize(kExchanges);
    return Medium{std::move(account.description), std::move(account.exchanges)};
  };
  const auto of_items = [&](const Wording& wording) {
    const std::vector<Item> items = draw_any(dice, 1, std::min(2, options.max_objects));
    return Medium{describe(items, wording),
                  questions(dice, items, kExchanges, options.asks, wording)};
  };
  switch (dice.below(7)) {
    case 0: return of_account(account_of(draw_movement(dice, Split::kAny)));
    case 1: return of_account(account_of(draw_sounds(dice)));
    case 2: return of_account(account_of(draw_activity(dice)));
    case 3: return of_account(account_of_seeing(draw_any(dice, 1, 1)[0]));
    case 4:  // points
      return of_items({.colours = true, .sizes = options.sizes});
    default:  // depth and normals
      return of_items({.colours = false, .sizes = options.sizes});
  }
}

std::string described(Dice& dice, NameClass of, NameForm form, int shape, int colour) {
  const std::string shape_word = word(kShapes, shape), colour_word = word(kColours, colour);
  const std::string both = colour_word + " " + shape_word;
  switch (form) {
    case NameForm::kArticle: return std::string(article(both)) + " " + both;
    case NameForm::kPlaced:
      return std::string(article(both)) + " " + both + " at the " +
             word(kPlaces, dice.below(kNumPlaces));
    case NameForm::kBare: return both;
    case NameForm::kReversed: return shape_word + " " + colour_word;
    case NameForm::kWord:
      return of == NameClass::kShape ? shape_word : of == NameClass::kColour ? colour_word : both;
  }
  return both;
}

}  // namespace

std::string Row::text() const {
  std::string text;
  for (const Span& span : spans) {
    if (!text.empty()) text += ' ';
    text += span.text;
  }
  return text;
}

size_t Row::num_words() const {
  size_t words = 0;
  for (const Span& span : spans) words += count_words(span.text);
  return words;
}

Row text_row(uint64_t seed, uint64_t index, const RowMix& mix, const RowOptions& options) {
  constexpr uint64_t kStream = 0x726f7773;  // "rows"
  Dice dice(seed_of(seed, kStream, index));
  const std::array<double, 5> weights{mix.scenes, mix.modalities, mix.lookups, mix.namings,
                                      mix.tasks};
  switch (dice.weighted(weights)) {
    case 0: return scene_row(dice, options);
    case 1: return modality_row(dice, options);
    case 2: return lookup_row(dice, options);
    case 3: return naming_row(dice, draw_naming(dice), options);
    default: return task_row(dice, draw_task(dice), -1, options);
  }
}

Row scene_row(Dice& dice, const RowOptions& options) {
  constexpr size_t kQuestionRoom = 9;  // or the scene is of no use
  Writer writer("scene", options.length);
  while (true) {
    const std::vector<Item> items = draw_any(dice, 1, options.max_objects);
    const std::string description = describe(items, {.sizes = options.sizes});
    const std::initializer_list<Span> head = {
        {"<img>", 0}, {description, kDescriptionWeight}, {"<sep>", 0}};
    if (!writer.fits(head, kQuestionRoom)) return writer.take();
    writer.add(head);
    int left = items.size() == 1 ? dice.between(1, 3) : dice.between(4, 8);
    if (dice.chance(kDescribeChance)) add_copy(writer, description);
    for (; left > 0; --left)
      if (!add_exchange(writer, ask_any(dice, items, options.asks))) return writer.take();
  }
}

Row modality_row(Dice& dice, const RowOptions& options) {
  Writer writer("modality", options.length);
  while (true) {
    const Medium medium = draw_other(dice, options);
    const std::initializer_list<Span> head = {
        {"<img>", 0}, {medium.description, kDescriptionWeight}, {"<sep>", 0}};
    constexpr size_t kQuestionRoom = 9;
    if (!writer.fits(head, kQuestionRoom)) return writer.take();
    writer.add(head);
    if (dice.chance(kDescribeOtherChance)) add_copy(writer, medium.description);
    for (const Exchange& exchange : medium.exchanges)
      if (!add_exchange(writer, exchange)) return writer.take();
  }
}

Row lookup_row(Dice& dice, const RowOptions& options) {
  static const std::vector<std::string> keys = content_words();
  const int pairs = dice.between(2, 8), num_keys = static_cast<int>(keys.size());
  const std::vector<int> of_keys = dice.sample(num_keys, pairs);
  // A value may be a name, too.
  const std::vector<int> of_values = dice.sample(num_keys + static_cast<int>(kNames.size()), pairs);
  std::vector<bool> seen(static_cast<size_t>(pairs));
  Writer writer("lookup", options.length);
  while (true) {
    const auto pair = static_cast<size_t>(dice.below(pairs));
    const int value = of_values[pair];
    const std::string value_word =
        value < num_keys ? keys[static_cast<size_t>(value)] : word(kNames, value - num_keys);
    if (!writer.add_if_fits({{keys[static_cast<size_t>(of_keys[pair])], 0},
                             {value_word, seen[pair] ? kAnswerWeight : 0},
                             {".", 0}}))
      return writer.take();
    seen[pair] = true;
  }
}

NamingOptions draw_naming(Dice& dice) {
  NamingOptions naming;
  naming.of = static_cast<NameClass>(dice.pick({0, 1, 2, 2}));
  naming.ways = dice.pick({2, 2, 3, 3, 4});
  naming.form = static_cast<NameForm>(dice.pick({0, 0, 1, 2, 3, 4}));
  return naming;
}

std::vector<int> balanced_order(Dice& dice, int ways, int shots) {
  std::vector<int> order;
  for (int i = 0; i < shots; ++i) order.push_back(i % ways);
  dice.shuffle(order);
  order.push_back(dice.below(ways));
  return order;
}

Row naming_row(Dice& dice, const NamingOptions& naming, const RowOptions& options) {
  const auto ways = static_cast<size_t>(naming.ways);
  ISTHMUS_CHECK(naming.ways >= 1 && ways <= kNumShapes, "one to four names");
  const std::vector<int> shapes = dice.sample(kNumShapes, naming.ways);
  const std::vector<int> colours = dice.sample(kNumColours, naming.ways);
  const std::vector<int> names = dice.sample(static_cast<int>(kNames.size()), naming.ways);
  const bool evaluated = naming.shots >= 0;
  const std::vector<int> order = balanced_order(dice, naming.ways, naming.shots);
  Writer writer("naming", evaluated ? 1 << 20 : options.length);
  for (const int name : names) writer.row().names.push_back(word(kNames, name));
  std::vector<bool> seen(ways);
  for (size_t i = 0; !evaluated || i < order.size(); ++i) {
    const auto which = static_cast<size_t>(evaluated ? order[i] : dice.below(naming.ways));
    const int shape = naming.of == NameClass::kColour ? dice.below(kNumShapes) : shapes[which];
    const int colour = naming.of == NameClass::kShape ? dice.below(kNumColours) : colours[which];
    if (!writer.add_if_fits(
            {{"<img> " + described(dice, naming.of, naming.form, shape, colour) + " is", 0},
             {word(kNames, names[which]), seen[which] ? kAnswerWeight : kFirstNameWeight},
             {".", kEpisodeEndWeight}}))
      break;
    seen[which] = true;
  }
  return writer.take();
}

Task draw_task(Dice& dice) { return dice.pick(all_tasks(dice.pick({1, 2, 2}))); }

std::vector<Task> all_tasks(int num_objects) {
  constexpr Attribute kAttributes[] = {Attribute::kColour, Attribute::kShape, Attribute::kPlace};
  std::vector<Task> tasks;
  for (int object = 0; object < num_objects; ++object)
    for (const Attribute attribute : kAttributes) tasks.push_back({num_objects, object, attribute});
  if (num_objects == 1) tasks.push_back({1, 0, Attribute::kColourAndShape});
  return tasks;
}

std::string answer_to(const Task& task, const std::vector<Item>& items) {
  const Item& item = items[static_cast<size_t>(task.object)];
  switch (task.attribute) {
    case Attribute::kColour: return word(kColours, item.colour);
    case Attribute::kShape: return word(kShapes, item.shape);
    case Attribute::kPlace: return word(kPlaces, item.place);
    case Attribute::kColourAndShape: break;
  }
  return word(kColours, item.colour) + " " + word(kShapes, item.shape);
}

Row task_row(Dice& dice, const Task& task, int shots, const RowOptions& options) {
  Writer writer("task", shots >= 0 ? 1 << 20 : options.length);
  for (int i = 0; shots < 0 || i <= shots; ++i) {
    const std::vector<Item> items = draw_any(dice, task.num_objects, task.num_objects);
    if (!writer.add_if_fits({{"<img> " + describe(items, {.sizes = false}) + " <sep>", 0},
                             {answer_to(task, items), i == 0 ? kFirstTaskWeight : kAnswerWeight},
                             {".", kEpisodeEndWeight}}))
      break;
  }
  return writer.take();
}

Row question_row(Dice& dice, Ask kind, int num_objects, const RowOptions& options) {
  constexpr int kTries = 10000;
  for (int i = 0; i < kTries; ++i) {
    const std::vector<Item> items = draw_any(dice, num_objects, num_objects);
    const auto exchange = ask(dice, items, kind);
    if (!exchange) continue;
    Writer writer(exchange->kind, 1 << 20);
    writer.add({{"<img>", 0}, {describe(items, {.sizes = options.sizes}), 0}, {"<sep>", 0}});
    writer.add({{exchange->question, 0}, {exchange->answer, kAnswerWeight}, {".", kEndWeight}});
    return writer.take();
  }
  ISTHMUS_CHECK(false, "this kind of question cannot be asked about so many objects");
}

}  // namespace isthmus::world
