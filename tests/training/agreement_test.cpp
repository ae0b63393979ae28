#include "training/agreement.h"

#include <gtest/gtest.h>

#include "error_message.h"
#include "isthmus/error.h"
#include "small_llava.h"

namespace isthmus::training {
namespace {

recipe::HeldOut captions(const std::filesystem::path& folder) {
  recipe::HeldOut choice;
  choice.data = written(folder, recipe_text()).stages[0].data;
  choice.samples = 5;
  choice.batch = 2;
  return choice;
}

TEST(Agreement, AModelAgreesWithItselfAndLessSoInFewBits) {
  const auto folder = fresh_folder("agreement");
  const recipe::Recipe recipe = written(folder, recipe_text());
  write_fresh(recipe, 1, folder / "start");
  const auto load = [&](const std::string& storage) {
    LoadOptions options;
    options.vision = recipe.model.vision;
    options.decoder_storage = options.encoder_storage = options.aligner_storage = storage;
    return families::load_family((folder / "start").string(), recipe.model.base, "llava-start",
                                 options);
  };
  std::vector<std::pair<int64_t, int64_t>> passes;
  const Agreement same =
      agreement_of([&] { return load("f32"); }, [&] { return load("f32"); }, captions(folder),
                   [&](int64_t done, int64_t all) { passes.emplace_back(done, all); })
          .at(0);
  EXPECT_EQ(passes, (std::vector<std::pair<int64_t, int64_t>>{{1, 2}, {2, 2}}));
  EXPECT_GT(same.tokens, 5);
  EXPECT_EQ(same.same_choice, same.tokens);
  EXPECT_EQ(same.largest_kl, 0);
  EXPECT_EQ(same.answers, 5);
  EXPECT_EQ(same.exact, same.reference_exact);
  EXPECT_EQ(same.margin, same.reference_margin);

  const auto against = [&](const char* storage) {
    return agreement_of([&] { return load("f32"); }, [&] { return load(storage); },
                        captions(folder))
        .at(0);
  };
  const Agreement eight = against("q8"), four = against("q4");
  EXPECT_GT(eight.mean_kl, 0);
  EXPECT_GT(four.mean_kl, eight.mean_kl);
  EXPECT_GE(eight.largest_kl, eight.high_kl);
  EXPECT_LT(eight.mean_kl, 1e-2);
}

}  // namespace
}  // namespace isthmus::training
