// Features of a frozen encoder that are kept: they are what the encoder would say, wherever they
// come from.
#include "training/feature_cache.h"

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

class FeatureCacheTest : public testing::Test {
 protected:
  FeatureCacheTest()
      : folder_(fresh_folder(std::string("cache_") +
                             testing::UnitTest::GetInstance()->current_test_info()->name())),
        recipe_(written(folder_, recipe_text())),
        family_(fresh_llava(folder_, recipe_)) {
    const recipe::DataEntry& entry = recipe_.stages[0].data[0];
    const auto data = open_data_set(entry);
    for (size_t i = 0; i < data->size(); ++i)
      media_.push_back(
          family_->example(data->at(i), example_options(entry, 0, {0, i, i})).media.at(0));
    for (const auto& features : family_->features(media_)) expected_.push_back(features.values);
  }

  FeatureCache cache(size_t memory, bool on_disk) {
    return FeatureCache(*family_, {memory, on_disk ? folder_ / "features" : fs::path()});
  }

  // Of all pictures, the first one twice.
  void expect_right(FeatureCache& cache) {
    std::vector<modalities::Prepared> asked = media_;
    asked.push_back(media_.front());
    const auto found = cache.features(asked);
    ASSERT_EQ(found.size(), 6u);
    for (size_t i = 0; i < found.size(); ++i) {
      EXPECT_TRUE(torch::equal(found[i].values, expected_[i % 5])) << i;
      EXPECT_EQ(found[i].modality, "image");
    }
  }

  fs::path file() const { return fs::directory_iterator(folder_ / "features")->path(); }

  fs::path folder_;
  recipe::Recipe recipe_;
  std::shared_ptr<families::Family> family_;
  std::vector<modalities::Prepared> media_;
  std::vector<Tensor> expected_;
};

TEST_F(FeatureCacheTest, ComputesEachPictureOnce) {
  FeatureCache cache = this->cache(size_t{1} << 20, false);
  expect_right(cache);
  EXPECT_EQ(cache.computed(), 5);
  EXPECT_EQ(cache.found(), 1);
  expect_right(cache);
  EXPECT_EQ(cache.computed(), 5);
  EXPECT_EQ(cache.found(), 7);
}

TEST_F(FeatureCacheTest, WhatDoesNotFitIsComputedAgain) {
  FeatureCache cache = this->cache(2 * expected_[0].nbytes(), false);
  for (int round = 0; round < 2; ++round) expect_right(cache);
  EXPECT_EQ(cache.computed(), 5 + 3);
}

TEST_F(FeatureCacheTest, GoesOnFromItsFile) {
  {
    FeatureCache cache = this->cache(0, true);
    expect_right(cache);
    EXPECT_EQ(cache.computed(), 5);
  }
  FeatureCache cache = this->cache(0, true);
  expect_right(cache);
  EXPECT_EQ(cache.computed(), 0);
  EXPECT_EQ(cache.found(), 6);
}

TEST_F(FeatureCacheTest, ARecordThatWasCutOffIsWrittenAgain) {
  {
    FeatureCache cache = this->cache(0, true);
    expect_right(cache);
  }
  const auto size = fs::file_size(file());
  fs::resize_file(file(), size - 10);
  {
    FeatureCache cache = this->cache(0, true);
    expect_right(cache);
    EXPECT_EQ(cache.computed(), 1);
  }
  EXPECT_EQ(fs::file_size(file()), size);
  std::ofstream(file(), std::ios::app) << "ISSF and no more";
  FeatureCache cache = this->cache(0, true);
  expect_right(cache);
  EXPECT_EQ(cache.computed(), 0);
}

TEST_F(FeatureCacheTest, AnotherEncoderHasAFileOfItsOwn) {
  {
    FeatureCache cache = this->cache(0, true);
    expect_right(cache);
  }
  const torch::NoGradGuard no_gradient;
  for (auto& parameter : family_->modules().named_parameters())
    if (parameter.key().starts_with("encoder.")) parameter.value().mul_(1.5);
  FeatureCache cache = this->cache(0, true);
  cache.features(media_);
  EXPECT_EQ(cache.computed(), 5);
}

TEST_F(FeatureCacheTest, AnEncoderThatLearnsIsRefused) {
  const recipe::Recipe recipe =
      written(folder_, replaced(recipe_text("    feature_cache: {memory_mb: 8}\n"),
                                "[\"aligner.*\"]", "[\"aligner.*\", \"encoder.*\"]"));
  const std::string error = message_of<UsageError>([&] { StageRun(*family_, recipe, 0); });
  EXPECT_NE(error.find("feature_cache: encoder."), std::string::npos) << error;
}

TEST(FeatureCache, ARunLearnsTheSameWithAndWithoutIt) {
  const Whole without = train("cache_none", recipe_text(), {});
  const Whole memory =
      train("cache_memory", recipe_text("    feature_cache: {memory_mb: 8}\n"), {});
  const Whole disk =
      train("cache_disk", recipe_text("    feature_cache: {folder: features}\n"), {2, 5});
  for (const Whole* cached : {&memory, &disk}) {
    EXPECT_EQ(cached->losses, without.losses);
    expect_same_bits(cached->weights, without.weights);
  }
}

}  // namespace
}  // namespace isthmus::training
