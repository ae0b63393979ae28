// What is saved of a OneLLM is what its own code saves.
#include <gtest/gtest.h>

#include "families/registry.h"
#include "layout/onellm_pieces.h"
#include "nn/slots.h"
#include "saved_files.h"

namespace isthmus::families {
namespace {

namespace fs = std::filesystem;
using isthmus::testing::expect_same_tensors;
using isthmus::testing::fresh_folder;
using isthmus::testing::structure_of;

const fs::path kModel = fs::path(ISTHMUS_FIXTURES) / "onellm/tiny/model";
constexpr const char* kFile = "consolidated.00-of-01.pth";

void expect_equal_slots(Family& a, Family& b) {
  const auto left = nn::slots_of(a.modules()), right = nn::slots_of(b.modules());
  ASSERT_EQ(left.size(), right.size());
  for (size_t i = 0; i < left.size(); ++i)
    EXPECT_TRUE(torch::equal(left[i].value(), right[i].value())) << left[i].name;
}

TEST(OneLlmSave, HasThePublishedNamesTypesAndValues) {
  const fs::path out = fresh_folder();
  const auto family = load_family(kModel.string(), "", "", {});
  family->save(out, {.dtype = "stored"});
  expect_same_tensors(out / kFile, kModel / kFile);
  const auto again = load_family(out.string(), "", "", {});
  expect_equal_slots(*family, *again);
}

TEST(OneLlmSave, EverythingIsCastAsTheOriginalDoes) {
  const fs::path out = fresh_folder();
  load_family(kModel.string(), "", "", {})->save(out, {});
  const auto published = structure_of(kModel / kFile);
  for (const auto& [name, what] : structure_of(out / kFile))
    EXPECT_EQ(what, published.at(name).substr(0, published.at(name).find(']') + 1) + " bfloat16");
}

TEST(OneLlmSave, RanksBecomeOneFile) {
  const fs::path out = fresh_folder();
  const fs::path ranks = layout::onellm_in_ranks("onellm_save_ranks", 2);
  load_family(ranks.string(), "", "", {})->save(out, {.dtype = "stored"});
  expect_same_tensors(out / kFile, kModel / kFile);
}

}  // namespace
}  // namespace isthmus::families
