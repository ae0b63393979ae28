#include "aligners/flamingo_aligner.h"

#include <algorithm>
#include <cmath>
#include <map>

#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include "aligners/flamingo_testing.h"

namespace isthmus::aligners {
namespace {

layout::FlamingoConfig small_config(bool immediate = true) {
  layout::FlamingoConfig c{};
  c.resampler = {.dim = 10,
                 .depth = 2,
                 .heads = 2,
                 .dim_head = 4,
                 .num_latents = 5,
                 .intermediate_size = 12,
                 .max_num_media = 0,
                 .max_num_frames = 0};
  c.cross_attention = {.lang_dim = 14,
                       .vis_dim = 10,
                       .heads = 2,
                       .dim_head = 4,
                       .intermediate_size = 20,
                       .only_attend_immediate_media = immediate};
  c.cross_attn_every_n_layers = 2;
  c.num_blocks = 2;  // before layers 1 and 3
  return c;
}

std::shared_ptr<FlamingoAligner> random_aligner(bool immediate = true) {
  auto aligner = std::make_shared<FlamingoAligner>(small_config(immediate));
  randomise(*aligner, 5);
  return aligner;
}

using Rows = std::vector<std::vector<int64_t>>;

nn::MediaView make_view(FlamingoAligner& aligner, const Tensor& latents,
                        const std::vector<int64_t>& counts, const Rows& index) {
  nn::MediaView view = view_of(latents, counts, torch::zeros({latents.size(0), 1}),
                               [&](const Tensor& own) { return aligner.remember(own); });
  view.index = index;
  return view;
}

Tensor run(FlamingoAligner& aligner, const Tensor& hidden, const nn::MediaView& view) {
  nn::ForwardContext context;
  context.media = &view;
  return aligner.before_block(1, hidden, context);
}

Tensor attention_of(FlamingoAligner& aligner, const Tensor& hidden, const nn::MediaView* view) {
  Recorder attention("aligner.cross_attention.1.attention");
  nn::ForwardContext context;
  context.media = view;
  context.probe = &attention;
  aligner.before_block(1, hidden, context);
  return attention.values.at(0);
}

TEST(MediaRuns, PositionsOfOneIndexAreOneRun) {
  const auto runs = media_runs({0, 0, 1, 1, 1, 2, 3, 3}, 2, true);
  ASSERT_EQ(runs.size(), 4u);
  const auto expect = [](const MediaRun& run, int64_t first, int64_t count, int64_t begin,
                         int64_t end, bool uniform) {
    EXPECT_EQ(run.first, first);
    EXPECT_EQ(run.count, count);
    EXPECT_EQ(run.begin, begin);
    EXPECT_EQ(run.end, end);
    EXPECT_EQ(run.uniform, uniform);
  };
  expect(runs[0], 0, 2, 0, 0, false);
  expect(runs[1], 2, 3, 0, 1, false);
  expect(runs[2], 5, 1, 1, 2, false);
  expect(runs[3], 6, 2, 0, 2, true);
  const auto all = media_runs({0, 1, 2, 3}, 2, false);
  ASSERT_EQ(all.size(), 3u);
  expect(all[0], 0, 1, 0, 2, true);
  expect(all[1], 1, 1, 0, 1, false);
  expect(all[2], 2, 2, 0, 2, false);
  EXPECT_TRUE(media_runs({}, 2, true).empty());
  for (const bool immediate : {false, true})
    expect(media_runs({0, 3}, 0, immediate).at(0), 0, 2, 0, 0, false);
}

TEST(FlamingoAligner, NamesFollowThePublishedTree) {
  FlamingoAligner aligner(small_config());
  std::vector<std::string> names;
  for (const nn::Slot& slot : nn::slots_of(aligner)) names.push_back(slot.name);
  EXPECT_EQ(names.size(), 1 + 2 * 11 + 2 + 2 * 11u);
  for (const char* name :
       {"resampler.latents", "resampler.layers.1.0.norm_media.weight",
        "resampler.layers.0.0.norm_latents.bias", "resampler.layers.0.0.to_kv.weight",
        "resampler.layers.1.1.0.bias", "resampler.layers.1.1.3.weight", "resampler.norm.weight",
        "cross_attention.1.attn.norm.bias", "cross_attention.1.attn.to_out.weight",
        "cross_attention.3.attn_gate", "cross_attention.3.ff_gate", "cross_attention.3.ff.0.weight",
        "cross_attention.3.ff.1.weight"})
    EXPECT_NE(std::find(names.begin(), names.end(), name), names.end()) << name;
}

TEST(FlamingoAligner, LayersWithoutABlockPassOn) {
  const auto aligner = random_aligner();
  const Tensor hidden = torch::randn({1, 3, 14});
  for (const int64_t layer : {0, 2, 4, 5})
    EXPECT_TRUE(aligner->before_block(layer, hidden, {}).is_same(hidden)) << layer;
  EXPECT_FALSE(torch::equal(aligner->before_block(3, hidden, {}), hidden));
}

TEST(GatedCrossAttention, TextBeforeFirstMediaReceivesNothing) {
  const auto aligner = random_aligner();
  const Tensor hidden = torch::randn({2, 4, 14}), latents = torch::randn({2, 2, 5, 10});
  on_both_paths([&](const std::string& how) {
    const auto view = make_view(*aligner, latents, {2, 0}, {{0, 0, 1, 2}, {0, 1, 1, 1}});
    const Tensor attended = attention_of(*aligner, hidden, &view);
    EXPECT_EQ(attended.select(0, 0).narrow(0, 0, 2).abs().max().item<double>(), 0) << how;
    EXPECT_GT(attended.select(0, 0).narrow(0, 2, 2).abs().min().item<double>(), 0) << how;
    EXPECT_EQ(attended.select(0, 1).abs().max().item<double>(), 0) << how << ", no media";
    EXPECT_EQ(attention_of(*aligner, hidden, nullptr).abs().max().item<double>(), 0) << how;
    // The feed-forward acts on them all the same.
    const Tensor out = run(*aligner, hidden, view);
    EXPECT_GT((out - hidden).select(0, 1).abs().max().item<double>(), 1e-3) << how;
    const Tensor without = aligner->before_block(1, hidden, {});
    EXPECT_LE((out - without).select(0, 1).abs().max().item<double>(), 1e-6) << how;
  });
}

TEST(GatedCrossAttention, MoreMarkersThanMediaAttendEvenly) {
  const auto aligner = random_aligner();
  const Tensor hidden = torch::randn({1, 3, 14}), latents = torch::randn({1, 2, 5, 10});
  on_both_paths([&](const std::string& how) {
    const auto view = make_view(*aligner, latents, {2}, {{3, 3, 7}});
    const Tensor attended = attention_of(*aligner, hidden, &view);
    EXPECT_GT(attended.abs().min().item<double>(), 0) << how;
    // Whatever the text asks: to_out of the mean of all values.
    for (int64_t t = 1; t < 3; ++t)
      EXPECT_LE((attended.select(1, 0) - attended.select(1, t)).abs().max().item<double>(), 1e-6)
          << how;
  });
}

// One row at a time, or a batch of rows with different media and counts: the same answers.
TEST(GatedCrossAttention, RowsOfABatchDoNotDisturbEachOther) {
  for (const bool immediate : {true, false}) {
    const auto aligner = random_aligner(immediate);
    const Tensor latents = torch::randn({3, 3, 5, 10});
    const std::vector<int64_t> counts = {3, 1, 2};
    for (const Rows& index :
         {Rows{{0, 1, 1, 2, 3, 3, 3}, {0, 0, 0, 0, 1, 1, 1}, {1, 2, 2, 2, 2, 2, 3}},
          Rows{{3}, {1}, {2}}, Rows{{3}, {0}, {4}}, Rows{{2, 2}, {1, 1}, {1, 1}}}) {
      const Tensor hidden = torch::randn({3, static_cast<int64_t>(index[0].size()), 14});
      on_both_paths([&](const std::string& how) {
        const Tensor together = run(*aligner, hidden, make_view(*aligner, latents, counts, index));
        for (int64_t b = 0; b < 3; ++b) {
          const auto row = static_cast<size_t>(b);
          const auto own =
              make_view(*aligner, latents.narrow(0, b, 1), {counts[row]}, {index[row]});
          const Tensor alone = run(*aligner, hidden.narrow(0, b, 1), own);
          EXPECT_LE((together.narrow(0, b, 1) - alone).abs().max().item<double>(), 2e-6)
              << how << ", row " << b;
        }
      });
    }
  }
}

TEST(GatedCrossAttention, BeamsShareTheirMedia) {
  const auto aligner = random_aligner();
  const Tensor hidden = torch::randn({3, 1, 14});
  const c10::InferenceMode inference;
  const auto memory = aligner->remember(torch::randn({5, 10}));
  const auto copy = aligner->remember(memory->latents);
  const nn::MediaView shared{{{memory}, {memory}, {memory}}, {{1}, {1}, {1}}};
  const nn::MediaView copies{{{memory}, {copy}, {memory}}, {{1}, {1}, {1}}};
  EXPECT_TRUE(torch::equal(run(*aligner, hidden, shared), run(*aligner, hidden, copies)));
}

TEST(FlamingoAligner, RemembersWhatTheBlocksWouldCompute) {
  const auto aligner = random_aligner();
  const Tensor latents = torch::randn({5, 10}), hidden = torch::randn({1, 6, 14});
  const auto remembered = aligner->remember(latents);
  ASSERT_EQ(remembered->layers.size(), 4u);
  EXPECT_FALSE(remembered->layers[0].key.defined());
  EXPECT_EQ(remembered->layers[1].key.sizes(), (torch::IntArrayRef{2, 5, 4}));
  EXPECT_TRUE(remembered->layers[3].value.is_contiguous());
  const Rows index = {{0, 1, 1, 1, 1, 1}};
  on_both_paths([&](const std::string& how) {
    const Tensor a = run(*aligner, hidden, {{{remembered}}, index});
    const Tensor b = run(*aligner, hidden, {{{memory_of(latents)}}, index});
    EXPECT_LE((a - b).abs().max().item<double>(), 1e-6) << how;
  });
}

// Every parameter, the features and the text, against central differences in double.
void expect_gradients(bool immediate, const Rows& index) {
  auto config = small_config(immediate);
  config.resampler.max_num_media = 3;
  config.resampler.max_num_frames = 2;
  FlamingoAligner aligner(config);
  randomise(aligner, 6);
  for (const auto& module : aligner.modules(false))
    if (auto* linear = dynamic_cast<nn::LinearImpl*>(module.get())) linear->make_trainable();
  aligner.to(torch::kDouble);
  for (Tensor& parameter : aligner.parameters()) parameter.requires_grad_(true);

  const auto options = torch::dtype(torch::kDouble).requires_grad(true);
  const Tensor features = torch::randn({3, 3, 2, 4, 10}, options),
               text = torch::randn({3, 7, 14}, options);
  const Tensor aim = torch::randn({3, 7, 14}, torch::kDouble);
  const auto loss = [&] {
    const Tensor latents = aligner.resampler()(features);
    nn::MediaView view = view_of(latents, {3, 2, 0}, torch::zeros({3, 1}), memory_of);
    view.index = index;
    nn::ForwardContext context;
    context.media = &view;
    const Tensor once = aligner.before_block(1, text, context);
    return (aligner.before_block(3, once, context) * aim).sum();
  };

  std::vector<std::pair<std::string, Tensor>> leaves = {{"features", features}, {"text", text}};
  for (const auto& entry : aligner.named_parameters())
    leaves.emplace_back(entry.key(), entry.value());
  torch::autograd::variable_list inputs;
  for (const auto& [name, leaf] : leaves) inputs.push_back(leaf);
  const auto gradients = torch::autograd::grad({loss()}, inputs);
  for (size_t i = 0; i < leaves.size(); ++i) {
    const auto& [name, leaf] = leaves[i];
    const torch::NoGradGuard no_gradient;
    const nn::ops::ComposedOnly composed;
    const Tensor direction = torch::randn_like(leaf), start = leaf.clone();
    const double step = 1e-5;
    leaf.copy_(start + step * direction);
    const double above = loss().item<double>();
    leaf.copy_(start - step * direction);
    const double below = loss().item<double>();
    leaf.copy_(start);
    const double slope = (above - below) / (2 * step);
    const double got = (gradients[i] * direction).sum().item<double>();
    EXPECT_NEAR(got, slope, 1e-6 * std::max(1.0, std::abs(slope))) << name;
    EXPECT_NE(got, 0) << name;
  }
}

// Rows with three media, with two, and without any; text before the first medium; padding behind.
TEST(FlamingoAligner, GradientsAgreeWithFiniteDifferences) {
  const Rows padded = {{0, 1, 1, 2, 3, 3, 3}, {0, 0, 1, 2, 2, 0, 0}, {0, 0, 0, 0, 0, 0, 0}};
  const Rows more_markers = {{0, 1, 1, 2, 3, 3, 4}, {0, 0, 0, 0, 1, 2, 2}, {0, 0, 1, 1, 1, 1, 1}};
  for (const bool immediate : {true, false})
    for (const Rows& index : {padded, more_markers}) {
      SCOPED_TRACE(immediate ? "the last medium" : "all media before");
      expect_gradients(immediate, index);
    }
}

TEST(FlamingoAligner, AFreshOneIsDrawnAsTheReferenceDraws) {
  auto config = layout::FlamingoConfig::fresh(48, 80, 4, 2);
  config.resampler.max_num_media = 3;
  config.resampler.max_num_frames = 2;
  FlamingoAligner aligner(config), again(config), other(config);
  initialise(aligner, 1);
  initialise(again, 1);
  initialise(other, 2);
  std::map<std::string, Tensor> values, repeated, different;
  for (const auto& slot : nn::slots_of(aligner)) values[slot.name] = slot.value();
  for (const auto& slot : nn::slots_of(again)) repeated[slot.name] = slot.value();
  for (const auto& slot : nn::slots_of(other)) different[slot.name] = slot.value();
  for (const auto& [name, value] : values) {
    EXPECT_TRUE(torch::equal(value, repeated.at(name))) << name;
    const double mean = value.mean().item<double>();
    const double deviation = value.numel() > 1 ? value.std().item<double>() : 0;
    if (name.ends_with("latents") || name.ends_with("_embs")) {
      EXPECT_NEAR(deviation, 1, 0.12) << name;
      EXPECT_FALSE(torch::equal(value, different.at(name))) << name;
    } else if (value.dim() == 2) {
      const double bound = 1 / std::sqrt(static_cast<double>(value.size(1)));
      EXPECT_LE(value.abs().max().item<double>(), bound) << name;
      EXPECT_GT(value.abs().max().item<double>(), 0.99 * bound) << name;
      EXPECT_NEAR(deviation, bound / std::sqrt(3.0), 0.02 * bound) << name;
      EXPECT_NEAR(mean, 0, 0.03 * bound) << name;
      EXPECT_FALSE(torch::equal(value, different.at(name))) << name;
    } else {
      EXPECT_EQ(deviation, 0) << name;
      EXPECT_EQ(mean, name.ends_with(".weight") ? 1 : 0) << name;
    }
  }
  // Gates of zero: the language model answers as if there were no blocks.
  const Tensor hidden = torch::randn({1, 3, 80});
  const nn::MediaView view{{{memory_of(torch::randn({64, 48}))}}, {{1, 1, 1}}};
  nn::ForwardContext context;
  context.media = &view;
  EXPECT_TRUE(torch::equal(aligner.before_block(3, hidden, context), hidden));
}

}  // namespace
}  // namespace isthmus::aligners
