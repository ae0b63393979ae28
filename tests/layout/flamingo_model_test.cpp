// Pieces that were not made for each other.
#include "layout/flamingo_model.h"

#include "layout/fixtures.h"
#include "layout/flamingo_pieces.h"

namespace isthmus::layout {
namespace {

namespace fs = std::filesystem;

std::string complaint(const FlamingoSources& sources) {
  return message_of<ModelError>([&] { FlamingoModel::open(sources); });
}

void expect_model_part(const std::string& message, const std::string& part) {
  EXPECT_NE(message.find(part), std::string::npos) << message;
}

FlamingoSources sources_of(const std::string& name) {
  return find_flamingo(flamingo_case(name) / "model", {}, {});
}

TEST(FlamingoModel, EveryCaseFitsTogether) {
  for (const char* name : kFlamingoCases) {
    const FlamingoModel model = FlamingoModel::open(sources_of(name));
    const JsonView expect = JsonView::load(flamingo_case(name) / "expect.json");
    EXPECT_EQ(model.config.cross_attn_every_n_layers, expect.integer("cross_attn_every_n_layers"));
    EXPECT_EQ(model.vocab_size(), expect.integer("vocab_after_resize"));
    const JsonView ids = expect.at("special_ids");
    EXPECT_EQ(model.tokens.image, ids.integer("media"));
    EXPECT_EQ(model.tokens.endofchunk, ids.integer("endofchunk"));
    EXPECT_EQ(model.tokens.pad, ids.integer("pad"));
  }
}

TEST(FlamingoModel, TheOptionsOfIsthmusJsonReachTheConfig) {
  FlamingoSources sources = sources_of("opt_every2");
  sources.only_attend_immediate_media = false;
  sources.vision_ln_post = true;
  const FlamingoModel model = FlamingoModel::open(sources);
  EXPECT_FALSE(model.config.cross_attention.only_attend_immediate_media);
  EXPECT_TRUE(model.config.vision_ln_post);
}

TEST(FlamingoModel, WithoutACheckpointItIsWhatTheReferenceMakes) {
  FlamingoSources sources = sources_of("mpt7b_every1");
  sources.checkpoint.clear();
  FlamingoConfig config = FlamingoModel::open(sources).config;
  EXPECT_EQ(config.num_blocks, 3);
  EXPECT_EQ(config.resampler.num_latents, 64);
  sources.cross_attn_every_n_layers = 2;
  EXPECT_EQ(FlamingoModel::open(sources).config.num_blocks, 1);
  sources.cross_attn_every_n_layers = 10;
  expect_model_part(complaint(sources), "cross_attn_every_n_layers: 10, but the language model");
}

TEST(FlamingoModel, AnotherCrossAttnEveryNLayersIsToldWithBothNumbers) {
  FlamingoSources sources = sources_of("neox_rpj_every2");
  sources.cross_attn_every_n_layers = 4;
  const std::string message = complaint(sources);
  expect_model_part(message,
                    "a gated cross-attention block every 2 layers (2 of them, the first at "
                    "layer 1)");
  expect_model_part(message, "states cross_attn_every_n_layers: 4");
  sources.cross_attn_every_n_layers = 2;
  EXPECT_EQ(FlamingoModel::open(sources).config.num_blocks, 2);
}

TEST(FlamingoModel, ALanguageModelOfAnotherDepthIsNamed) {
  const fs::path top = fresh_folder("flamingo_depth");
  FlamingoSources sources = sources_of("mpt7b_every1");
  for (const char* file : {"pytorch_model.bin", "tokenizer.json", "tokenizer_config.json"})
    link(sources.language_model / file, top / file);
  // The same width, nine layers instead of three.
  std::string config = text_of(sources.language_model / "config.json");
  const std::string three = R"("n_layers": 3)";
  config.replace(config.find(three), three.size(), R"("n_layers": 9)");
  write(top / "config.json", config);
  sources.language_model = top;
  const std::string message = complaint(sources);
  expect_model_part(message, "3 gated cross-attention blocks");
  expect_model_part(message, "has 9 layers");
}

TEST(FlamingoModel, ALanguageModelOfAnotherKindIsNamed) {
  FlamingoSources sources = sources_of("mpt7b_every1");
  sources.language_model = flamingo_case("opt_every2") / "model/lm";
  const std::string message = complaint(sources);
  expect_model_part(message, "lang_encoder.transformer.blocks, as those of MPT or MosaicGPT");
  expect_model_part(message, "is OPT, whose blocks stand in model.decoder.layers");
  expect_model_part(message, "--base");
}

TEST(FlamingoModel, ALanguageModelOfAnotherWidthIsNamed) {
  FlamingoSources sources = sources_of("mpt7b_every1");
  sources.language_model = flamingo_case("mpt1b_mosaic_every1") / "model/lm";
  const std::string message = complaint(sources);
  expect_model_part(message, "a language model of width 32");
  expect_model_part(message, "has hidden_size 42");
}

TEST(FlamingoModel, AnotherVisionTowerIsNamed) {
  FlamingoSources sources = sources_of("mpt7b_every1");
  const FlamingoSources other = sources_of("neox_rpj_every2");
  sources.vision = other.vision;
  sources.vision_config = other.vision_config;
  const std::string message = complaint(sources);
  expect_model_part(message, "a vision tower of width 32 (perceiver.latents)");
  expect_model_part(message, "has width 64");
  expect_model_part(message, "--vision");
}

TEST(FlamingoModel, AnotherVocabularyIsToldWithBothNumbers) {
  const fs::path top = fresh_folder("flamingo_vocabulary");
  FlamingoSources sources = sources_of("mpt7b_every1");
  for (const char* file : {"config.json", "pytorch_model.bin", "tokenizer_config.json"})
    link(sources.language_model / file, top / file);
  link(flamingo_case("neox_rpj_every2") / "model/lm/tokenizer.json", top / "tokenizer.json");
  sources.language_model = top;
  const std::string message = complaint(sources);
  expect_model_part(message, "lang_encoder.transformer.wte.weight is [390, 32]");
  expect_model_part(message, "has 430 tokens (427, and 3 that Flamingo adds)");
}

TEST(FlamingoModel, MissingBlocksAreNamed) {
  const fs::path top = fresh_folder("flamingo_blocks");
  FlamingoSources sources = sources_of("mpt7b_every1");
  rewrite(sources.checkpoint, top / "checkpoint.pt", [](formats::RawTensor& tensor) {
    return tensor.name.find(".blocks.1.gated") == std::string::npos;
  });
  sources.checkpoint = top / "checkpoint.pt";
  expect_model_part(complaint(sources), "gated cross-attention blocks stand at layers 0, 2");
  rewrite(sources_of("mpt7b_every1").checkpoint, top / "checkpoint.pt",
          [](formats::RawTensor& tensor) { return tensor.name.starts_with("perceiver."); });
  expect_model_part(complaint(sources), "no gated cross-attention blocks");
}

TEST(FlamingoModel, AnUnreadableCheckpointIsNamed) {
  const fs::path top = fresh_folder("flamingo_broken");
  FlamingoSources sources = sources_of("opt_every2");
  write(top / "checkpoint.pt", "not a checkpoint");
  sources.checkpoint = top / "checkpoint.pt";
  expect_model_part(complaint(sources), (top / "checkpoint.pt").string());
}

}  // namespace
}  // namespace isthmus::layout
