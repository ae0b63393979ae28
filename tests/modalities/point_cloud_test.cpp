#include "modalities/point_cloud.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <string>

#include <gtest/gtest.h>

#include "isthmus/error.h"
#include "modalities/sound_goldens.h"

namespace isthmus::modalities {
namespace {

using testing_support::golden;
using testing_support::kCase;
using testing_support::random_samples;
using testing_support::read_npy;
using testing_support::read_npy_floats;

const std::filesystem::path kTiny = std::filesystem::path(ISTHMUS_FIXTURES) / "onellm/tiny";
constexpr float kNoNumber = std::numeric_limits<float>::quiet_NaN();

media::PointCloud cloud_of(std::vector<float> positions, std::vector<float> colours = {}) {
  media::PointCloud cloud;
  cloud.points_in_file = static_cast<int64_t>(positions.size() / 3);
  cloud.positions = std::move(positions);
  cloud.colours = std::move(colours);
  cloud.source = "scan.ply";
  return cloud;
}

std::string error_of(const media::PointCloud& cloud, const PointCloudConfig& config = {}) {
  try {
    prepare_point_cloud(cloud, config);
  } catch (const InputError& error) {
    return error.what();
  }
  return "no error";
}

TEST(PointCloud, IsNormalisedAsInTheGolden) {
  const auto expected = golden(JsonView::load(kCase / "expect.json"), "point.norm");
  const Prepared found = prepare_point_cloud(media::load_point_cloud(kCase / "inputs/point.npy"));
  ASSERT_EQ(found.shape, (Shape{8192, 6}));
  ASSERT_EQ(expected.npy.shape, (Shape{8192 / 8, 6}));  // every eighth
  for (size_t i = 0; i < expected.npy.values.size(); ++i)
    ASSERT_NEAR(found.values[i / 6 * 48 + i % 6], expected.npy.values[i], expected.allowed(i)) << i;
  EXPECT_EQ(found.modality, Modality::kPointCloud);
  EXPECT_TRUE(found.notes.empty());
}

TEST(PointCloud, OfTheTinyModelIsPreparedAndGroupedAsInTheGolden) {
  const auto expected = read_npy_floats(kTiny / "expect/point.input.npy");
  const Prepared found = prepare_point_cloud(media::load_point_cloud(kTiny / "inputs/point.npy"));
  ASSERT_EQ(found.values.size(), expected.values.size());
  for (size_t i = 0; i < found.values.size(); ++i)
    ASSERT_NEAR(found.values[i], expected.values[i], 2e-5 + 1e-5 * std::abs(expected.values[i]));

  const PointGroups groups = group_points(found.values, {.num_groups = 128, .group_size = 16});
  const auto centres = read_npy<int64_t>(kTiny / "expect/point.fps_idx.npy", "<i8").values;
  const auto members = read_npy<int64_t>(kTiny / "expect/point.knn_idx_sorted.npy", "<i8").values;
  EXPECT_EQ(std::vector<int64_t>(groups.centres.begin(), groups.centres.end()), centres);
  EXPECT_EQ(std::vector<int64_t>(groups.members.begin(), groups.members.end()), members);
}

TEST(PointGroups, EqualTheGoldenAtFullSize) {
  const Prepared cloud = prepare_point_cloud(media::load_point_cloud(kCase / "inputs/point.npy"));
  const PointGroups groups = group_points(cloud.values);
  EXPECT_EQ(groups.centres, read_npy<int32_t>(kCase / "expect/point.fps.npy", "<i4").values);
  const auto members = read_npy<int16_t>(kCase / "expect/point.knn_sorted.npy", "<i2").values;
  const auto usable = read_npy<uint8_t>(kCase / "expect/point.knn_row_ok.npy", "|b1").values;
  for (size_t group = 0; group < usable.size(); ++group)
    for (size_t i = 32 * group; usable[group] != 0 && i < 32 * (group + 1); ++i)
      ASSERT_EQ(groups.members[i], members[i]) << "group " << group;
}

TEST(FurthestPoints, ResolveTiesAsTheReference) {
  const auto lattice = read_npy_floats(kCase / "inputs/lattice.npy").values;
  EXPECT_EQ(furthest_points(lattice, 64),
            read_npy<int32_t>(kCase / "expect/point.fps_ties.npy", "<i4").values);
}

// Thread t of b looks at t, t + b, … and keeps the first of its furthest; then the first thread of
// those with the furthest wins.
std::vector<int32_t> furthest_points_of_threads(const std::vector<float>& points, size_t chosen) {
  const size_t count = points.size() / 3;
  size_t block = 1;
  while (2 * block <= std::min<size_t>(count, 1024)) block *= 2;
  std::vector<float> nearest(count, 1e10f);
  std::vector<int32_t> out = {0};
  while (out.size() < chosen) {
    const auto last = static_cast<size_t>(out.back());
    std::vector<float> best(block, -1);
    std::vector<int32_t> index(block, 0);
    for (size_t t = 0; t < block; ++t)
      for (size_t k = t; k < count; k += block) {
        float d[3];
        for (size_t c = 0; c < 3; ++c) d[c] = points[3 * k + c] - points[3 * last + c];
        nearest[k] = std::min(nearest[k], d[0] * d[0] + d[1] * d[1] + d[2] * d[2]);
        if (nearest[k] > best[t]) {
          best[t] = nearest[k];
          index[t] = static_cast<int32_t>(k);
        }
      }
    const auto winner = std::max_element(best.begin(), best.end()) - best.begin();
    out.push_back(index[static_cast<size_t>(winner)]);
  }
  return out;
}

TEST(FurthestPoints, EqualThoseOfThreadsOnLatticesOfEverySize) {
  for (const size_t count : {1u, 2u, 3u, 31u, 33u, 100u, 1023u, 1024u, 1500u, 2500u}) {
    std::vector<float> points = random_samples(3 * count, static_cast<unsigned>(count));
    for (float& value : points) value = std::round(value * 3);  // many ties, many coincide
    const size_t chosen = std::min<size_t>(count + 3, 300);
    EXPECT_EQ(furthest_points(points, static_cast<int64_t>(chosen)),
              furthest_points_of_threads(points, chosen))
        << count;
  }
}

TEST(FurthestPoints, AreTheFirstOnceAllOthersAreChosen) {
  const std::vector<float> points = {0, 0, 0, 1, 0, 0, 3, 0, 0};
  EXPECT_EQ(furthest_points(points, 5), (std::vector<int32_t>{0, 2, 1, 0, 0}));
}

TEST(NearestPoints, PreferLowerIndicesAmongEquals) {
  const std::vector<float> points = {0, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0};
  const std::vector<int32_t> centres = {4};
  EXPECT_EQ(nearest_points(points, centres, 3), (std::vector<int32_t>{0, 1, 4}));
}

TEST(PointGroups, OfPositionsUseTheFirstColumns) {
  std::vector<float> rows;
  for (int i = 0; i < 40; ++i)
    for (int c = 0; c < 6; ++c) rows.push_back(c == 0 ? static_cast<float>(i) : 0.5f);
  const PointGroups groups =
      group_points(rows, {.num_groups = 2, .group_size = 2, .metric = PointMetric::kPosition});
  EXPECT_EQ(groups.centres, (std::vector<int32_t>{0, 39}));
  EXPECT_EQ(groups.members, (std::vector<int32_t>{0, 1, 38, 39}));
  const PointGroups colours = group_points(rows, {.num_groups = 2, .group_size = 2});
  EXPECT_EQ(colours.centres, (std::vector<int32_t>{0, 0}));  // all colours are equal
}

TEST(PointCloud, LeavesOutPointsThatAreNotFiniteAndSaysSo) {
  std::vector<float> positions = random_samples(3 * 40, 1);
  positions[3] = kNoNumber;
  positions[7] = std::numeric_limits<float>::infinity();
  const Prepared found = prepare_point_cloud(cloud_of(positions, random_samples(3 * 40, 2)));
  EXPECT_EQ(found.shape, (Shape{38, 6}));
  EXPECT_EQ(found.notes, (std::vector<std::string>{"2 of 40 points left out: not finite"}));
}

TEST(PointCloud, WithoutColoursIsBlackAndSaysSo) {
  const Prepared found = prepare_point_cloud(cloud_of(random_samples(3 * 40, 1)));
  EXPECT_EQ(found.values[3], 0);
  EXPECT_EQ(found.notes, (std::vector<std::string>{"no colours in the file: black"}));
}

TEST(PointCloud, OfMorePointsIsThinnedAndSaysSo) {
  const std::vector<float> positions = random_samples(3 * 1000, 1);
  const Prepared found = prepare_point_cloud(cloud_of(positions, positions), {.max_points = 100});
  EXPECT_EQ(found.shape, (Shape{100, 6}));
  EXPECT_EQ(found.notes,
            (std::vector<std::string>{"100 of 1000 points kept, chosen evenly at random"}));
  const Prepared again = prepare_point_cloud(cloud_of(positions, positions), {.max_points = 100});
  EXPECT_EQ(found.values, again.values);
}

TEST(PointCloud, OfTooFewPointsIsAnError) {
  EXPECT_EQ(error_of(cloud_of(random_samples(9, 1))),
            "scan.ply: has 3 points; at least 32 are needed");
  EXPECT_EQ(error_of(cloud_of(std::vector<float>(3 * 50, kNoNumber))),
            "scan.ply: has 0 points with finite coordinates; at least 32 are needed");
  EXPECT_EQ(error_of(cloud_of(std::vector<float>(3 * 50, 1))),
            "scan.ply: all points lie in one place");
  EXPECT_THROW(nearest_points(random_samples(9, 1), std::vector<int32_t>{0}, 32), InputError);
}

TEST(PointGroups, OfFullSizeTakeMilliseconds) {
  const std::vector<float> rows = random_samples(6 * 8192, 3);
  const auto start = std::chrono::steady_clock::now();
  group_points(rows);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  RecordProperty("seconds", std::to_string(seconds.count()));
  EXPECT_LT(seconds.count(), 5);  // about 0.03 s; machines under load and sanitizers are slow
}

}  // namespace
}  // namespace isthmus::modalities
