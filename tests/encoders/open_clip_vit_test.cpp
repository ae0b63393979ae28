#include "encoders/open_clip_vit.h"

#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include "layout/open_clip_names.h"
#include "nn/dense_matrix.h"
#include "weights/golden.h"

namespace isthmus::encoders {
namespace {

using isthmus::testing::GoldenCase;
using isthmus::testing::on_both_paths;
using isthmus::testing::Recorder;

OpenClipVit load(const GoldenCase& golden, const OpenClipVitOptions& options = {}) {
  const auto folder = golden.path("model/clip");
  const auto checkpoint =
      formats::Checkpoint::open(folder / golden.json().at("vision").string("file"));
  OpenClipVit vit(layout::OpenClipVisionConfig::read(checkpoint, folder / "open_clip_config.json"),
                  options);
  torch::nn::Module root;
  root.register_module("encoder", vit);
  const auto names = layout::open_clip_names(checkpoint);
  const std::vector<weights::WeightSource> sources = {{checkpoint, names.map, names.ignores}};
  weights::bind_weights(root, sources);
  return vit;
}

class OpenClipVitGolden : public ::testing::TestWithParam<const char*> {};

TEST_P(OpenClipVitGolden, EveryStageAgrees) {
  const GoldenCase golden(std::string("../openflamingo/") + GetParam());
  OpenClipVit vit = load(golden), normed = load(golden, {.ln_post = true});
  const Tensor all = golden.tensor("pixel_values");  // [B, T, 1, 3, S, S]
  const Tensor pixels = all.flatten(0, 2);
  const Shape outer(all.sizes().begin(), all.sizes().begin() + 3);
  const auto nested = [&](const Tensor& values) { return values.unflatten(0, outer); };
  on_both_paths([&](const std::string& how) {
    Recorder hidden("encoder.hidden.");
    nn::ForwardContext context;
    context.probe = &hidden;
    const Tensor features = vit(pixels, context).values;
    ASSERT_EQ(static_cast<int64_t>(hidden.values.size()), vit->config().layers + 1);
    golden.expect_agrees("vit_ln_pre", hidden.values.at(0), how);
    golden.expect_agrees("vit_block0", hidden.values.at(1), how);
    golden.expect_agrees("vision_tokens", nested(features), how);
    golden.expect_agrees("vision_tokens_lnpost", nested(normed(pixels).values), how);
  });
}

INSTANTIATE_TEST_SUITE_P(Cases, OpenClipVitGolden,
                         ::testing::Values("mpt1b_mosaic_every1", "neox_rpj_every2", "mpt7b_every1",
                                           "neox_pythia_parallel", "opt_every2"));

layout::OpenClipVisionConfig small_open_clip() {
  layout::OpenClipVisionConfig c{};
  c.width = 24;
  c.layers = 2;
  c.heads = 3;
  c.intermediate_size = 40;
  c.image_size = 22;  // 5 patches of 4 and a rest of 2 that a convolution ignores
  c.patch_size = 4;
  c.embed_dim = 10;
  c.activation = layout::Activation::kGelu;
  c.layer_norm_eps = 1e-5;
  return c;
}

OpenClipVit with_random_weights() {
  OpenClipVit vit(small_open_clip());
  torch::manual_seed(4);
  for (const nn::Slot& slot : nn::slots_of(*vit)) {
    const Tensor value = torch::randn(slot.shape) * 0.3;
    if (slot.is_matrix())
      slot.set_matrix(std::make_shared<nn::DenseMatrix>(value.reshape({slot.shape[0], -1})));
    else
      slot.set_tensor(value);
  }
  return vit;
}

TEST(OpenClipVit, OneForwardYieldsFeaturesAndEmbedding) {
  OpenClipVit vit = with_random_weights();
  const Tensor pixels = torch::randn({3, 3, 22, 22});
  on_both_paths([&](const std::string& how) {
    const OpenClipEncoding both = vit->encode(pixels);
    EXPECT_TRUE(torch::equal(both.features.values, vit->forward(pixels).values)) << how;
    EXPECT_TRUE(torch::equal(both.image_embedding, vit->image_embedding(pixels))) << how;
    EXPECT_EQ(both.features.values.sizes(), (torch::IntArrayRef{3, 25, 24})) << how;
    EXPECT_EQ(both.image_embedding.sizes(), (torch::IntArrayRef{3, 10})) << how;
    const Tensor length = both.image_embedding.square().sum(-1);
    EXPECT_LE((length - 1).abs().max().item<double>(), 1e-5) << how;
  });
}

TEST(OpenClipVit, AttentionWeightsCanBeSeen) {
  OpenClipVit vit = with_random_weights();
  Recorder weights("encoder.layers.1.attention.weights");
  nn::ForwardContext context;
  context.probe = &weights;
  vit(torch::randn({2, 3, 22, 22}), context);
  ASSERT_EQ(weights.values.size(), 1u);
  EXPECT_EQ(weights.values[0].sizes(), (torch::IntArrayRef{2, 3, 26, 26}));
  EXPECT_LE((weights.values[0].sum(-1) - 1).abs().max().item<double>(), 1e-5);
}

TEST(OpenClipVit, GradientsReachThePixels) {
  OpenClipVit vit = with_random_weights();
  vit->to(torch::kDouble);  // norms and biases; the frozen matrices follow their input
  const Tensor x = torch::randn({1, 3, 22, 22}, torch::kDouble), direction = torch::randn_like(x);
  const auto loss = [&](const Tensor& pixels) {
    const OpenClipEncoding both = vit->encode(pixels);
    return both.features.values.square().mean() + both.image_embedding.select(1, 0).sum();
  };
  const Tensor leaf = x.clone().requires_grad_(true);
  const Tensor gradient = torch::autograd::grad({loss(leaf)}, {leaf})[0];
  const double step = 1e-5;
  const double slope =
      (loss(x + step * direction) - loss(x - step * direction)).item<double>() / (2 * step);
  EXPECT_NEAR((gradient * direction).sum().item<double>(), slope,
              1e-5 * std::max(1.0, std::abs(slope)));
}

}  // namespace
}  // namespace isthmus::encoders
