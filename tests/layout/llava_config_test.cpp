#include "layout/llava_config.h"

#include "layout/fixtures.h"

namespace isthmus::layout {
namespace {

LlavaConfig parse(const std::string& text) {
  return LlavaConfig::parse(JsonView::parse(text, "config.json"));
}
LlavaConfig fixture(const std::string& path) {
  return LlavaConfig::parse(JsonView::load(llava_case(path) / "config.json"));
}
// A small original config with `more` fields.
LlavaConfig original(const std::string& more) {
  return parse(
      R"({"model_type": "llava_llama", "mm_vision_tower": "clip", "mm_hidden_size": 1024)" + more +
      "}");
}

TEST(LlavaConfig, ReadsV15) {
  const LlavaConfig c = fixture("v15_original/model/llava-v1.5-tiny");
  EXPECT_EQ(c.layout, LlavaLayout::kOriginal);
  EXPECT_EQ(c.decoder, DecoderKind::kLlama);
  EXPECT_EQ(c.text.hidden_size, 64);
  EXPECT_EQ(c.vision_tower, "openai/clip-tiny-patch14-70");
  EXPECT_FALSE(c.vision);
  EXPECT_EQ(c.select_layer, -2);
  EXPECT_EQ(c.select_feature, SelectFeature::kPatch);
  EXPECT_EQ(c.projector_name(), "mlp2x_gelu");
  EXPECT_EQ(c.mm_hidden_size, 48);
  EXPECT_EQ(c.image_aspect_ratio, ImageAspectRatio::kPad);
  EXPECT_EQ(c.patch_merge_type, PatchMergeType::kFlat);
  EXPECT_FALSE(c.has_image_newline);
  EXPECT_FALSE(c.mm_use_im_patch_token);
  EXPECT_EQ(c.context_len, 2048);  // the reference's answer, although the model has 4096 positions
  EXPECT_EQ(c.text.max_position_embeddings, 4096);
  EXPECT_FALSE(c.tokenizer_model_max_length);
  EXPECT_EQ(c.eos_token_ids, (std::vector<int64_t>{2}));
  EXPECT_EQ(c.embedding_padding_idx, 0);
}

TEST(LlavaConfig, ReadsV1WithItsDefaults) {
  const LlavaConfig c = fixture("v1_linear/model/LLaVA-tiny-v0");
  EXPECT_EQ(c.projector_type, ProjectorType::kLinear);
  EXPECT_EQ(c.projector_depth, 1);
  EXPECT_EQ(c.image_aspect_ratio, ImageAspectRatio::kCrop);
  EXPECT_TRUE(c.mm_use_im_start_end);
  EXPECT_EQ(c.text.num_key_value_heads, 7);
  const LlavaConfig cls = fixture("v1_linear/model/llava-v1-cls-tiny");
  EXPECT_EQ(cls.projector_depth, 3);
  EXPECT_EQ(cls.select_feature, SelectFeature::kClsPatch);
  EXPECT_EQ(cls.select_layer, -1);
}

TEST(LlavaConfig, ReadsV16) {
  const LlavaConfig c = fixture("v16_anyres_mistral/model/llava-v1.6-mistral-tiny");
  EXPECT_EQ(c.decoder, DecoderKind::kMistral);
  EXPECT_EQ(c.text.num_key_value_heads, 1);
  EXPECT_EQ(c.text.sliding_window, 0);
  EXPECT_EQ(c.text.rope_theta, 1e6);
  EXPECT_EQ(c.image_aspect_ratio, ImageAspectRatio::kAnyres);
  EXPECT_EQ(c.patch_merge_type, PatchMergeType::kSpatialUnpad);
  EXPECT_TRUE(c.has_image_newline);
  EXPECT_TRUE(c.unfreeze_mm_vision_tower);
  ASSERT_EQ(c.grid_pinpoints.size(), 5U);
  EXPECT_EQ(c.grid_pinpoints[0], (PixelSize{48, 96}));
  EXPECT_EQ(c.tokenizer_model_max_length, 4096);
}

TEST(LlavaConfig, ReadsTheHuggingFaceLayouts) {
  const LlavaConfig c = fixture("hf_llava15/model/llava-1.5-tiny-hf");
  EXPECT_EQ(c.layout, LlavaLayout::kHuggingFace);
  ASSERT_TRUE(c.vision);
  EXPECT_EQ(c.vision->hidden_size, 48);
  EXPECT_EQ(c.mm_hidden_size, 48);
  EXPECT_EQ(c.image_token_index, 720);
  EXPECT_EQ(c.text.vocab_size, 784);
  EXPECT_EQ(c.image_aspect_ratio, ImageAspectRatio::kCrop);
  EXPECT_EQ(c.context_len, 4096);
  EXPECT_FALSE(c.embedding_padding_idx);
  EXPECT_EQ(c.pad_token_id, 721);

  const LlavaConfig next = fixture("hf_llava_next/model/llava-v1.6-tiny-hf");
  EXPECT_EQ(next.layout, LlavaLayout::kHuggingFaceNext);
  EXPECT_TRUE(next.has_image_newline);
  // The file says 70, 140: here that is height, width.
  EXPECT_EQ(next.grid_pinpoints[0], (PixelSize{140, 70}));
}

TEST(LlavaConfig, AnEmptyHuggingFaceConfigIsLlava157B) {
  const LlavaConfig c = parse(R"({"model_type": "llava", "text_config": {"vocab_size": 32064}})");
  EXPECT_EQ(c.vision->image_size, 336);
  EXPECT_EQ(c.vision->hidden_size, 1024);
  EXPECT_EQ(c.text.hidden_size, 4096);
  EXPECT_EQ(c.image_token_index, 32000);
}

TEST(LlavaConfig, TheFirstCheckpointsCalledThemselvesLlava) {
  const LlavaConfig c =
      parse(R"({"model_type": "llava", "mm_vision_tower": "openai/clip-vit-large-patch14",
                                  "mm_hidden_size": 1024})");
  EXPECT_EQ(c.layout, LlavaLayout::kOriginal);
  EXPECT_TRUE(c.has_vision());
}

TEST(LlavaConfig, APlainLanguageModelHasNoVision) {
  const LlavaConfig c = fixture("adapters/model/vicuna-tiny");
  EXPECT_FALSE(c.has_vision());
  EXPECT_EQ(c.layout, LlavaLayout::kOriginal);
  EXPECT_FALSE(c.mm_use_im_patch_token);
}

TEST(LlavaConfig, AnAbsentImPatchTokenIsTrue) {
  EXPECT_TRUE(original("").mm_use_im_patch_token);
  EXPECT_FALSE(original(R"(, "mm_use_im_patch_token": false)").mm_use_im_patch_token);
}

TEST(LlavaConfig, ReadsGridsWrittenAsPython) {
  for (const char* text :
       {"[(336, 672), (672, 336)]", "[[336,672],[672,336]]", "[(336,672),[672, 336],]"}) {
    const LlavaConfig c =
        original(R"(, "image_aspect_ratio": "anyres", "image_grid_pinpoints": ")" +
                 std::string(text) + "\"");
    EXPECT_EQ(c.grid_pinpoints, (std::vector<PixelSize>{{336, 672}, {672, 336}})) << text;
  }
  for (const char* text : {"", "[", "[(336, 672)", "336, 672", "[(336)]", "[(336, 672)]]",
                           "__import__('os')", "[(1x1)]", "[((1,2),(3,4))]",
                           "[(99999999999999999999, 1)]", "[(0, 336)]", "[(336, 1000000)]", "[]"})
    EXPECT_THROW(original(R"(, "image_aspect_ratio": "anyres", "image_grid_pinpoints": ")" +
                          std::string(text) + "\""),
                 ModelError)
        << text;
}

TEST(LlavaConfig, WhatThisBuildDoesNotDoIsNamed) {
  EXPECT_EQ(
      message_of<UnsupportedError>([] { original(R"(, "mm_projector_type": "cabstractor")"); }),
      "config.json: mm_projector_type: \"cabstractor\" is not linear, identity or mlpNx_gelu");
  for (const char* more :
       {R"(, "s2": true)", R"(, "mm_resampler_type": "perceiver")",
        R"(, "mm_projector_type": "mlpx_gelu")", R"(, "mm_projector_type": "mlp0x_gelu")",
        R"(, "mm_projector_type": "mlp99999999999x_gelu")",
        R"(, "mm_projector_type": "mlp2y_gelu")", R"(, "mm_vision_select_feature": "cls")",
        R"(, "image_aspect_ratio": "anyres_max_9")", R"(, "mm_patch_merge_type": "pool")",
        R"(, "quantization_config": {"bits": 4})"})
    EXPECT_THROW(original(more), UnsupportedError) << more;
  EXPECT_THROW(parse(R"({"model_type": "llava_mpt"})"), UnsupportedError);
  EXPECT_THROW(
      parse(R"({"model_type": "llava", "vision_config": {"model_type": "siglip_vision_model"}})"),
      UnsupportedError);
  EXPECT_THROW(
      parse(R"({"model_type": "llava", "text_config": {}, "vision_feature_layer": [-2, -1]})"),
      UnsupportedError);
}

TEST(LlavaConfig, ContradictionsAreModelErrors) {
  EXPECT_THROW(original(R"(, "image_aspect_ratio": "anyres")"), ModelError);
  EXPECT_THROW(original(R"(, "mm_projector_type": "identity")"), ModelError);
  EXPECT_THROW(original(R"(, "tokenizer_padding_side": "middle")"), ModelError);
  EXPECT_THROW(original(R"(, "tokenizer_model_max_length": 0)"), ModelError);
  EXPECT_THROW(parse(R"({"model_type": "llava_llama", "mm_vision_tower": "clip"})"), ModelError);
  EXPECT_THROW(parse(R"({"model_type": "llava", "text_config": {}, "image_token_index": 32000})"),
               ModelError);
  EXPECT_THROW(parse(R"({"model_type": "llava", "text_config": 7})"), ModelError);
  EXPECT_THROW(parse("[]"), ModelError);
}

TEST(LlavaConfig, ATowerOfAnotherModelIsRefused) {
  const LlavaConfig c = fixture("v15_original/model/llava-v1.5-tiny");
  ClipVisionConfig tower = ClipVisionConfig::parse(
      JsonView::load(llava_case("v15_original") / "model/openai/clip-tiny-patch14-70/config.json"));
  EXPECT_NO_THROW(c.check_tower(tower, "clip/config.json"));
  tower.hidden_size = 1024;
  EXPECT_EQ(message_of<ModelError>([&] { c.check_tower(tower, "clip/config.json"); }),
            "clip/config.json: hidden_size is 1024, config.json of the model needs 48 "
            "(mm_hidden_size). Is "
            "this the vision tower of another checkpoint?");
  tower.hidden_size = 48;
  tower.num_hidden_layers = 0;
  EXPECT_THROW(c.check_tower(tower, "clip"), ModelError);
}

TEST(LlavaConfig, TilesMustFitTheGrid) {
  const LlavaConfig c = fixture("v16_anyres_vicuna/model/llava-v1.6-vicuna-tiny");
  ClipVisionConfig tower = ClipVisionConfig::parse(JsonView::load(
      llava_case("v16_anyres_vicuna") / "model/openai/clip-tiny-patch14-56/config.json"));
  EXPECT_NO_THROW(c.check_tower(tower, "clip"));
  tower.image_size = 70;
  EXPECT_THROW(c.check_tower(tower, "clip"), ModelError);
}

}  // namespace
}  // namespace isthmus::layout
