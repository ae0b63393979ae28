// What no golden case holds: the rarer options of MPT, GPT-NeoX and OPT, on random weights.
#include <cmath>
#include <map>

#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include "decoders/gpt_neox.h"
#include "decoders/mpt.h"
#include "decoders/opt.h"
#include "decoders/registry.h"
#include "isthmus/error.h"
#include "layout/language_model_tree.h"
#include "nn/dense_matrix.h"
#include "weights/golden.h"

namespace isthmus::decoders {
namespace {

using isthmus::testing::on_both_paths;

constexpr const char* kConfigs[] = {
    // Learned positions, biases, clipping, an untied head, a scale on the logits.
    R"({"model_type": "mpt", "d_model": 24, "n_heads": 3, "n_layers": 2, "vocab_size": 40,
        "max_seq_len": 16, "no_bias": false, "tie_word_embeddings": false, "logit_scale": 0.5,
        "attn_config": {"alibi": false, "clip_qkv": 0.7, "softmax_scale": 0.3}})",
    // Six heads: slopes of eight, interleaved.
    R"({"model_type": "mpt", "d_model": 24, "n_heads": 6, "n_layers": 2, "vocab_size": 40,
        "attn_config": {"qk_ln": true}})",
    R"({"model_type": "mosaic_gpt", "d_model": 24, "n_heads": 3, "n_layers": 2, "vocab_size": 40,
        "max_seq_len": 16, "mlp_ratio": 2})",
    R"({"model_type": "gpt_neox", "hidden_size": 24, "num_attention_heads": 2, "vocab_size": 40,
        "num_hidden_layers": 2, "intermediate_size": 40, "rotary_pct": 0.5, "attention_bias": false,
        "tie_word_embeddings": true, "hidden_act": "gelu_fast"})",
    // opt-350m: norms after the sums, embeddings narrower than the model.
    R"({"model_type": "opt", "hidden_size": 24, "num_attention_heads": 2, "vocab_size": 40,
        "num_hidden_layers": 2, "ffn_dim": 40, "max_position_embeddings": 16,
        "word_embed_proj_dim": 10, "do_layer_norm_before": false})",
    R"({"model_type": "opt", "hidden_size": 24, "num_attention_heads": 2, "vocab_size": 40,
        "num_hidden_layers": 2, "ffn_dim": 40, "max_position_embeddings": 16, "enable_bias": false,
        "layer_norm_elementwise_affine": false, "tie_word_embeddings": false,
        "activation_function": "gelu"})",
};

JsonView config_of(const char* text) { return JsonView::parse(text, "config.json"); }

void fill_randomly(LanguageModel& model, torch::ScalarType type) {
  torch::manual_seed(7);
  for (const nn::Slot& slot : nn::slots_of(model)) {
    const Tensor value = torch::randn(slot.shape) * 0.3;
    if (slot.is_matrix()) {
      slot.set_matrix(std::make_shared<nn::DenseMatrix>(value.to(type)));
    } else {
      slot.set_tensor(value + (slot.name.ends_with("bias") ? 0 : 1));
    }
  }
}

std::shared_ptr<LanguageModel> random_model(const char* text,
                                            torch::ScalarType type = torch::kFloat) {
  const JsonView config = config_of(text);
  auto model = make_language_model(config.string("model_type"), config);
  fill_randomly(*model, type);
  return model;
}

std::map<std::string, Tensor> values_of(LanguageModel& model) {
  std::map<std::string, Tensor> values;
  for (const nn::Slot& slot : nn::slots_of(model)) values[slot.name] = slot.value();
  return values;
}

class RareOptions : public ::testing::TestWithParam<const char*> {};

TEST_P(RareOptions, SlotsAreTheParametersOfTheTree) {
  const JsonView config = config_of(GetParam());
  std::map<std::string, Shape> slots, expected;
  for (const nn::Slot& slot : nn::slots_of(*random_model(GetParam())))
    slots["decoder." + slot.name] = slot.shape;
  for (const auto& [name, shape] : layout::expected_parameters(config.string("model_type"), config))
    expected[name] = shape;
  EXPECT_EQ(slots, expected);
}

TEST_P(RareOptions, CachedDecodingEqualsOnePass) {
  const auto model = random_model(GetParam(), torch::kHalf);
  const Tensor embeddings = torch::randn({2, 12, 24});
  on_both_paths([&](const std::string& how) {
    const Tensor whole = model->forward(embeddings, {});
    nn::KvCache cache(model->cache_geometry(), 2, 12);
    nn::ForwardContext context;
    context.cache = &cache;
    std::vector<Tensor> parts;
    int64_t first = 0;
    for (const int64_t count : {5, 3, 1, 1, 1, 1}) {
      parts.push_back(model->forward(embeddings.narrow(1, first, count), context));
      first += count;
    }
    EXPECT_LE((torch::cat(parts, 1) - whole).abs().max().item<double>(), 2e-5) << how;
  });
}

TEST_P(RareOptions, BothPathsAgree) {
  const auto model = random_model(GetParam());
  const Tensor ids = torch::arange(16).view({2, 8});
  std::vector<Tensor> logits;
  on_both_paths([&](const std::string&) {
    nn::ForwardContext context;
    context.key_ranges = {{0, 8}, {3, 8}};
    logits.push_back(model->logits(model->forward(model->embed_tokens(ids), context)));
  });
  EXPECT_EQ(logits[0].sizes(), (std::vector<int64_t>{2, 8, 40}));
  EXPECT_LE((logits[0] - logits[1]).abs().max().item<double>(), 5e-5);
}

// Central differences along one direction, in double; the weights are frozen float16.
TEST_P(RareOptions, GradientsReachTheInputThroughFrozenWeights) {
  const auto model = random_model(GetParam(), torch::kHalf);
  const Tensor x = torch::randn({1, 5, 24}, torch::kDouble),
               direction = torch::randn({1, 5, 24}, torch::kDouble);
  const auto loss = [&](const Tensor& input) {
    return model->logits(model->forward(input, {})).square().mean();
  };
  const Tensor leaf = x.clone().requires_grad_(true);
  const Tensor gradient = torch::autograd::grad({loss(leaf)}, {leaf})[0];
  const double step = 1e-6;
  const double slope =
      (loss(x + step * direction) - loss(x - step * direction)).item<double>() / (2 * step);
  EXPECT_NEAR((gradient * direction).sum().item<double>(), slope,
              1e-5 * std::max(1.0, std::abs(slope)));
}

INSTANTIATE_TEST_SUITE_P(Random, RareOptions, ::testing::ValuesIn(kConfigs));

TEST(Mpt, SlopesFollowTheRuleOfTheirGeneration) {
  layout::MptConfig config{};
  config.num_attention_heads = 3;
  config.alibi_bias_max = 8;
  // MosaicGPT takes the number of heads as it is.
  const std::vector<float> plain = alibi_slopes(config);
  for (size_t k = 0; k < 3; ++k)
    EXPECT_NEAR(plain[k], std::exp2(-8.0 * static_cast<double>(k + 1) / 3), 1e-8);
  // MPT takes every second slope of four heads, then the others: 2^-4, 2^-8, 2^-2, 2^-6.
  config.alibi_interleaved = true;
  EXPECT_EQ(alibi_slopes(config), (std::vector<float>{0.0625f, 0.00390625f, 0.25f}));
  config.num_attention_heads = 4;
  EXPECT_EQ(alibi_slopes(config), (std::vector<float>{0.25f, 0.0625f, 0.015625f, 0.00390625f}));
  config.num_attention_heads = 1;
  EXPECT_EQ(alibi_slopes(config), (std::vector<float>{0.00390625f}));
}

// One block by its formula, every term written out.
TEST(Mpt, ABlockWithClippingAndBiasesFollowsItsFormula) {
  layout::MptConfig config = layout::MptConfig::parse(config_of(kConfigs[0]));
  config.num_hidden_layers = 1;
  Mpt model(config);
  fill_randomly(model, torch::kFloat);
  auto w = values_of(model);
  const Tensor x = torch::randn({1, 5, 24});
  const auto norm = [&](const Tensor& rows, const std::string& name) {
    return torch::layer_norm(rows, {24}, w[name + ".weight"], w[name + ".bias"], 1e-5);
  };
  const auto linear = [&](const Tensor& rows, const std::string& name) {
    return torch::linear(rows, w[name + ".weight"], w[name + ".bias"]);
  };
  Tensor h = x + w["wpe.weight"].narrow(0, 0, 5);
  const auto qkv =
      linear(norm(h, "blocks.0.norm_1"), "blocks.0.attn.Wqkv").clamp(-0.7, 0.7).chunk(3, -1);
  std::vector<Tensor> heads;
  for (int64_t head = 0; head < 3; ++head) {
    const Tensor q = qkv[0].narrow(2, 8 * head, 8), k = qkv[1].narrow(2, 8 * head, 8);
    const Tensor hidden = torch::ones({5, 5}).triu(1).to(torch::kBool);
    const Tensor scores = torch::matmul(q, k.transpose(1, 2)) * 0.3;
    heads.push_back(torch::matmul(scores.masked_fill(hidden, -INFINITY).softmax(-1),
                                  qkv[2].narrow(2, 8 * head, 8)));
  }
  h = h + linear(torch::cat(heads, 2), "blocks.0.attn.out_proj");
  h = h + linear(torch::gelu(linear(norm(h, "blocks.0.norm_2"), "blocks.0.ffn.up_proj")),
                 "blocks.0.ffn.down_proj");
  h = norm(h, "norm_f");
  on_both_paths([&](const std::string& how) {
    const Tensor state = model.forward(x, {});
    EXPECT_LE((state - h).abs().max().item<double>(), 2e-5) << how;
    const Tensor logits = torch::matmul(h, w["lm_head.weight"].t()) * 0.5;
    EXPECT_LE((model.logits(state) - logits).abs().max().item<double>(), 2e-5) << how;
  });
}

TEST(Opt, PostNormFollowsItsFormula) {
  layout::OptConfig config = layout::OptConfig::parse(config_of(kConfigs[4]));
  config.num_hidden_layers = 1;
  config.num_attention_heads = 1;
  Opt model(config);
  fill_randomly(model, torch::kFloat);
  auto w = values_of(model);
  const std::string layer = "layers.0.";
  const auto norm = [&](const Tensor& rows, const std::string& name) {
    return torch::layer_norm(rows, {24}, w[layer + name + ".weight"], w[layer + name + ".bias"],
                             1e-5);
  };
  const auto linear = [&](const Tensor& rows, const std::string& name) {
    return torch::linear(rows, w[layer + name + ".weight"], w[layer + name + ".bias"]);
  };
  const Tensor ids = torch::tensor({{3, 1, 4, 1, 5}});
  const Tensor embedded =
      torch::linear(torch::embedding(w["embed_tokens.weight"], ids), w["project_in.weight"]);
  // Two rows of the table stand before position 0.
  Tensor h = embedded + w["embed_positions.weight"].narrow(0, 2, 5);
  const Tensor hidden = torch::ones({5, 5}).triu(1).to(torch::kBool);
  const Tensor scores =
      torch::matmul(linear(h, "self_attn.q_proj"), linear(h, "self_attn.k_proj").transpose(1, 2)) /
      std::sqrt(24.0);
  const Tensor mixed = torch::matmul(scores.masked_fill(hidden, -INFINITY).softmax(-1),
                                     linear(h, "self_attn.v_proj"));
  h = norm(h + linear(mixed, "self_attn.out_proj"), "self_attn_layer_norm");
  h = norm(h + linear(torch::relu(linear(h, "fc1")), "fc2"), "final_layer_norm");
  const Tensor logits = torch::matmul(torch::linear(h, w["project_out.weight"]),
                                      w["embed_tokens.weight"].t());
  on_both_paths([&](const std::string& how) {
    const Tensor state = model.forward(model.embed_tokens(ids), {});
    EXPECT_LE((state - h).abs().max().item<double>(), 2e-5) << how;
    EXPECT_LE((model.logits(state) - logits).abs().max().item<double>(), 2e-5) << how;
  });
}

TEST(LearnedPositions, EndWhereTheTableEnds) {
  for (const char* text : {kConfigs[0], kConfigs[4]}) {
    const auto model = random_model(text);
    model->forward(torch::randn({1, 16, 24}), {});
    try {
      model->forward(torch::randn({1, 17, 24}), {});
      FAIL();
    } catch (const ResourceError& error) {
      EXPECT_EQ(std::string(error.what()),
                "The sequence needs 17 positions, the model has learned 16. Shorten the prompt or "
                "ask for fewer new tokens.");
    }
  }
}

TEST(Alibi, HasNoEnd) {
  const auto model = random_model(kConfigs[1]);
  EXPECT_TRUE(model->forward(torch::randn({1, 40, 24}), {}).isfinite().all().item<bool>());
}

TEST(Registry, AVocabularyCanBeResized) {
  for (const char* text : kConfigs) {
    const JsonView config = config_of(text);
    const std::string model_type = config.string("model_type");
    const auto model = make_language_model(model_type, config, 43);
    EXPECT_EQ(model->vocab_size(), 43);
    std::map<std::string, Shape> slots, expected;
    for (const nn::Slot& slot : nn::slots_of(*model)) slots["decoder." + slot.name] = slot.shape;
    for (const auto& [name, shape] : layout::expected_parameters(model_type, config, 43))
      expected[name] = shape;
    EXPECT_EQ(slots, expected);
  }
}

TEST(Decoders, AttentionWeightsCanBeSeen) {
  for (const char* text : kConfigs) {
    const auto model = random_model(text);
    isthmus::testing::Recorder recorder("decoder.layers.1.attention.weights");
    nn::ForwardContext context;
    context.probe = &recorder;
    context.key_ranges = {{2, 6}};
    model->forward(torch::randn({1, 6, 24}), context);
    ASSERT_EQ(recorder.values.size(), 1u);
    const Tensor sums = recorder.values[0].sum(-1);
    EXPECT_EQ(sums[0][0][0].item<float>(), 0);  // a padded row sees nothing
    EXPECT_NEAR(sums[0][0][3].item<float>(), 1, 1e-5);
  }
}

}  // namespace
}  // namespace isthmus::decoders
