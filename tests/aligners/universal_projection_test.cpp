// Experts, routers and tags of OneLLM. Its golden case is replayed whole in tests/engine.
#include "aligners/universal_projection.h"

#include "aligners/flamingo_testing.h"

namespace isthmus::aligners {
namespace {

constexpr int64_t kWidth = 12, kHidden = 20, kRows = 3;

layout::ProjectionConfig small_projection() {
  return {kWidth, kHidden, {"0", "1"}, /*layers=*/2, /*heads=*/3, /*intermediate_size=*/16, 1e-5};
}

std::vector<layout::ModalityConfig> modalities(int64_t router_hidden = 7) {
  layout::ModalityConfig m{};
  m.key = m.name = "sound";
  m.resample_tokens = kRows;
  m.router_hidden = router_hidden;
  return {m};
}

std::shared_ptr<UniversalProjection> made(int64_t router_hidden = 7) {
  auto aligner =
      std::make_shared<UniversalProjection>(small_projection(), modalities(router_hidden));
  randomise(*aligner, 3);
  return aligner;
}

Tensor features(int64_t seed) {
  torch::manual_seed(static_cast<uint64_t>(seed));
  return torch::randn({2, 5, kWidth});
}

TEST(ExpertBlock, TheFirstRowsAreThoseOfTheWholeResult) {
  ExpertBlock block(small_projection());
  randomise(*block, 1);
  on_both_paths([&](const char* path) {
    const Tensor x = features(2);
    const Tensor all = block(x, 5), first = block(x, 2);
    EXPECT_TRUE(torch::allclose(first, all.narrow(1, 0, 2), 1e-5, 1e-6)) << path;
  });
}

TEST(UniversalProjection, TagsStandAroundTheRows) {
  const auto aligner = made();
  on_both_paths([&](const char* path) {
    const Tensor tokens = aligner->align({features(1), "sound"}, {}).tokens;
    EXPECT_EQ(tokens.sizes(), (std::vector<int64_t>{2, kRows + 2, kHidden})) << path;
    EXPECT_TRUE(torch::equal(tokens[0][0], tokens[1][0])) << path;
    EXPECT_TRUE(torch::equal(tokens[0][kRows + 1], tokens[1][kRows + 1])) << path;
    EXPECT_FALSE(torch::allclose(tokens[0][1], tokens[1][1])) << path;
  });
}

// The router of the reference sees every row of every input; what it says of the learned rows does
// not depend on the input.
TEST(UniversalProjection, RoutingIsNormalisedAndTheSameForEveryInput) {
  const auto aligner = made();
  const Tensor routing = aligner->routing("sound");
  EXPECT_EQ(routing.sizes(), (std::vector<int64_t>{kRows, 2}));
  EXPECT_TRUE(torch::allclose(routing.sum(-1), torch::ones({kRows})));
}

TEST(UniversalProjection, WithoutARouterExpertsCountAlike) {
  EXPECT_TRUE(torch::allclose(made(0)->routing("sound"), torch::full({kRows, 2}, 0.5)));
  EXPECT_FALSE(made(0)->router_logits("sound").defined());
}

TEST(UniversalProjection, GradientsReachTheFeatures) {
  const nn::ops::ComposedOnly composed;
  const auto aligner = made();
  const Tensor x = features(4).set_requires_grad(true);
  torch::manual_seed(5);
  const Tensor direction = torch::randn({2, kRows + 2, kHidden});
  const auto value = [&](const Tensor& at) {
    return (aligner->align({at, "sound"}, {}).tokens * direction).sum();
  };
  value(x).backward();
  constexpr double kStep = 1e-2;
  for (const auto& [row, column] : {std::pair{0, 3}, std::pair{4, 11}}) {
    Tensor step = torch::zeros_like(x);
    step[1][row][column] = kStep;
    const Tensor slope = (value(x.detach() + step) - value(x.detach() - step)) / (2 * kStep);
    // Sums of float32 behind a central difference.
    EXPECT_NEAR(slope.item<double>(), x.grad()[1][row][column].item<double>(), 2e-2);
  }
}

TEST(UniversalProjection, SlotsHaveThePublishedNames) {
  std::vector<std::string> names;
  for (const nn::Slot& slot : nn::slots_of(*made())) names.push_back(slot.name);
  for (const char* name :
       {"experts.1.0.attention.wq.weight", "experts.0.1.feed_forward.w3.weight",
        "resample_tokens.sound", "clip_proj1.sound.0.weight", "clip_proj2.sound.1.bias",
        "routers.sound.fc2.bias", "start_tag.sound", "end_tag.sound"})
    EXPECT_NE(std::find(names.begin(), names.end(), name), names.end()) << name;
}

}  // namespace
}  // namespace isthmus::aligners
