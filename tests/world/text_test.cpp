#include "world/text.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include <gtest/gtest.h>

#include "world/words.h"

namespace isthmus::world {
namespace {

using Words = std::vector<std::string>;

Words words_in(const std::string& text) {
  Words words;
  for (const auto word : split_words(text)) words.emplace_back(word);
  return words;
}

std::string name(const Object& object) {
  return std::string(kColours[static_cast<size_t>(object.what.colour)]) + " " +
         std::string(kShapes[static_cast<size_t>(object.what.shape)]);
}

std::string with_a(const std::string& noun) {
  return (noun.starts_with("orange") ? "an " : "a ") + noun;
}

// The answer from coordinates alone, worked out another way; "?" if there is none.
std::string truth(const Scene& scene, const std::string& question) {
  const Words q = words_in(question);
  const auto& objects = scene.objects;
  const auto named = [&](size_t at) {
    for (const Object& object : objects)
      if (name(object) == q[at] + " " + q[at + 1]) return &object;
    return static_cast<const Object*>(nullptr);
  };
  // Depth of an object's middle along the camera's axis, and how far right the picture shows it.
  const auto right = [](const Object& object) {
    const double forward_y = 5.9 / std::sqrt(5.9 * 5.9 + 9),
                 forward_z = -3 / std::sqrt(5.9 * 5.9 + 9);
    const double size = object.what.size ? .64 : .38;
    return object.x / ((object.y + 6) * forward_y + (size - 3.3) * forward_z);
  };
  const auto place = [&](const Object& object) {
    const std::string row = object.y > .6 ? "back" : object.y < -.4 ? "front" : "";
    const std::string column = right(object) < -.075 ? "left" : right(object) > .075 ? "right" : "";
    if (row.empty()) return column.empty() ? std::string("center") : column;
    return column.empty() ? row : row + "-" + column;
  };
  if (question.starts_with("what color is the")) {
    for (const Object& object : objects)
      if (kShapes[static_cast<size_t>(object.what.shape)] == q[4]) return words_in(name(object))[0];
  } else if (question.starts_with("what shape is")) {
    for (const Object& object : objects)
      if (kColours[static_cast<size_t>(object.what.colour)] == q[3])
        return words_in(name(object))[1];
  } else if (question.starts_with("where is the")) {
    return place(*named(3));
  } else if (question.starts_with("what is at the")) {
    for (const Object& object : objects)
      if (place(object) == q[4]) return with_a(name(object));
  } else if (question.starts_with("is there")) {
    return named(3) != nullptr ? "yes" : "no";
  } else if (question == "how many objects ?") {
    return std::string(kNumbers[objects.size() - 1]);
  } else if (question.starts_with("what size is the")) {
    return named(4)->what.size ? "large" : "small";
  } else if (question.starts_with("which is")) {
    const Object *one = named(5), *other = named(9);
    const double difference =
        q[2] == "larger" ? one->what.size - other->what.size : other->y - one->y;
    return difference == 0 ? "neither" : "the " + name(difference > 0 ? *one : *other);
  } else {  // what is left of the …, right of, in front of, behind
    const bool across = q[2] == "left" || q[2] == "right";
    const double sign = q[2] == "left" || q[2] == "in" ? -1 : 1;
    const Object& it = *named(q.size() - 3);
    const auto along = [&](const Object& object) {
      return sign * (across ? right(object) - right(it) : object.y - it.y);
    };
    const Object* next = nullptr;
    for (const Object& object : objects)
      if (along(object) > 0 && (next == nullptr || along(object) < along(*next))) next = &object;
    return next == nullptr ? "nothing" : with_a(name(*next));
  }
  return "?";
}

TEST(Text, AnswersAreTrueOfTheScene) {
  std::map<std::string, std::map<std::string, int>> answers;
  for (uint64_t i = 0; i < 1500; ++i) {
    const Scene scene =
        draw_scene(11, Split::kAny, i, {.max_objects = 4, .different_shapes = i % 3 != 0});
    Dice dice(i);
    for (size_t kind = 0; kind < kNumAsks; ++kind) {
      const auto exchange = ask(dice, items_of(scene), static_cast<Ask>(kind));
      if (!exchange) continue;
      ASSERT_EQ(exchange->answer, truth(scene, exchange->question))
          << exchange->question << " of " << describe(items_of(scene));
      ++answers[std::string(exchange->kind)][exchange->answer];
    }
  }
  EXPECT_EQ(answers.size(), kNumAsks);
  EXPECT_NEAR(answers["exists"]["yes"], 750, 75);
  EXPECT_EQ(answers["where"].size(), 9u);
  EXPECT_EQ(answers["color"].size(), 8u);
  for (const char* relation : {"left", "right", "front", "behind"})
    EXPECT_GT(answers[relation]["nothing"], 100);
  EXPECT_GT(answers["larger"]["neither"], 100);
}

TEST(Text, DescriptionsSayEveryObjectInOrder) {
  const std::vector<Item> items{{1, 0, 0, 0}, {3, 5, 1, 7}};
  EXPECT_EQ(describe(items),
            "a small red cube at the back-left and a large orange cone at the front");
  EXPECT_EQ(describe(items, {.sizes = false}),
            "a red cube at the back-left and an orange cone at the front");
  EXPECT_EQ(describe(items, {.colours = false}),
            "a small cube at the back-left and a large cone at the front");
}

TEST(Text, WithoutColoursNothingIsAskedOfThem) {
  std::set<std::string> colours(kColours.begin(), kColours.end());
  Dice dice(3);
  int asked = 0;
  for (int i = 0; i < 500; ++i) {
    const auto items = draw_items(dice, Split::kAny, {.max_objects = 4});
    for (const Exchange& exchange : questions(dice, items, 4, kUsualAsks, {.colours = false})) {
      for (const auto& word : words_in(exchange.question + " " + exchange.answer))
        EXPECT_FALSE(colours.contains(word) || word == "color") << exchange.question;
      ++asked;
    }
  }
  EXPECT_GT(asked, 1500);
}

TEST(Text, QuestionsOfASceneDiffer) {
  Dice dice(4);
  const auto items = draw_items(dice, Split::kAny, {.min_objects = 3});
  std::set<std::string> asked;
  for (const Exchange& exchange : questions(dice, items, 8)) asked.insert(exchange.question);
  EXPECT_EQ(asked.size(), 8u);
}

TEST(Text, EveryWordIsInTheVocabulary) {
  const auto list = vocabulary();
  const std::set<std::string> known(list.begin(), list.end());
  EXPECT_EQ(known.size(), list.size());
  EXPECT_GE(list.size(), 128u);
  EXPECT_LE(list.size(), 200u);
  for (const auto name : kNames) EXPECT_TRUE(known.contains(std::string(name)));
  const auto expect_known = [&](const std::string& text) {
    for (const auto& word : words_in(text)) EXPECT_TRUE(known.contains(word)) << text;
  };
  Dice dice(5);
  for (int i = 0; i < 2000; ++i) {
    const auto items = draw_items(dice, Split::kAny, {.max_objects = 4});
    expect_known(describe(items));
    for (const Exchange& exchange : questions(dice, items, 4))
      expect_known(exchange.question + " " + exchange.answer);
    for (const Account& account :
         {account_of(draw_movement(dice, Split::kAny)), account_of(draw_sounds(dice)),
          account_of(draw_activity(dice)), account_of_seeing(items[0])}) {
      expect_known(account.description);
      for (const Exchange& exchange : account.exchanges)
        expect_known(exchange.question + " " + exchange.answer);
    }
  }
}

}  // namespace
}  // namespace isthmus::world
