#include "decoders/llama.h"

#include <cmath>

#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include "decoders/registry.h"
#include "isthmus/error.h"
#include "nn/dense_matrix.h"
#include "weights/golden.h"

namespace isthmus::decoders {
namespace {

using isthmus::testing::on_both_paths;

layout::LlamaConfig small_config() {
  layout::LlamaConfig c{};
  c.hidden_size = 32;
  c.intermediate_size = 48;
  c.num_hidden_layers = 2;
  c.num_attention_heads = 4;
  c.num_key_value_heads = 2;
  c.vocab_size = 50;
  c.max_position_embeddings = 64;
  c.head_dim = 8;
  c.rms_norm_eps = 1e-5;
  c.rope_theta = 10000;
  c.rope_factor = 1;
  return c;
}

std::shared_ptr<Llama> with_random_weights(const layout::LlamaConfig& config,
                                           torch::ScalarType type) {
  auto llama = std::make_shared<Llama>(config);
  torch::manual_seed(7);
  for (const nn::Slot& slot : nn::slots_of(*llama)) {
    const Tensor value = torch::randn(slot.shape) * 0.3;
    if (slot.is_matrix()) {
      slot.set_matrix(std::make_shared<nn::DenseMatrix>(value.to(type)));
    } else {
      slot.set_tensor(value + 1);
    }
  }
  return llama;
}

TEST(Llama, NamesItsWeightsAsPublished) {
  const auto llama = with_random_weights(small_config(), torch::kFloat);
  std::vector<std::string> names;
  for (const nn::Slot& slot : nn::slots_of(*llama)) names.push_back(slot.name);
  EXPECT_EQ(names.size(), 1 + 2 * 9 + 1 + 1u);
  EXPECT_EQ(names.front(), "embed_tokens.weight");
  EXPECT_EQ(names.back(), "lm_head.weight");
  EXPECT_NE(std::find(names.begin(), names.end(), "layers.1.mlp.down_proj.weight"), names.end());
}

TEST(Llama, CachedDecodingEqualsOnePass) {
  for (const bool pairs : {false, true}) {
    for (const int64_t window : {0, 5}) {
      auto config = small_config();
      config.sliding_window = window;
      config.attention_bias = pairs;
      config.rope_layout = pairs ? layout::RopeLayout::kPairs : layout::RopeLayout::kHalves;
      const auto llama = with_random_weights(config, torch::kHalf);
      const Tensor embeddings = torch::randn({2, 12, 32});
      on_both_paths([&](const std::string& how) {
        const Tensor whole = llama->forward(embeddings, {});
        nn::KvCache cache(llama->cache_geometry(), 2, 12);
        nn::ForwardContext context;
        context.cache = &cache;
        std::vector<Tensor> parts;
        int64_t first = 0;
        for (const int64_t count : {5, 3, 1, 1, 1, 1}) {
          parts.push_back(llama->forward(embeddings.narrow(1, first, count), context));
          first += count;
        }
        EXPECT_EQ(cache.length(), 12);
        EXPECT_LE((torch::cat(parts, 1) - whole).abs().max().item<double>(), 2e-5)
            << how << ", window " << window;
      });
    }
  }
}

TEST(Llama, SlidingWindowForgetsWhatLiesBefore) {
  auto config = small_config();
  config.num_hidden_layers = 1;
  config.sliding_window = 3;
  const auto llama = with_random_weights(config, torch::kFloat);
  Tensor embeddings = torch::randn({1, 6, 32});
  const Tensor before = llama->forward(embeddings, {});
  embeddings[0][2] += 1;  // seen by rows 2, 3, 4 only
  const Tensor change = (llama->forward(embeddings, {}) - before).abs().amax(-1).squeeze(0);
  EXPECT_EQ(change[1].item<float>(), 0);
  EXPECT_GT(change[4].item<float>(), 1e-4);
  EXPECT_EQ(change[5].item<float>(), 0);
}

TEST(Llama, TiedHeadReadsTheEmbedding) {
  auto config = small_config();
  config.tie_word_embeddings = true;
  const auto llama = with_random_weights(config, torch::kBFloat16);
  EXPECT_EQ(nn::slots_of(*llama).back().name, "norm.weight");
  const Tensor hidden = torch::randn({3, 32});
  const Tensor table = llama->embed_tokens(torch::arange(50));
  on_both_paths([&](const std::string& how) {
    EXPECT_LE((llama->logits(hidden) - torch::matmul(hidden, table.t())).abs().max().item<double>(),
              1e-4)
        << how;
  });
}

TEST(Llama, AttentionWeightsCanBeSeen) {
  const auto llama = with_random_weights(small_config(), torch::kFloat);
  isthmus::testing::Recorder recorder("decoder.layers.1.attention.weights");
  nn::ForwardContext context;
  context.probe = &recorder;
  context.key_ranges = {{2, 6}};
  llama->forward(torch::randn({1, 6, 32}), context);
  ASSERT_EQ(recorder.values.size(), 1u);
  const Tensor weights = recorder.values[0];
  EXPECT_EQ(weights.sizes(), (std::vector<int64_t>{1, 4, 6, 6}));
  const Tensor sums = weights.sum(-1);
  EXPECT_EQ(sums[0][0][0].item<float>(), 0);  // a padded row sees nothing
  EXPECT_NEAR(sums[0][0][3].item<float>(), 1, 1e-5);
  EXPECT_EQ(weights[0][0][3][4].item<float>(), 0);
}

// Central differences along one direction, in double; the weights are frozen float16.
TEST(Llama, GradientsReachTheInputThroughFrozenWeights) {
  const auto llama = with_random_weights(small_config(), torch::kHalf);
  const Tensor x = torch::randn({1, 5, 32}, torch::kDouble),
               direction = torch::randn({1, 5, 32}, torch::kDouble);
  const auto loss = [&](const Tensor& input) {
    return llama->logits(llama->forward(input, {})).square().mean();
  };
  const Tensor leaf = x.clone().requires_grad_(true);
  const Tensor gradient = torch::autograd::grad({loss(leaf)}, {leaf})[0];
  const double step = 1e-5;
  const double slope =
      (loss(x + step * direction) - loss(x - step * direction)).item<double>() / (2 * step);
  EXPECT_NEAR((gradient * direction).sum().item<double>(), slope,
              1e-6 * std::max(1.0, std::abs(slope)));

  // The float32 path goes through our own products, forward and backward.
  const Tensor narrow = x.to(torch::kFloat).requires_grad_(true);
  const Tensor fused = torch::autograd::grad({loss(narrow)}, {narrow})[0];
  EXPECT_LE((fused - gradient).abs().max().item<double>(),
            1e-4 * gradient.abs().max().item<double>() + 1e-6);
}

TEST(Llama, RowsBeforeTheFirstWantedOneAreLeftOutAndChangeNothing) {
  const auto llama = with_random_weights(small_config(), torch::kFloat);
  const Tensor x = torch::randn({2, 9, 32});
  for (const std::vector<nn::KeyRange>& ranges :
       {std::vector<nn::KeyRange>{}, std::vector<nn::KeyRange>{{0, 9}, {0, 7}}}) {
    const auto run = [&](const Tensor& input, int64_t first_row) {
      nn::ForwardContext context;
      context.first_row = first_row;
      context.key_ranges = ranges;
      return llama->forward(input, context);
    };
    const Tensor whole_input = x.clone().requires_grad_(true),
                 input = x.clone().requires_grad_(true);
    const Tensor whole = run(whole_input, 0).narrow(1, 5, 4), kept = run(input, 5);
    ASSERT_EQ(kept.sizes(), whole.sizes());
    EXPECT_LE((kept - whole).abs().max().item<double>(), 1e-5);  // sums of another product
    const Tensor probe = torch::randn(kept.sizes());
    (whole * probe).sum().backward();
    (kept * probe).sum().backward();
    EXPECT_LE((input.grad() - whole_input.grad()).abs().max().item<double>(), 1e-4);
  }
  nn::ForwardContext beyond;
  beyond.first_row = 9;
  EXPECT_THROW(llama->forward(x, beyond), InternalError);
}

TEST(Llama, ABlockHookRunsBeforeEveryBlock) {
  struct Hook final : nn::BlockHook {
    std::vector<int64_t> layers;
    Tensor before_block(int64_t layer, const Tensor& hidden,
                        const nn::ForwardContext& context) override {
      EXPECT_TRUE(context.positions.defined());
      layers.push_back(layer);
      return hidden;
    }
  } hook;
  nn::ForwardContext context;
  context.hook = &hook;
  with_random_weights(small_config(), torch::kFloat)->forward(torch::randn({1, 3, 32}), context);
  EXPECT_EQ(hook.layers, (std::vector<int64_t>{0, 1}));
}

TEST(Registry, NamesAnUnknownDecoder) {
  const JsonView config = JsonView::parse("{}", "config.json");
  try {
    make_language_model("llava_mpt", config);
    FAIL();
  } catch (const UnsupportedError& error) {
    EXPECT_NE(std::string(error.what()).find("config.json"), std::string::npos);
    EXPECT_NE(std::string(error.what()).find("llava_mpt"), std::string::npos);
  }
}

}  // namespace
}  // namespace isthmus::decoders
