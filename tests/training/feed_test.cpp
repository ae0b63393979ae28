// Batches that another thread makes are those that one thread would draw.
#include "training/feed.h"

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "error_message.h"
#include "isthmus/error.h"
#include "small_llava.h"
#include "training/data_sets.h"

namespace isthmus::training {
namespace {

namespace fs = std::filesystem;
using Names = std::vector<std::string>;

class FeedTest : public testing::Test {
 protected:
  // The captions twice, the second ones half as often where they are mixed.
  void prepare(const std::string& combine) {
    folder_ = fresh_folder("feed");
    const std::string second =
        captions_text().substr(0, captions_text().size() - 1) + ", weight: 0.5, name: other}";
    recipe_ = written(folder_, replaced(recipe_text("    combine: " + combine + "\n"),
                                        captions_text(), captions_text() + ", " + second));
    family_ = fresh_llava(folder_, recipe_);
  }

  const recipe::Stage& stage() const { return recipe_.stages[0]; }

  std::vector<MicroBatch> fed(int count, samples::Share share = {}) {
    const auto data = open_mixture(stage(), share);
    Feed feed(*family_, stage(), *data, share, 0);
    std::vector<MicroBatch> batches;
    for (int i = 0; i < count; ++i) batches.push_back(feed.next());
    return batches;
  }

  fs::path folder_;
  recipe::Recipe recipe_;
  std::shared_ptr<families::Family> family_;
};

TEST_F(FeedTest, MixedSamplesComeInTheOrderOfTheMixture) {
  prepare("samples");
  const auto data = open_mixture(stage(), {});
  for (const MicroBatch& batch : fed(12)) {
    Names expected;
    while (expected.size() < 3) {
      const auto drawn = data->next();
      expected.push_back(data->entry(drawn.entry).data->at(drawn.index).name);
    }
    EXPECT_EQ(batch.names, expected);
    EXPECT_EQ(batch.examples.size(), 3u);
    EXPECT_EQ(batch.position, data->position());
  }
}

TEST_F(FeedTest, BatchesOfOneEntryComeByTurns) {
  prepare("batches");
  const auto data = open_mixture(stage(), {});
  size_t others = 0;
  for (const MicroBatch& batch : fed(12)) {
    const size_t entry = data->turn();
    EXPECT_EQ(batch.entry, entry);
    others += entry;
    Names expected;
    while (expected.size() < 3)
      expected.push_back(data->entry(entry).data->at(data->next_of(entry).index).name);
    EXPECT_EQ(batch.names, expected);
    EXPECT_EQ(batch.position, data->position());
  }
  EXPECT_GT(others, 0u);
  EXPECT_LT(others, 12u);
}

TEST_F(FeedTest, TogetherEveryEntryHasItsBatch) {
  prepare("together");
  size_t expected = 0;
  for (const MicroBatch& batch : fed(8)) EXPECT_EQ(batch.entry, expected++ % 2);
}

TEST_F(FeedTest, TwoProcessesShareEveryBatch) {
  prepare("samples");
  recipe_.stages[0].batch = 4;
  const auto whole = fed(6), first = fed(6, {0, 2}), second = fed(6, {1, 2});
  for (size_t i = 0; i < whole.size(); ++i) {
    ASSERT_EQ(first[i].names.size(), 2u);
    ASSERT_EQ(second[i].names.size(), 2u);
    EXPECT_EQ(whole[i].names, (Names{first[i].names[0], second[i].names[0], first[i].names[1],
                                     second[i].names[1]}));
  }
}

TEST_F(FeedTest, AnErrorComesAfterTheBatchesBeforeIt) {
  prepare("samples");
  std::ofstream(folder_ / "data.json") << R"([
    {"id": 1, "conversations": [{"from": "human", "value": "A?"}, {"from": "gpt", "value": "B."}]},
    {"id": 2, "conversations": [{"from": "human", "value": "A?"}, {"from": "gpt", "value": "B."}]},
    {"id": 3, "image": "gone.png", "conversations": [{"from": "human", "value": "<image>"},
     {"from": "gpt", "value": "A cat."}]}])";
  recipe_ = written(folder_, llava_model_text() +
                                 "stages:\n  - name: one\n    trainable: [\"aligner.*\"]\n"
                                 "    data: [{type: conversations, path: data.json, template: v1, "
                                 "order: sequential}]\n"
                                 "    batch: 1\n    steps: 1\n    bad_samples: 1\n"
                                 "    groups: [{match: \"*\", rate: 0}]\n");
  const auto data = open_mixture(stage(), {});
  Feed feed(*family_, stage(), *data, {}, 0);
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(feed.next().notes.empty());
  // The third is left out with a note, and the file begins again.
  const MicroBatch again = feed.next();
  ASSERT_EQ(again.notes.size(), 1u);
  EXPECT_NE(again.notes[0].find("gone.png"), std::string::npos) << again.notes[0];
  EXPECT_EQ(again.bad_samples, 1);
  EXPECT_EQ(feed.next().names.size(), 1u);
  for (int i = 0; i < 2; ++i) {
    const std::string error = message_of<InputError>([&] { feed.next(); });
    EXPECT_NE(error.find("2 samples could not be used"), std::string::npos) << error;
  }
}

}  // namespace
}  // namespace isthmus::training
