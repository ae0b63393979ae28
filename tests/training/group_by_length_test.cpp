// The order of LLaVA's second stage, with PyTorch's own random numbers.
#include "samples/group_by_length.h"

#include <algorithm>
#include <filesystem>

#include <gtest/gtest.h>
#include <torch/types.h>

#include "base/json_view.h"
#include "samples/conversations.h"
#include "samples/order.h"

namespace isthmus::samples {
namespace {

const std::filesystem::path kCase = std::filesystem::path(ISTHMUS_FIXTURES) / "llava/train_stage2";

std::vector<size_t> randperm(size_t count) {
  const torch::Tensor numbers = torch::randperm(static_cast<int64_t>(count), torch::kInt64);
  const int64_t* first = numbers.data_ptr<int64_t>();
  return {first, first + numbers.numel()};
}

TEST(GroupByLength, GivesTheIndicesOfTheReference) {
  const JsonView expect =
      JsonView::load(kCase / "expect.json").at("modality_length_grouped_indices");
  for (const JsonView& one : expect.at("cases").elements()) {
    std::vector<int64_t> lengths;
    for (const JsonView& length : one.at("lengths").elements())
      lengths.push_back(length.as_integer());
    std::vector<size_t> expected;
    for (const JsonView& index : one.at("indices").elements())
      expected.push_back(static_cast<size_t>(index.as_integer()));
    torch::manual_seed(static_cast<uint64_t>(one.integer("seed")));
    EXPECT_EQ(group_by_length(lengths, static_cast<size_t>(one.integer("batch_size")),
                              static_cast<size_t>(one.integer("world_size")), randperm),
              expected)
        << one.integer("seed");
  }
}

TEST(GroupByLength, LengthsAreThoseOfTheReference) {
  const auto data = open_conversations(kCase / "inputs/data.json", {});
  const auto expected = JsonView::load(kCase / "expect.json").at("modality_lengths").elements();
  ASSERT_EQ(data->size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i)
    EXPECT_EQ(modality_length(data->at(i)), expected[i].as_integer()) << i;
}

TEST(GroupByLength, EveryEpochHoldsEverySampleOnceAndBatchesAreOfOneKind) {
  std::vector<int64_t> lengths;
  for (int64_t i = 0; i < 64; ++i) lengths.push_back(i % 3 == 0 ? -(i + 1) : i + 1);
  Order order(OrderKind::kGrouped, 5, lengths.size(), {lengths, 4, 2});
  std::vector<size_t> epochs[2];
  for (uint64_t place = 0; place < 128; ++place) epochs[place / 64].push_back(order.at(place));
  EXPECT_NE(epochs[0], epochs[1]);
  EXPECT_EQ(order.at(3), epochs[0][3]) << "places are free to go back to";
  for (std::vector<size_t>& epoch : epochs) {
    for (size_t begin = 0; begin + 16 < epoch.size(); begin += 4)
      for (size_t i = begin; i < begin + 4; ++i)
        EXPECT_EQ(lengths[epoch[i]] > 0, lengths[epoch[begin]] > 0) << begin;
    std::ranges::sort(epoch);
    for (size_t i = 0; i < epoch.size(); ++i) EXPECT_EQ(epoch[i], i);
  }
}

}  // namespace
}  // namespace isthmus::samples
