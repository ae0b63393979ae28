#include "world/episodes.h"

#include <algorithm>
#include <map>
#include <set>

#include <gtest/gtest.h>

#include "world/words.h"

namespace isthmus::world {
namespace {

const Album& album() {
  static const Album shared(1, Split::kTrain, {400, 200, 100, 0});
  return shared;
}

const Item& only_item(const Album& from, size_t picture) {
  EXPECT_EQ(from.scene(picture).objects.size(), 1u);
  return from.scene(picture).objects[0].what;
}

TEST(Album, KnowsItsPicturesByCountAndPair) {
  EXPECT_EQ(album().size(), 700u);
  EXPECT_EQ(album().of_objects(3).size(), 100u);
  EXPECT_TRUE(album().of_objects(4).empty());
  size_t single = 0;
  for (int shape = 0; shape < 4; ++shape)
    for (int colour = 0; colour < 8; ++colour) {
      EXPECT_EQ(album().of_pair(shape, colour).empty(), held_out(shape, colour));
      single += album().of_pair(shape, colour).size();
      for (const size_t picture : album().of_pair(shape, colour)) {
        EXPECT_EQ(only_item(album(), picture).shape, shape);
        EXPECT_EQ(only_item(album(), picture).colour, colour);
      }
    }
  EXPECT_EQ(single, 400u);
}

TEST(Episodes, AreTheSameWhateverWasDrawnBefore) {
  const Episode late = draw_episode(3, 70, album());
  draw_episode(3, 1, album());
  const Episode again = draw_episode(3, 70, album());
  EXPECT_EQ(again.row.text(), late.row.text());
  EXPECT_EQ(again.pictures, late.pictures);
}

TEST(Episodes, HaveOnePicturePerMarkAndKnownWords) {
  const auto list = vocabulary();
  const std::set<std::string> known(list.begin(), list.end());
  std::map<std::string_view, int> kinds;
  for (uint64_t i = 0; i < 1000; ++i)
    for (const Episode& episode : {draw_episode(1, i, album()), draw_picture_row(1, i, album())}) {
      const std::string text = episode.row.text();
      size_t marks = 0;
      for (const auto word : split_words(text)) {
        ASSERT_TRUE(known.contains(std::string(word)));
        marks += word == "<img>";
      }
      EXPECT_EQ(marks, episode.pictures.size());
      ++kinds[episode.row.kind];
    }
  EXPECT_NEAR(kinds["naming"], 500, 60);
  EXPECT_EQ(kinds["naming"] + kinds["task"], 1000);
  EXPECT_NEAR(kinds["describe"], 400, 60);
}

TEST(NamingEpisode, NamesFollowThePictures) {
  Dice dice(2);
  for (int i = 0; i < 300; ++i) {
    const auto of = static_cast<NameClass>(i % 3);
    const Episode episode = naming_episode(dice, album(), {.of = of, .ways = 2 + i % 2});
    ASSERT_EQ(episode.pictures.size(), 9u);
    std::map<int, std::string> meaning;
    for (size_t shot = 0; shot < 9; ++shot) {
      const Item& item = only_item(album(), episode.pictures[shot]);
      const int key = of == NameClass::kColour  ? item.colour
                      : of == NameClass::kShape ? item.shape
                                                : 8 * item.shape + item.colour;
      const Span& name = episode.row.spans[3 * shot + 1];
      EXPECT_EQ(name.weight, meaning.contains(key) ? 1 : 0);
      EXPECT_TRUE(!meaning.contains(key) || meaning[key] == name.text);
      meaning[key] = name.text;
    }
  }
}

TEST(NamingEpisode, WorksOnHeldOutPairsAlone) {
  const Album held(5, Split::kHeldOut, {40, 0, 0, 0});
  Dice dice(3);
  const Episode episode = naming_episode(dice, held, {.ways = 2, .shots = 4, .balanced = true});
  std::map<std::string, int> shown;
  for (size_t shot = 0; shot < 4; ++shot) ++shown[episode.row.spans[3 * shot + 1].text];
  EXPECT_EQ(shown[episode.row.names[0]], 2);
  EXPECT_EQ(shown[episode.row.names[1]], 2);
  for (const size_t picture : episode.pictures) {
    const Item& item = only_item(held, picture);
    EXPECT_TRUE(held_out(item.shape, item.colour));
  }
}

TEST(TaskEpisode, AnswersAreReadOffThePictures) {
  Dice dice(4);
  for (const Task& task : all_tasks(2)) {
    const Episode episode = task_episode(dice, album(), task, 5);
    ASSERT_EQ(episode.pictures.size(), 6u);
    for (size_t shot = 0; shot < 6; ++shot) {
      const auto& objects = album().scene(episode.pictures[shot]).objects;
      ASSERT_EQ(objects.size(), 2u);
      const Item& item = objects[static_cast<size_t>(task.object)].what;
      const std::string& answer = episode.row.spans[3 * shot + 1].text;
      if (task.attribute == Attribute::kColour) {
        EXPECT_EQ(answer, kColours[static_cast<size_t>(item.colour)]);
      } else if (task.attribute == Attribute::kShape) {
        EXPECT_EQ(answer, kShapes[static_cast<size_t>(item.shape)]);
      } else {
        EXPECT_EQ(answer, kPlaces[static_cast<size_t>(item.place)]);
      }
    }
  }
}

TEST(Controls, ReplaceShotsOrQueryByAsManyObjects) {
  Dice dice(5);
  const Episode episode = task_episode(dice, album(), all_tasks(2)[0], 5);
  const Episode shots = with_other_shots(dice, album(), episode);
  EXPECT_EQ(shots.row.text(), episode.row.text());
  EXPECT_EQ(shots.pictures.back(), episode.pictures.back());
  EXPECT_NE(shots.pictures, episode.pictures);
  const Episode query = with_other_query(dice, album(), episode);
  EXPECT_TRUE(
      std::equal(query.pictures.begin(), query.pictures.end() - 1, episode.pictures.begin()));
  for (const size_t picture : shots.pictures) EXPECT_EQ(album().scene(picture).objects.size(), 2u);
}

}  // namespace
}  // namespace isthmus::world
