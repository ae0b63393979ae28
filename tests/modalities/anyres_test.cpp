#include "modalities/anyres.h"

#include <gtest/gtest.h>

#include "isthmus/error.h"

namespace isthmus::modalities {
namespace {

const std::vector<Resolution> kReleasedGrid{
    {336, 672}, {672, 336}, {672, 672}, {1008, 336}, {336, 1008}};

JsonView expect() {
  return JsonView::load(std::string(ISTHMUS_FIXTURES) + "/llava/image_preprocess/expect.json");
}

Resolution pair_at(const JsonView& entry, const char* key) {
  return {entry.at(key).elements()[0].as_integer(), entry.at(key).elements()[1].as_integer()};
}

TEST(Anyres, BestResolutionFollowsTheTable) {
  for (const JsonView& entry : expect().at("select_best_resolution_336_grid").elements()) {
    const Resolution size = pair_at(entry, "size_wh");
    EXPECT_EQ(select_best_resolution(size, kReleasedGrid), pair_at(entry, "best_wh"))
        << size.first << "x" << size.second;
  }
}

TEST(Anyres, UnpaddingFollowsTheTable) {
  for (const JsonView& entry : expect().at("unpad_336_grid").elements()) {
    const Resolution size = pair_at(entry, "size_wh"), map = pair_at(entry, "in_hw"),
                     left = pair_at(entry, "out_hw");
    const FeatureWindow window = unpad_rows_and_columns(map.first, map.second, size);
    EXPECT_EQ(Resolution(window.rows(), window.columns()), left)
        << size.first << "x" << size.second;
    EXPECT_EQ(576 + window.rows() * (window.columns() + 1), entry.integer("tokens"));
  }
}

TEST(Anyres, TransformersRoundsBeforeItTruncates) {
  // The picture covers 23 of 48 rows exactly; 23k * (24 / 24k) is a little less than 23 for some k.
  int64_t differences = 0;
  for (int64_t k = 1; k <= 200; ++k) {
    const Resolution size{24 * k, 23 * k};
    const auto plain = unpad_rows_and_columns(48, 24, size);
    const auto rounded = unpad_rows_and_columns(48, 24, size, UnpadRule::kRoundThenTruncate);
    EXPECT_EQ(rounded.rows(), 24);
    differences += plain.rows() != rounded.rows();
  }
  EXPECT_GT(differences, 0);
}

TEST(GridPinpoints, ListsAndPythonTextMeanTheSame) {
  const std::vector<Resolution> expected{{336, 672}, {672, 336}};
  for (const char* text : {"[[336, 672], [672, 336]]", R"j("[(336, 672), (672, 336)]")j",
                           R"j("((336,672),[672,336],)")j", R"j("[[336, 672],\n [672, 336]]")j"}) {
    const JsonView value = JsonView::parse(text, "c.json");
    EXPECT_EQ(parse_grid_pinpoints(value, PinpointOrder::kWidthHeight), expected) << text;
  }
}

TEST(GridPinpoints, AnythingElseIsAModelError) {
  for (const char* text :
       {R"j("")j", R"j("[(336, 672)")j", R"j("[(336)]")j", R"j("[(336, 672)] x")j",
        R"j("__import__('os')")j", R"j("[(99999999999999999999, 1)]")j", "[]", "[[1, 2, 3]]",
        "[[0, 3]]", "[[-1, 3]]", "[[1e12, 3]]", "7", R"j([["336", 672]])j"}) {
    const JsonView value = JsonView::parse(text, "c.json");
    EXPECT_THROW(parse_grid_pinpoints(value, PinpointOrder::kWidthHeight), ModelError) << text;
  }
}

TEST(Anyres, APictureFillsItsTargetOnOneSide) {
  EXPECT_EQ(fit_within({640, 480}, {672, 672}), Resolution(672, 504));
  EXPECT_EQ(fit_within({1, 5000}, {336, 1008}), Resolution(1, 1008));
}

}  // namespace
}  // namespace isthmus::modalities
