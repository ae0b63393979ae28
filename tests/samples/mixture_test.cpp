#include "samples/mixture.h"

#include <algorithm>
#include <map>
#include <set>

#include <gtest/gtest.h>

#include "isthmus/error.h"

namespace isthmus::samples {
namespace {

class Numbers final : public DataSet {
 public:
  explicit Numbers(size_t size) : size_(size) {}
  size_t size() const override { return size_; }
  Sample at(size_t index) const override {
    Sample sample;
    sample.name = std::to_string(index);
    return sample;
  }
  std::string fingerprint() const override { return "numbers"; }

 private:
  size_t size_;
};

TEST(Order, EveryEpochIsAnotherPermutation) {
  for (const size_t size : {1u, 2u, 3u, 16u, 17u, 100u, 257u}) {
    Order order(OrderKind::kShuffled, 5, size);
    std::vector<std::vector<size_t>> epochs(2);
    for (uint64_t place = 0; place < 2 * size; ++place)
      epochs[place / size].push_back(order.at(place));
    for (const auto& epoch : epochs) {
      EXPECT_EQ(std::set<size_t>(epoch.begin(), epoch.end()).size(), size);
      EXPECT_LT(*std::ranges::max_element(epoch), size);
    }
    if (size > 16) {
      EXPECT_NE(epochs[0], epochs[1]);
      EXPECT_FALSE(std::ranges::is_sorted(epochs[0]));
    }
  }
}

TEST(Order, SeedsDecide) {
  Order a(OrderKind::kShuffled, 1, 100), b(OrderKind::kShuffled, 1, 100),
      c(OrderKind::kShuffled, 2, 100);
  int same = 0;
  for (uint64_t place = 0; place < 100; ++place) {
    EXPECT_EQ(a.at(place), b.at(place));
    same += a.at(place) == c.at(place) ? 1 : 0;
  }
  EXPECT_LT(same, 20);
}

TEST(Order, ResamplingRepeats) {
  Order order(OrderKind::kResampled, 3, 50);
  std::set<size_t> seen;
  for (uint64_t place = 0; place < 50; ++place) seen.insert(order.at(place));
  EXPECT_GT(seen.size(), 20u);
  EXPECT_LT(seen.size(), 45u);
}

Mixture made(double weight = 3) {
  return Mixture({{"a", std::make_shared<Numbers>(10), 1, OrderKind::kShuffled},
                  {"b", std::make_shared<Numbers>(20), weight, OrderKind::kSequential}},
                 7);
}

TEST(Mixture, WeightsDecideWhoseTurnItIs) {
  Mixture mixture = made();
  std::map<size_t, int> turns;
  for (int i = 0; i < 4000; ++i) ++turns[mixture.next().entry];
  EXPECT_NEAR(turns[1] / 4000.0, 0.75, 0.03);
}

TEST(Mixture, GoesOnFromItsPosition) {
  Mixture whole = made(), first = made(), second = made();
  std::vector<size_t> expected, found;
  for (int i = 0; i < 30; ++i) expected.push_back(whole.next().index);
  for (int i = 0; i < 13; ++i) found.push_back(first.next().index);
  second.go_to(first.position());
  for (int i = 13; i < 30; ++i) found.push_back(second.next().index);
  EXPECT_EQ(found, expected);
  EXPECT_THROW(second.go_to({3, {1}}), UsageError);
}

TEST(Mixture, NeedsSamplesAndWeights) {
  EXPECT_THROW(Mixture({}, 1), UsageError);
  EXPECT_THROW(Mixture({{"a", std::make_shared<Numbers>(0), 1, OrderKind::kShuffled}}, 1),
               UsageError);
  EXPECT_THROW(made(0), UsageError);
}

}  // namespace
}  // namespace isthmus::samples
