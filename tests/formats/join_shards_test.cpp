// Ranks of a model-parallel checkpoint.
#include "formats/join_shards.h"

#include <gtest/gtest.h>

#include "formats/helpers.h"
#include "formats/torch_checkpoint.h"

namespace isthmus::formats {
namespace {

using testing_helpers::message_of;
using testing_helpers::temporary;
using testing_helpers::tensor_of;

Checkpoint written(const std::string& name, const std::vector<RawTensor>& tensors) {
  write_torch_checkpoint(temporary(name), tensors);
  return Checkpoint::open(temporary(name));
}

std::optional<size_t> axis_of(std::string_view name) {
  if (name == "rows") return 0;
  if (name == "columns") return 1;
  return std::nullopt;
}

RawTensor matrix(const char* name, const Shape& shape, const std::vector<float>& values) {
  return tensor_of<float>(name, DType::kF32, shape, values);
}

TEST(JoinShards, RowsFollowEachOtherAndColumnsStandSideBySide) {
  const std::vector<Checkpoint> ranks = {
      written("rank0.pth", {matrix("rows", {1, 2}, {1, 2}), matrix("columns", {2, 1}, {1, 4}),
                            matrix("both", {2}, {7, 8})}),
      written("rank1.pth", {matrix("rows", {2, 2}, {3, 4, 5, 6}),
                            matrix("columns", {2, 2}, {2, 3, 5, 6}), matrix("both", {2}, {0, 0})})};
  const Checkpoint joined = join_shards(ranks, axis_of);
  EXPECT_EQ(joined.at("rows").shape, (Shape{3, 2}));
  EXPECT_EQ(to_floats(joined.at("rows")), (std::vector<float>{1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(joined.at("columns").shape, (Shape{2, 3}));
  EXPECT_EQ(to_floats(joined.at("columns")), (std::vector<float>{1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(to_floats(joined.at("both")), (std::vector<float>{7, 8}));
  EXPECT_EQ(joined.files().size(), 2u);
  const Checkpoint shapes = join_shards(ranks, axis_of, JoinedBytes::kNone);
  EXPECT_EQ(shapes.at("rows").shape, (Shape{3, 2}));
  EXPECT_TRUE(shapes.at("rows").bytes.empty());
}

TEST(JoinShards, OneRankStaysMapped) {
  const Checkpoint only = written("only.pth", {matrix("rows", {1, 2}, {1, 2})});
  const Checkpoint joined = join_shards(std::span(&only, 1), axis_of);
  EXPECT_EQ(joined.at("rows").bytes.data(), only.at("rows").bytes.data());
}

TEST(JoinShards, EverythingThatDoesNotFitIsSaidAtOnce) {
  const std::vector<Checkpoint> ranks = {
      written("bad0.pth", {matrix("rows", {1, 2}, {1, 2}), matrix("columns", {1}, {1})}),
      written("bad1.pth", {matrix("rows", {1, 3}, {1, 2, 3}), matrix("other", {1}, {1})})};
  const std::string message = message_of([&] { join_shards(ranks, axis_of); });
  for (const char* part : {"rows is [1, 3]", "[1, 2]", "columns is missing", "other is missing"})
    EXPECT_NE(message.find(part), std::string::npos) << message;
}

}  // namespace
}  // namespace isthmus::formats
