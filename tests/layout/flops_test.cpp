#include "layout/flops.h"

#include <filesystem>

#include <gtest/gtest.h>

#include "base/json_view.h"

namespace isthmus::layout {
namespace {

// A tower of two blocks over 3 x 3 patches and a class token.
ClipVisionConfig tower() {
  ClipVisionConfig c{};
  c.hidden_size = 8;
  c.intermediate_size = 20;
  c.num_hidden_layers = 2;
  c.num_attention_heads = 2;
  c.image_size = 12;
  c.patch_size = 4;
  c.num_channels = 3;
  return c;
}

LanguageModelShape shape(const std::string& family, int64_t kv_heads) {
  LanguageModelShape s{};
  s.family = family;
  s.hidden_size = 16;
  s.intermediate_size = 40;
  s.num_hidden_layers = 3;
  s.num_attention_heads = 4;
  s.num_key_value_heads = kv_heads;
  s.vocab_size = 100;
  return s;
}

TEST(Flops, OfTheEncoderAreItsPatchesAndBlocks) {
  const double patches = 2 * 9 * (3 * 4 * 4) * 8;
  const double block = 2 * 10 * (4 * 8 * 8 + 2 * 8 * 20) + 4 * 10 * 10 * 8;
  EXPECT_EQ(encoder_flops(tower(), 0), patches);
  EXPECT_EQ(encoder_flops(tower(), 2), patches + 2 * block);
}

TEST(Flops, OfAProjectorAreItsMaps) {
  EXPECT_EQ(projector_flops(0, 9, 8, 8), 0);
  EXPECT_EQ(projector_flops(1, 9, 8, 16), 2 * 9 * 8 * 16);
  EXPECT_EQ(projector_flops(3, 9, 8, 16), 2 * 9 * (8 * 16 + 2 * 16 * 16));
}

TEST(Flops, OfAPrefillAreItsWeightsTimesRowsAndACausalTriangle) {
  const double attention = 4 * 16 * (1 + 2 + 3 + 4 + 5);  // query i reads i keys
  const double llama = 4 * 16 * 16 + 3 * 16 * 40;
  EXPECT_EQ(prefill_flops(shape("LLaMA", 4), 5), 3 * (2 * 5 * llama + attention) + 2 * 16 * 100);
  const double grouped = 2 * 16 * 16 + 2 * 16 * 8 + 3 * 16 * 40;
  EXPECT_EQ(prefill_flops(shape("Mistral", 2), 5),
            3 * (2 * 5 * grouped + attention) + 2 * 16 * 100);
  const double plain = 4 * 16 * 16 + 2 * 16 * 40;
  EXPECT_EQ(prefill_flops(shape("MPT", 4), 5), 3 * (2 * 5 * plain + attention) + 2 * 16 * 100);
}

// Two operations a weight and row, as every rule of thumb has it: the demo's model by its own file.
TEST(Flops, AgreeWithTheParametersOfARealModel) {
  const auto file =
      std::filesystem::path(ISTHMUS_SOURCE_DIR) / "demo/models/language_model/config.json";
  const JsonView config = JsonView::load(file);
  const auto real = LanguageModelShape::parse(config.string("model_type"), config);
  const double blocks = 4 * (4.0 * 128 * 128 + 3.0 * 128 * 336);
  const double head = 128.0 * static_cast<double>(real.vocab_size);
  const double attention = 4 * 4.0 * 128 * (1 + 2 + 3 + 4 + 5 + 6 + 7);
  EXPECT_EQ(prefill_flops(real, 7), 2 * 7 * blocks + 2 * head + attention);
}

TEST(Flops, OfAResamplerAndItsBlocksCountLatentsTwiceWhereTheyAreKeysToo) {
  FlamingoConfig c{};
  c.resampler = {.dim = 8,
                 .depth = 2,
                 .heads = 1,
                 .dim_head = 6,
                 .num_latents = 5,
                 .intermediate_size = 32,
                 .max_num_media = 0,
                 .max_num_frames = 0};
  c.cross_attention = {.lang_dim = 16,
                       .vis_dim = 8,
                       .heads = 2,
                       .dim_head = 6,
                       .intermediate_size = 64,
                       .only_attend_immediate_media = true};
  c.num_blocks = 3;
  const double queries = 2 * 5 * (8 * 6 + 6 * 8 + 2 * 8 * 32), keys = 2 * (9 + 5) * 8 * 12;
  EXPECT_EQ(resampler_flops(c.resampler, 9), 2 * (queries + keys + 4 * 5 * (9 + 5) * 6));
  const double rows = 2 * 7 * (16 * 12 + 12 * 16 + 2 * 16 * 64), latents = 2 * 5 * 8 * 24;
  EXPECT_EQ(gated_blocks_flops(c, 7), 3 * (rows + latents + 4 * 7 * 5 * 12));
}

TEST(Flops, OfAUniversalProjectionLeaveOutWhatItsLastBlocksDrop) {
  ProjectionConfig c{};
  c.width = 8;
  c.hidden_size = 16;
  c.experts = {"0", "1", "2"};
  c.layers = 2;
  c.intermediate_size = 24;
  ModalityConfig image{};
  image.resample_tokens = 4;
  image.router_hidden = 32;
  const auto block = [](double queries) {
    return 2 * queries * 2 * 8 * 8 + 2 * 14.0 * 2 * 8 * 8 + 4 * queries * 14 * 8 +
           2 * queries * 3 * 8 * 24;
  };
  const double router = 2 * 4 * (8 * 32 + 32 * 3), ends = 2 * 10 * 8 * 8 + 2 * 4 * 8 * 16;
  EXPECT_EQ(projection_flops(c, image, 10), 3 * (block(14) + block(4)) + router + ends);
  image.router_hidden = 0;
  EXPECT_EQ(projection_flops(c, image, 10), 3 * (block(14) + block(4)) + ends);
}

}  // namespace
}  // namespace isthmus::layout
