// Orders of OneLLM's training against those of the reference.
#include "samples/onellm_order.h"

#include <algorithm>
#include <filesystem>
#include <numeric>

#include <gtest/gtest.h>

#include "base/json_view.h"
#include "samples/reference_random.h"

namespace isthmus::samples {
namespace {

JsonView golden() {
  return JsonView::load(std::filesystem::path(ISTHMUS_FIXTURES) / "onellm/train/expect.json");
}

std::vector<size_t> sizes(const JsonView& list) {
  std::vector<size_t> values;
  for (const JsonView& value : list.elements())
    values.push_back(static_cast<size_t>(value.as_integer()));
  return values;
}

size_t size(const JsonView& json, const char* key) {
  return static_cast<size_t>(json.integer(key));
}

TEST(OneLlmOrder, OfAlignmentIsTheReferences) {
  const auto cases = golden().at("pretrain_indices").elements();
  ASSERT_EQ(cases.size(), 3u);
  for (const JsonView& expected : cases) {
    const BatchShape shape{.batch = size(expected, "batch_size"),
                           .world = size(expected, "world"),
                           .rank = size(expected, "rank")};
    EXPECT_EQ(alignment_order(sizes(expected.at("dataset_lengths")), shape),
              sizes(expected.at("indices")));
  }
}

TEST(OneLlmOrder, OfInstructionTuningIsTheReferences) {
  const auto cases = golden().at("finetune_sampler").elements();
  ASSERT_EQ(cases.size(), 3u);
  for (const JsonView& expected : cases) {
    const BatchShape shape{size(expected, "batch_size"), size(expected, "accum"),
                           size(expected, "world"), size(expected, "rank")};
    EXPECT_EQ(instruction_order(sizes(expected.at("group_sizes")), shape,
                                static_cast<uint64_t>(expected.integer("seed")),
                                static_cast<uint64_t>(expected.integer("epoch"))),
              sizes(expected.at("indices")));
  }
}

TEST(OneLlmOrder, TooLittleDataIsNoOrder) {
  EXPECT_TRUE(alignment_order(std::vector<size_t>{}, {}).empty());
  EXPECT_TRUE(alignment_order(std::vector<size_t>{100, 3}, {.batch = 4}).empty());
  EXPECT_TRUE(instruction_order(std::vector<size_t>{3, 3}, {.batch = 4}, 0, 0).empty());
}

// The orders of several processes are those of one, dealt out.
TEST(OneLlmOrder, EveryProcessTakesItsOwn) {
  std::vector<size_t> all;
  for (size_t rank = 0; rank < 3; ++rank) {
    const BatchShape shape{.batch = 2, .accumulate = 2, .world = 3, .rank = rank};
    for (const size_t index : instruction_order(std::vector<size_t>{30, 14}, shape, 7, 1))
      all.push_back(index);
  }
  std::ranges::sort(all);
  std::vector<size_t> expected(36);
  std::iota(expected.begin(), expected.begin() + 24, 0);
  std::iota(expected.begin() + 24, expected.end(), 30);
  EXPECT_EQ(all, expected);
}

class Texts final : public DataSet {
 public:
  explicit Texts(std::vector<std::string> texts) : texts_(std::move(texts)) {}
  size_t size() const override { return texts_.size(); }
  Sample at(size_t index) const override {
    Sample sample;
    sample.turns = {{"user", texts_[index]}, {"assistant", "a"}};
    return sample;
  }
  std::string fingerprint() const override { return {}; }

 private:
  std::vector<std::string> texts_;
};

TEST(OneLlmOrder, ByLengthCountsCharactersAndIsStable) {
  EXPECT_EQ(by_length(Texts({"four", "äöü", "one", "eleven", "", "två"})),
            (std::vector<size_t>{4, 1, 2, 5, 0, 3}));
}

// python3 -c "import random; r = random.Random(5); print([r.randrange(n) for n in (10, 1000,
// 2**40)])"
TEST(PythonRandom, IsPythons) {
  PythonRandom random(5);
  EXPECT_EQ(random.below(10), 9u);
  EXPECT_EQ(random.below(1000), 261u);
  EXPECT_EQ(random.below(uint64_t{1} << 40), 789164966041u);
  PythonRandom wide((uint64_t{1} << 40) + 3);
  EXPECT_EQ(wide.uniform(), 0.21978710637116716);
  EXPECT_EQ(wide.below(7), 4u);
}

// numpy.random.default_rng(seed).shuffle of the list [[0], [1], …, [999]]
TEST(NumpyRandom, ShufflesAsNumPy) {
  const auto first_of = [](uint64_t seed) {
    std::vector<size_t> values(1000);
    std::iota(values.begin(), values.end(), 0);
    NumpyRandom random(seed);
    shuffle(values, random);
    values.resize(6);
    return values;
  };
  EXPECT_EQ(first_of(0), (std::vector<size_t>{459, 206, 222, 162, 711, 814}));
  EXPECT_EQ(first_of(7), (std::vector<size_t>{816, 923, 151, 900, 213, 100}));
  EXPECT_EQ(first_of((uint64_t{1} << 33) + 5), (std::vector<size_t>{824, 589, 158, 673, 694, 144}));
}

}  // namespace
}  // namespace isthmus::samples
