// The resampler and the gated blocks against the reference, stage by stage on its own inputs.
#include <algorithm>
#include <map>

#include <gtest/gtest.h>

#include "aligners/flamingo_testing.h"
#include "isthmus/error.h"

namespace isthmus::aligners {
namespace {

class FlamingoGolden : public ::testing::TestWithParam<const char*> {};

TEST_P(FlamingoGolden, ResamplerAgrees) {
  const GoldenCase golden = openflamingo(GetParam());
  const auto aligner = load_aligner(golden);
  const Tensor tokens = golden.tensor("vision_tokens");  // [B, T, 1, rows, D]
  on_both_paths([&](const std::string& how) {
    Recorder attention("aligner.resampler.layers.0.attention");
    nn::ForwardContext context;
    context.probe = &attention;
    const Tensor latents = aligner->resampler()(tokens, context);
    const Tensor first = attention.values.at(0).unflatten(0, {tokens.size(0), tokens.size(1)});
    golden.expect_agrees("perceiver_attn0",
                         first.narrow(1, 0, std::min<int64_t>(2, tokens.size(1))), how);
    golden.expect_agrees("resampler_out", latents, how);
    const Tensor aligned = aligner->align({tokens.flatten(0, 2)}, {}).memory;
    golden.expect_agrees("resampler_out", aligned.unflatten(0, tokens.sizes().slice(0, 2)), how);
  });
}

TEST_P(FlamingoGolden, FirstGatedBlockAgrees) {
  const GoldenCase golden = openflamingo(GetParam());
  const auto aligner = load_aligner(golden);
  const int64_t layer = golden.json().integer("cross_attn_every_n_layers") - 1;
  const std::string stage = "gated" + std::to_string(layer) + "_";
  const Tensor real = golden.tensor("attention_mask").unsqueeze(-1);  // padding is not compared
  std::vector<int64_t> images;
  for (const JsonView& row : golden.json().at("images").elements())
    images.push_back(static_cast<int64_t>(row.elements().size()));
  const Tensor hidden = golden.tensor(stage + "in"), latents = golden.tensor("resampler_out"),
               text_time = golden.tensor("text_time");
  for (const bool remembered : {false, true})
    on_both_paths([&](const std::string& path) {
      const std::string how = path + (remembered ? ", remembered" : ", latents only");
      const nn::MediaView view = view_of(latents, images, text_time, [&](const Tensor& own) {
        return remembered ? aligner->remember(own) : memory_of(own);
      });
      Recorder stages("aligner.cross_attention.");
      nn::ForwardContext context;
      context.media = &view;
      context.probe = &stages;
      const Tensor out = aligner->before_block(layer, hidden, context);
      std::map<std::string, Tensor> seen;
      for (size_t i = 0; i < stages.names.size(); ++i) seen[stages.names[i]] = stages.values[i];
      const std::string prefix = "aligner.cross_attention." + std::to_string(layer) + ".";
      golden.expect_agrees(stage + "attn", seen.at(prefix + "attention") * real, how);
      golden.expect_agrees(stage + "ff", seen.at(prefix + "feed_forward") * real, how);
      golden.expect_agrees(stage + "out", seen.at(prefix + "output") * real, how);
      golden.expect_agrees(stage + "out", out * real, how);
      // Weights of a position that reads something sum to one, of any other to zero.
      const Tensor sums = seen.at(prefix + "weights").sum(-1);  // [batch, heads, seq]
      const Tensor wanted = (text_time > 0).to(torch::kFloat).unsqueeze(1);
      EXPECT_LE((sums - wanted).abs().max().item<double>(), 1e-5) << how;
    });
}

INSTANTIATE_TEST_SUITE_P(Cases, FlamingoGolden,
                         ::testing::Values("mpt1b_mosaic_every1", "neox_rpj_every2", "mpt7b_every1",
                                           "neox_pythia_parallel", "opt_every2"));

TEST(ResamplerGolden, FramesAndMediaHaveEmbeddingsOfTime) {
  const GoldenCase golden = openflamingo("media_masking");
  PerceiverResampler resampler(layout::ResamplerConfig{.dim = 24,
                                                       .depth = 2,
                                                       .heads = 3,
                                                       .dim_head = 8,
                                                       .num_latents = 5,
                                                       .intermediate_size = 48,
                                                       .max_num_media = 4,
                                                       .max_num_frames = 3});
  bind_alone(*resampler, golden.path("model/resampler_frames.pt"));
  const Tensor x =
      weights::tensor_of(formats::read_npy(golden.path("inputs/resampler_x.npy"))).clone();
  on_both_paths([&](const std::string& how) {
    golden.expect_agrees("resampler_frames_out", resampler(x), how);
    // Without a batch: each sample by itself.
    const Tensor rows = torch::stack({resampler(x.select(0, 0)), resampler(x.select(0, 1))});
    golden.expect_agrees("resampler_frames_out", rows, how);
  });
  const auto too_many = [&](Shape shape) { return resampler(torch::randn(shape)); };
  EXPECT_THROW(too_many({5, 2, 6, 24}), InputError);
  EXPECT_THROW(too_many({4, 4, 6, 24}), InputError);
}

class CrossAttentionGolden : public ::testing::Test {
 protected:
  MaskedCrossAttention load(bool immediate) const {
    MaskedCrossAttention module(layout::CrossAttentionConfig{.lang_dim = 20,
                                                             .vis_dim = 24,
                                                             .heads = 3,
                                                             .dim_head = 8,
                                                             .intermediate_size = 80,
                                                             .only_attend_immediate_media =
                                                                 immediate},
                                0);
    bind_alone(*module, golden_.path("model/xattn_all_media.pt"));
    return module;
  }
  Tensor input(const char* name) const {
    return weights::tensor_of(
               formats::read_npy(golden_.path(std::string("inputs/xattn_") + name + ".npy")))
        .clone();
  }
  void expect(const std::string& name, bool immediate, const Tensor& text,
              const Tensor& text_time) const {
    MaskedCrossAttention module = load(immediate);
    on_both_paths([&](const std::string& how) {
      const nn::MediaView view = view_of(input("media"), {3, 3}, text_time, memory_of);
      nn::ForwardContext context;
      context.media = &view;
      golden_.expect_agrees(name, module(text, context), how);
    });
  }

  GoldenCase golden_ = openflamingo("media_masking");
};

TEST_F(CrossAttentionGolden, ImmediateMedia) {
  expect("xattn_immediate_out", true, input("x"), input("media_locations").cumsum(1));
}

TEST_F(CrossAttentionGolden, AllMediaBefore) {
  expect("xattn_all_media_out", false, input("x"), input("media_locations").cumsum(1));
}

TEST_F(CrossAttentionGolden, CachedMediaAreTheLastOnes) {
  const Tensor count = input("media_locations").sum(1, true);
  expect("xattn_cached_out", true, input("x").narrow(1, 0, 4), count.expand({2, 4}));
}

}  // namespace
}  // namespace isthmus::aligners
