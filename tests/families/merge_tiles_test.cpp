// Tiles to rows: order, unpadding and newlines.
#include "families/llava/merge_tiles.h"

#include <gtest/gtest.h>
#include <torch/types.h>

namespace isthmus::families::llava {
namespace {

using layout::PatchMergeType;
using modalities::UnpadRule;

// `tiles` tiles of 2 × 2 patches; a row's value is 100 · tile + 10 · patch row + patch column.
Tensor tiles(int64_t count) {
  Tensor all = torch::empty({count, 4, 1});
  for (int64_t tile = 0; tile < count; ++tile)
    for (int64_t patch = 0; patch < 4; ++patch)
      all[tile][patch][0] = static_cast<double>(100 * tile + 10 * (patch / 2) + patch % 2);
  return all;
}

modalities::Geometry geometry(int64_t width, int64_t height, int64_t columns, int64_t rows) {
  modalities::Geometry g;
  g.original_width = width;
  g.original_height = height;
  g.grid_width = columns;
  g.grid_height = rows;
  g.has_base_tile = true;
  return g;
}

std::vector<int> values(const Tensor& rows) {
  std::vector<int> result;
  for (int64_t i = 0; i < rows.size(0); ++i)
    result.push_back(static_cast<int>(rows[i][0].item<double>()));
  return result;
}

const Tensor kNewline = torch::full({1}, -1.0);

TEST(MergeTiles, FlatKeepsTileAfterTile) {
  EXPECT_EQ(
      merge_tiles(tiles(3), {}, PatchMergeType::kFlat, geometry(8, 4, 2, 1), UnpadRule::kTruncate)
          .size(0),
      12);
}

TEST(MergeTiles, SpatialReadsTheGridLineByLineOfPatchesAfterTheBase) {
  const Tensor rows = merge_tiles(tiles(3), {}, PatchMergeType::kSpatial, geometry(8, 4, 2, 1),
                                  UnpadRule::kTruncate);
  EXPECT_EQ(values(rows), (std::vector<int>{0, 1, 10, 11, 100, 101, 200, 201, 110, 111, 210, 211}));
}

TEST(MergeTiles, UnpadEndsEveryLineWithANewline) {
  const Tensor rows = merge_tiles(tiles(3), kNewline, PatchMergeType::kSpatialUnpad,
                                  geometry(8, 4, 2, 1), UnpadRule::kTruncate);
  EXPECT_EQ(values(rows),
            (std::vector<int>{0, 1, 10, 11, 100, 101, 200, 201, -1, 110, 111, 210, 211, -1}));
}

TEST(MergeTiles, UnpadCutsWhatThePictureDoesNotCover) {
  // An 8 × 2 picture on a grid of two by two tiles.
  const Tensor rows = merge_tiles(tiles(5), kNewline, PatchMergeType::kSpatialUnpad,
                                  geometry(8, 2, 2, 2), UnpadRule::kTruncate);
  // 4 × 4 patches, scaled height 1: padding (4 - 1) / 2 = 1 on both sides leaves two lines.
  EXPECT_EQ(rows.size(0), 4 + 2 * (4 + 1));
}

TEST(MergeTiles, ASingleTileGetsOneNewlineWhenUnpadding) {
  const Tensor rows = merge_tiles(tiles(1), kNewline, PatchMergeType::kSpatialUnpad,
                                  geometry(4, 4, 1, 1), UnpadRule::kTruncate);
  EXPECT_EQ(values(rows), (std::vector<int>{0, 1, 10, 11, -1}));
}

}  // namespace
}  // namespace isthmus::families::llava
