#include <cmath>

#include "layout/clip_vision_config.h"
#include "layout/fixtures.h"
#include "layout/llama_config.h"
#include "layout/lora_config.h"

namespace isthmus::layout {
namespace {

LlamaConfig llama(const std::string& text) {
  return LlamaConfig::parse(JsonView::parse(text, "config.json"));
}
ClipVisionConfig clip(const std::string& text) {
  return ClipVisionConfig::parse(JsonView::parse(text, "config.json"));
}
LoraConfig lora(const std::string& text) {
  return LoraConfig::parse(JsonView::parse(text, "adapter_config.json"));
}

TEST(LlamaConfig, DefaultsAreThoseOfTransformers) {
  const LlamaConfig c = llama("{}");
  EXPECT_EQ(c.hidden_size, 4096);
  EXPECT_EQ(c.intermediate_size, 11008);
  EXPECT_EQ(c.num_hidden_layers, 32);
  EXPECT_EQ(c.num_attention_heads, 32);
  EXPECT_EQ(c.num_key_value_heads, 32);
  EXPECT_EQ(c.head_dim, 128);
  EXPECT_EQ(c.vocab_size, 32000);
  EXPECT_EQ(c.max_position_embeddings, 2048);
  EXPECT_EQ(c.rms_norm_eps, 1e-6);
  EXPECT_EQ(c.rope_theta, 10000);
  EXPECT_EQ(c.rope_layout, RopeLayout::kHalves);
  EXPECT_EQ(c.rope_scaling, RopeScaling::kNone);
  EXPECT_EQ(c.sliding_window, 0);
  EXPECT_FALSE(c.tie_word_embeddings);
  EXPECT_FALSE(c.attention_bias);
}

TEST(LlamaConfig, MistralHasItsOwnDefaults) {
  const LlamaConfig c = llama(R"({"model_type": "mistral"})");
  EXPECT_EQ(c.intermediate_size, 14336);
  EXPECT_EQ(c.num_key_value_heads, 8);
  EXPECT_EQ(c.max_position_embeddings, 131072);
  EXPECT_EQ(c.sliding_window, 4096);
}

TEST(LlamaConfig, ASlidingWindowOfNullIsNone) {
  EXPECT_EQ(llama(R"({"model_type": "llava_mistral", "sliding_window": null})").sliding_window, 0);
  EXPECT_EQ(llama(R"({"model_type": "llava_mistral", "sliding_window": 512})").sliding_window, 512);
  EXPECT_EQ(llama(R"({"model_type": "llama", "sliding_window": 512})").sliding_window, 0);
}

TEST(LlamaConfig, KeyValueHeadsDefaultToTheHeads) {
  EXPECT_EQ(llama(R"({"num_attention_heads": 8, "hidden_size": 64})").num_key_value_heads, 8);
  EXPECT_EQ(llama(R"({"num_attention_heads": 8, "hidden_size": 64, "num_key_value_heads": null})")
                .num_key_value_heads,
            8);
  EXPECT_EQ(llama(R"({"num_attention_heads": 8, "hidden_size": 64, "num_key_value_heads": 2})")
                .num_key_value_heads,
            2);
}

TEST(LlamaConfig, ReadsBothSpellingsOfRopeScaling) {
  for (const char* key : {"type", "rope_type"}) {
    const std::string k = key;
    const LlamaConfig linear =
        llama(R"({"rope_scaling": {")" + k + R"(": "linear", "factor": 4.0}})");
    EXPECT_EQ(linear.rope_scaling, RopeScaling::kLinear);
    EXPECT_EQ(linear.rope_factor, 4);
    const LlamaConfig dynamic =
        llama(R"({"rope_scaling": {")" + k + R"(": "dynamic", "factor": 2}})");
    EXPECT_EQ(dynamic.rope_scaling, RopeScaling::kDynamic);
    EXPECT_EQ(dynamic.rope_factor, 2);
  }
  EXPECT_EQ(llama(R"({"rope_scaling": {"rope_type": "default"}})").rope_scaling,
            RopeScaling::kNone);
  EXPECT_EQ(
      llama(R"({"rope_parameters": {"rope_type": "default", "rope_theta": 1000000.0}})").rope_theta,
      1e6);
}

// LLaMA 3.1 8B; values of the published formula in double precision, from another program.
TEST(LlamaConfig, Llama3DividesLongWaves) {
  const LlamaConfig c =
      llama(R"({"hidden_size": 4096, "num_attention_heads": 32, "rope_theta": 500000,
      "rope_scaling": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0,
                       "high_freq_factor": 4.0, "original_max_position_embeddings": 8192}})");
  EXPECT_EQ(c.rope_scaling, RopeScaling::kNone);
  ASSERT_EQ(c.rope_frequency_factors.size(), 64u);
  for (const auto& [i, factor] :
       std::initializer_list<std::pair<size_t, double>>{{0, 1},
                                                        {28, 1},
                                                        {29, 1.20748387128366},
                                                        {30, 1.55341462850493},
                                                        {32, 2.69452968789473},
                                                        {34, 5.25732658870847},
                                                        {35, 8},
                                                        {36, 8},
                                                        {63, 8}})
    EXPECT_NEAR(c.rope_frequency_factors[i], factor, 1e-12) << i;
}

TEST(LlamaConfig, Llama3NeedsItsFourNumbers) {
  const auto complaint = [](const std::string& scaling) {
    return message_of<ModelError>(
        [&] { llama(R"({"rope_scaling": {"rope_type": "llama3", )" + scaling + "}}"); });
  };
  EXPECT_EQ(complaint(R"("factor": 8)"), "config.json: rope_scaling.low_freq_factor: missing");
  EXPECT_EQ(
      complaint(R"("factor": 8, "low_freq_factor": 1, "high_freq_factor": 1,
                         "original_max_position_embeddings": 8192)"),
      "config.json: rope_scaling.high_freq_factor: expected above low_freq_factor (1), found 1");
  EXPECT_EQ(complaint(R"("factor": 0.5, "low_freq_factor": 1, "high_freq_factor": 4,
                         "original_max_position_embeddings": 8192)"),
            "config.json: rope_scaling.factor: expected a number of at least 1, found 0.5");
}

TEST(LlamaConfig, AnUnknownRopeTypeIsUnsupportedAndNamed) {
  EXPECT_EQ(message_of<UnsupportedError>(
                [] { llama(R"({"rope_scaling": {"type": "yarn", "factor": 2}})"); }),
            "config.json: rope_scaling.type: rope type \"yarn\" is not supported (linear, "
            "dynamic and llama3 are)");
}

TEST(LlamaConfig, OtherDecodersAreUnsupported) {
  EXPECT_THROW(llama(R"({"model_type": "qwen2"})"), UnsupportedError);
  EXPECT_THROW(llama(R"({"hidden_act": "gelu"})"), UnsupportedError);
  EXPECT_THROW(llama(R"({"hidden_act": "mish"})"), UnsupportedError);
  EXPECT_THROW(llama(R"({"mlp_bias": true})"), UnsupportedError);
}

TEST(LlamaConfig, NonsenseIsAModelErrorThatNamesTheKey) {
  EXPECT_EQ(
      message_of<ModelError>([] { llama(R"({"hidden_size": 100, "num_attention_heads": 3})"); }),
      "config.json: hidden_size: 100 is not a multiple of num_attention_heads (3)");
  for (const char* text :
       {R"({"hidden_size": 0})", R"({"hidden_size": "64"})",
        R"({"hidden_size": 4611686018427387904})", R"({"num_attention_heads": -1})",
        R"({"num_hidden_layers": 1000000})", R"({"vocab_size": 1e3})",
        R"({"num_key_value_heads": 5})", R"({"num_key_value_heads": 64})", R"({"rms_norm_eps": 0})",
        R"({"rms_norm_eps": 2})", R"({"rope_theta": -1})", R"({"rope_scaling": "linear"})",
        R"({"rope_scaling": {"type": "linear"}})",
        R"({"rope_scaling": {"type": "linear", "factor": 0}})",
        R"({"hidden_size": 96, "num_attention_heads": 32})", R"({"head_dim": 1048576})",
        R"({"head_dim": 3})", R"({"model_type": 5})", R"([1])"})
    EXPECT_THROW(llama(text), ModelError) << text;
}

TEST(ClipVisionConfig, DefaultsAreThoseOfTransformers) {
  const ClipVisionConfig c = clip("{}");
  EXPECT_EQ(c.hidden_size, 768);
  EXPECT_EQ(c.intermediate_size, 3072);
  EXPECT_EQ(c.num_hidden_layers, 12);
  EXPECT_EQ(c.num_attention_heads, 12);
  EXPECT_EQ(c.image_size, 224);
  EXPECT_EQ(c.patch_size, 32);
  EXPECT_EQ(c.num_channels, 3);
  EXPECT_EQ(c.layer_norm_eps, 1e-5);
  EXPECT_EQ(c.hidden_act, Activation::kQuickGelu);
  EXPECT_EQ(c.num_patches(), 49);
}

TEST(ClipVisionConfig, ReadsAWholeClipAndABareTower) {
  const auto whole = ClipVisionConfig::parse(
      JsonView::load(llava_case("v15_original") / "model/openai/clip-tiny-patch14-70/config.json"));
  EXPECT_EQ(whole.hidden_size, 48);
  EXPECT_EQ(whole.num_hidden_layers, 5);
  EXPECT_EQ(whole.image_size, 70);
  EXPECT_EQ(whole.num_patches(), 25);
  EXPECT_EQ(clip(R"({"model_type": "clip_vision_model", "image_size": 80, "patch_size": 10})")
                .num_patches(),
            64);
}

TEST(ClipVisionConfig, NonsenseIsAnError) {
  EXPECT_THROW(clip(R"({"hidden_size": 100, "num_attention_heads": 3})"), ModelError);
  EXPECT_THROW(clip(R"({"image_size": 10, "patch_size": 20})"), ModelError);
  EXPECT_THROW(clip(R"({"image_size": 1000000000})"), ModelError);
  EXPECT_THROW(clip(R"({"layer_norm_eps": 0})"), ModelError);
  EXPECT_THROW(clip(R"({"vision_config": [1]})"), ModelError);
  EXPECT_THROW(clip(R"({"model_type": "siglip_vision_model"})"), UnsupportedError);
  EXPECT_THROW(clip(R"({"hidden_act": "mish"})"), UnsupportedError);
}

TEST(LoraConfig, ReadsThePublishedFile) {
  const LoraConfig c = LoraConfig::parse(
      JsonView::load(llava_case("adapters") / "model/llava-v1.5-tiny-lora/adapter_config.json"));
  EXPECT_EQ(c.rank, 5);
  EXPECT_EQ(c.lora_alpha, 10);
  EXPECT_EQ(c.scaling(), 2);
  EXPECT_EQ(c.base_model_name_or_path, "vicuna-tiny");
}

TEST(LoraConfig, RankStabilisedScalingDividesByTheRoot) {
  EXPECT_EQ(lora(R"({"r": 16, "lora_alpha": 8, "use_rslora": true})").scaling(), 2);
}

TEST(LoraConfig, WhatChangesTheFormulaIsUnsupported) {
  for (const char* text :
       {R"({"r": 8, "lora_alpha": 8, "use_dora": true})",
        R"({"r": 8, "lora_alpha": 8, "bias": "all"})",
        R"({"r": 8, "lora_alpha": 8, "fan_in_fan_out": true})",
        R"({"r": 8, "lora_alpha": 8, "rank_pattern": {"q_proj": 4}})", R"({"peft_type": "IA3"})"})
    EXPECT_THROW(lora(text), UnsupportedError) << text;
  EXPECT_THROW(lora(R"({"r": 0, "lora_alpha": 8})"), ModelError);
  EXPECT_THROW(lora(R"({"r": 8})"), ModelError);
}

}  // namespace
}  // namespace isthmus::layout
