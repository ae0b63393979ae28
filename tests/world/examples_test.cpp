#include "world/examples.h"

#include <set>

#include <gtest/gtest.h>

#include "base/atomic_file.h"
#include "world/words.h"

namespace isthmus::world {
namespace {

TEST(Examples, OfEveryModalityAreTheSameWhateverWasDrawnBefore) {
  const Examples examples(1, Split::kTrain, {.view = {48, 48}, .points = 256, .voxels = 64});
  const auto list = vocabulary();
  const std::set<std::string> known(list.begin(), list.end());
  std::set<std::string> described;
  for (const std::string_view modality : kModalities) {
    const Example late = examples.draw(modality, 9);
    for (uint64_t i = 0; i < 9; ++i) {
      const Example example = examples.draw(modality, i);
      EXPECT_EQ(example.modality, modality);
      EXPECT_FALSE(example.file.empty());
      EXPECT_GE(example.exchanges.size(), 2u);
      EXPECT_EQ(example.picture.empty(), modality != "depth" && modality != "normal");
      described.insert(example.description);
      for (const Exchange& exchange : example.exchanges) {
        const std::string text = exchange.question + " " + exchange.answer;
        for (const auto word : split_words(text))
          EXPECT_TRUE(known.contains(std::string(word))) << word;
      }
    }
    const Example again = examples.draw(modality, 9);
    EXPECT_EQ(again.file, late.file) << modality;
    EXPECT_EQ(again.description, late.description);
  }
  EXPECT_GT(described.size(), 40u);
}

TEST(Examples, OfTheSameSceneAgree) {
  const Examples examples(2, Split::kTest, {.view = {48, 48}, .points = 64, .voxels = 8});
  const Example image = examples.draw("image", 3), depth = examples.draw("depth", 3);
  EXPECT_EQ(examples.draw("points", 3).description, image.description);
  EXPECT_EQ(depth.picture, image.file);
  EXPECT_EQ(examples.draw("normal", 3).description, depth.description);
}

TEST(Examples, AreSavedWithTheirPicture) {
  const Examples examples(3, Split::kTrain, {.view = {32, 32}, .voxels = 8});
  const std::filesystem::path folder = testing::TempDir();
  const Example depth = examples.draw("depth", 0);
  const Part part = save(depth, folder, "world_depth");
  EXPECT_EQ(part.modality, "depth");
  EXPECT_EQ(part.path, folder / "world_depth.png");
  EXPECT_EQ(read_file(part.path).size(), depth.file.size());
  EXPECT_EQ(read_file(part.rgb).size(), depth.picture.size());
  EXPECT_EQ(part_of(examples.draw("audio", 0)).modality, "audio");
}

}  // namespace
}  // namespace isthmus::world
