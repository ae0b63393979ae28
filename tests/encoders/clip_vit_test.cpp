#include "encoders/clip_vit.h"

#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include "isthmus/error.h"
#include "nn/dense_matrix.h"
#include "weights/golden.h"

namespace isthmus::encoders {
namespace {

using isthmus::testing::GoldenCase;
using isthmus::testing::on_both_paths;
using isthmus::testing::part_of;
using isthmus::testing::Recorder;

void expect_case(const std::string& case_name, bool within) {
  const GoldenCase golden(case_name);
  int compared = 0;
  for (const JsonView& request : golden.requests()) {
    const std::string name = request.string("name");
    if (!golden.has(name + ".vit_selected") || !golden.has_pixel_values(request)) continue;
    const auto model = golden.path(golden.json().string("model"));
    const auto tower = golden.path(golden.json().string("vision_tower"));
    const auto config = layout::LlavaConfig::parse(JsonView::load(model / "config.json"));
    ClipVit vit(layout::ClipVisionConfig::parse(JsonView::load(tower / "config.json")),
                ClipVitOptions{config.select_layer,
                               config.select_feature == layout::SelectFeature::kClsPatch});
    const std::vector<weights::WeightSource> sources = {
        within
            ? part_of(model, config.layout, "encoder.")
            : part_of(formats::Checkpoint::open(tower), layout::vision_tower_names(), "encoder.")};
    weights::bind_weights(*vit, sources);
    const Tensor pixels = golden.pixel_values(request);
    on_both_paths([&](const std::string& how) {
      Recorder hidden("encoder.hidden.0");
      nn::ForwardContext context;
      context.probe = &hidden;
      const Tensor features = vit(pixels, context).values;
      if (golden.has(name + ".vit_hidden0"))
        golden.expect_agrees(name + ".vit_hidden0", hidden.values.at(0), how);
      golden.expect_agrees(name + ".vit_selected", features, how);
    });
    ++compared;
  }
  EXPECT_GT(compared, 0);
}

TEST(ClipVitGolden, SeparateTower) { expect_case("v15_original", false); }
TEST(ClipVitGolden, TowerInsideTheVicunaCheckpoint) { expect_case("v16_anyres_vicuna", true); }
TEST(ClipVitGolden, TowerInsideTheMistralCheckpoint) { expect_case("v16_anyres_mistral", true); }

layout::ClipVisionConfig small_config() {
  layout::ClipVisionConfig c{};
  c.hidden_size = 24;
  c.intermediate_size = 40;
  c.num_hidden_layers = 3;
  c.num_attention_heads = 3;
  c.image_size = 30;  // 7 patches of 4 and a rest of 2 that a convolution ignores
  c.patch_size = 4;
  c.num_channels = 3;
  c.layer_norm_eps = 1e-5;
  c.hidden_act = layout::Activation::kQuickGelu;
  return c;
}

ClipVit with_random_weights(const ClipVitOptions& options) {
  ClipVit vit(small_config(), options);
  torch::manual_seed(3);
  for (const nn::Slot& slot : nn::slots_of(*vit)) {
    const Tensor value = torch::randn(slot.shape) * 0.3;
    if (slot.is_matrix()) {
      slot.set_matrix(std::make_shared<nn::DenseMatrix>(value.reshape({slot.shape[0], -1})));
    } else {
      slot.set_tensor(value);
    }
  }
  return vit;
}

TEST(ClipVit, PatchEmbeddingIsTheConvolution) {
  ClipVit vit = with_random_weights({});
  const Tensor pixels = torch::randn({2, 3, 30, 30});
  Tensor kernel;
  PatchEmbedding patches(PatchGrid{3, 30, 4, 24});
  for (nn::Slot& slot : nn::slots_of(*vit)) {
    if (slot.name != "embeddings.patch_embedding.weight") continue;
    EXPECT_EQ(slot.shape, (Shape{24, 3, 4, 4}));
    kernel = slot.value();
    patches->slots()[0].set_matrix(slot.matrix());
  }
  const Tensor want = torch::conv2d(pixels, kernel, {}, 4).flatten(2).transpose(1, 2);
  EXPECT_LE((patches(pixels) - want).abs().max().item<double>(), 1e-5);
}

TEST(ClipVit, SelectedLayerCountsFromEitherEnd) {
  const Tensor pixels = torch::randn({1, 3, 30, 30});
  const Tensor last = with_random_weights({-1, true})->forward(pixels).values;
  EXPECT_TRUE(torch::equal(last, with_random_weights({3, true})->forward(pixels).values));
  EXPECT_EQ(last.size(1), 50);
  EXPECT_TRUE(torch::equal(last.narrow(1, 1, 49),
                           with_random_weights({-1, false})->forward(pixels).values));
  EXPECT_EQ(with_random_weights({0, true})->layers_computed(), 0);
  EXPECT_EQ(with_random_weights({-2, true})->layers_computed(), 2);
  EXPECT_THROW(with_random_weights({4, true}), ModelError);
  EXPECT_THROW(with_random_weights({-5, true}), ModelError);
}

TEST(ClipVit, GradientsReachThePixels) {
  ClipVit vit = with_random_weights({});
  vit->to(torch::kDouble);  // norms and biases; the frozen matrices follow their input
  const Tensor x = torch::randn({1, 3, 30, 30}, torch::kDouble), direction = torch::randn_like(x);
  const auto loss = [&](const Tensor& pixels) { return vit(pixels).values.square().mean(); };
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
