#include "base/json_view.h"
#include "layout/flamingo_config.h"
#include "layout/flamingo_names.h"
#include "layout/made_checkpoint.h"

namespace isthmus::layout {
namespace {

using formats::Checkpoint;

// Resampler of depth 1 with 1 head over width 8, 5 latents; blocks of 2 heads at `layers`.
NamedShapes small_parts(const std::vector<std::string>& layers,
                        const std::string& blocks = "lang_encoder.gpt_neox.layers.") {
  NamedShapes tensors = {{"perceiver.latents", {5, 8}},
                         {"perceiver.layers.0.0.to_q.weight", {64, 8}},
                         {"perceiver.layers.0.0.to_kv.weight", {128, 8}},
                         {"perceiver.layers.0.1.1.weight", {32, 8}}};
  for (const std::string& layer : layers) {
    const std::string block = blocks + layer + ".gated_cross_attn_layer.";
    tensors.emplace_back(block + "attn.to_q.weight", Shape{128, 6});
    tensors.emplace_back(block + "attn.to_kv.weight", Shape{256, 8});
    tensors.emplace_back(block + "ff.1.weight", Shape{24, 6});
  }
  return tensors;
}

std::string layout_complaint(const NamedShapes& tensors) {
  const auto checkpoint = made_checkpoint("checkpoint.pt", tensors);
  return message_of<ModelError>([&] { FlamingoConfig::read(checkpoint); });
}

void expect_layout_part(const std::string& message, const std::string& part) {
  EXPECT_NE(message.find(part), std::string::npos) << message;
}

TEST(FlamingoConfig, EveryFixtureIsRead) {
  struct Case {
    const char* name;
    int64_t every, blocks, depth, heads, latents;
  };
  for (const Case& c :
       {Case{"mpt1b_mosaic_every1", 1, 2, 6, 8, 64}, Case{"neox_rpj_every2", 2, 2, 2, 4, 64},
        Case{"mpt7b_every1", 1, 0, 0, 0, 0}, Case{"neox_pythia_parallel", 3, 0, 0, 0, 0},
        Case{"opt_every2", 2, 0, 1, 2, 8}, Case{"media_masking", 2, 2, 1, 2, 7}}) {
    SCOPED_TRACE(c.name);
    const auto config =
        FlamingoConfig::read(Checkpoint::open(flamingo_case(c.name) / "model/checkpoint.pt"));
    const JsonView json = JsonView::load(flamingo_case(c.name) / "expect.json");
    EXPECT_EQ(config.cross_attn_every_n_layers, json.integer("cross_attn_every_n_layers"));
    EXPECT_EQ(config.cross_attn_every_n_layers, c.every);
    EXPECT_EQ(config.resampler.dim, json.at("vision").integer("width"));
    EXPECT_EQ(config.cross_attention.heads, 8);
    EXPECT_EQ(config.cross_attention.intermediate_size, 4 * config.lang_dim());
    EXPECT_TRUE(config.cross_attention.only_attend_immediate_media);
    EXPECT_FALSE(config.vision_ln_post);
    if (c.blocks > 0) {
      EXPECT_EQ(config.num_blocks, c.blocks);
    }
    if (c.depth > 0) {
      EXPECT_EQ(config.resampler.depth, c.depth);
      EXPECT_EQ(config.resampler.heads, c.heads);
      EXPECT_EQ(config.resampler.num_latents, c.latents);
    }
  }
}

TEST(FlamingoConfig, BlocksStandAtEveryNthLayer) {
  const auto config = FlamingoConfig::read(made_checkpoint("c.pt", small_parts({"2", "5", "8"})));
  EXPECT_EQ(config.cross_attn_every_n_layers, 3);
  EXPECT_EQ(config.num_blocks, 3);
  EXPECT_TRUE(config.has_block(5));
  EXPECT_FALSE(config.has_block(4));
  EXPECT_FALSE(config.has_block(11));
  EXPECT_EQ(config.resampler.heads, 1);
  EXPECT_EQ(config.cross_attention.heads, 2);
  EXPECT_EQ(config.cross_attention.intermediate_size, 24);
  expect_layout_part(layout_complaint(small_parts({"1", "5"})),
                     "blocks stand at layers 1, 5: after the first, one at 3 was expected");
  expect_layout_part(layout_complaint(small_parts({})), "holds no gated cross-attention blocks");
}

TEST(FlamingoConfig, ImpossibleShapesAreNamed) {
  NamedShapes tensors = small_parts({"0"});
  tensors[0].second = {5};
  expect_layout_part(layout_complaint(tensors), "perceiver.latents is [5], expected 2 dimensions");
  tensors = small_parts({"0"});
  tensors[1].second = {65, 8};
  expect_layout_part(layout_complaint(tensors),
                     "perceiver.layers.0.0.to_q.weight is [65, 8], expected rows");
  tensors = small_parts({"0"});
  tensors[5].second = {256, 9};
  expect_layout_part(layout_complaint(tensors), "to_kv.weight is [256, 9], expected [256, 8]");
  tensors = small_parts({"0"});
  tensors.emplace_back("perceiver.layers.2.0.to_q.weight", Shape{64, 8});
  expect_layout_part(layout_complaint(tensors), "perceiver.layers are 0, 2");
  expect_layout_part(layout_complaint({{"model.norm.weight", {8}}}), "holds no resampler.latents");
}

TEST(FlamingoConfig, EmbeddingsOfTimeAreOptional) {
  NamedShapes tensors = small_parts({"0"});
  tensors.emplace_back("perceiver.frame_embs", Shape{4, 8});
  tensors.emplace_back("perceiver.media_time_embs", Shape{3, 1, 8});
  const auto config = FlamingoConfig::read(made_checkpoint("c.pt", tensors));
  EXPECT_EQ(config.resampler.max_num_frames, 4);
  EXPECT_EQ(config.resampler.max_num_media, 3);
}

TEST(FlamingoConfig, AnotherLanguageModelIsNamed) {
  const auto config = FlamingoConfig::read(made_checkpoint("c.pt", small_parts({"1", "3"})));
  EXPECT_NO_THROW(config.require_fits(4, 6, "c.pt", "lm"));
  EXPECT_NO_THROW(config.require_fits(5, 6, "c.pt", "lm"));
  const auto refusal = [&](int64_t layers, int64_t width) {
    return message_of<ModelError>([&] { config.require_fits(layers, width, "c.pt", "lm"); });
  };
  expect_layout_part(refusal(4, 7), "width 6, lm has hidden_size 7");
  expect_layout_part(refusal(8, 6),
                     "2 gated cross-attention blocks, the last at layer 3; lm has 8 layers");
}

TEST(FlamingoNames, EveryTensorOfEveryFixtureHasItsPlace) {
  for (const char* name : {"mpt1b_mosaic_every1", "neox_rpj_every2", "mpt7b_every1",
                           "neox_pythia_parallel", "opt_every2", "media_masking"}) {
    SCOPED_TRACE(name);
    const auto checkpoint = Checkpoint::open(flamingo_case(name) / "model/checkpoint.pt");
    const std::vector<formats::NameRule> rules = {{"{rest}", "decoder.{rest}"}};
    const LanguageModelNames decoder{formats::NameMap(rules)};
    const FlamingoNames names = flamingo_names(checkpoint, &decoder);
    for (const std::string& file_name : checkpoint.names()) {
      EXPECT_EQ(names.ignores(file_name), file_name.ends_with("inv_freq")) << file_name;
      if (names.ignores(file_name)) continue;
      const auto module = names.map.to_module(file_name);
      ASSERT_TRUE(module) << file_name;
      const std::string part = file_name.starts_with("perceiver.") ? "aligner.resampler."
                               : file_name.find("gated") != std::string::npos
                                   ? "aligner.cross_attention."
                                   : "decoder.";
      EXPECT_TRUE(module->name.starts_with(part)) << module->name;
      EXPECT_EQ(names.map.to_file(module->name)->name, file_name);
    }
  }
}

TEST(FlamingoNames, TheListOfVersionOneMeansTheSameTensors) {
  const std::string at_layer = "lang_encoder.model.layers.3.gated_cross_attn_layer.attn_gate";
  const std::string in_list = "lang_encoder.gated_cross_attn_layers.3.attn_gate";
  const auto both = made_checkpoint("c.pt", {{at_layer, {1}}, {in_list, {1}}});
  FlamingoNames names = flamingo_names(both);
  EXPECT_TRUE(names.ignores(in_list));
  EXPECT_FALSE(names.ignores(at_layer));
  EXPECT_EQ(names.map.to_module(at_layer)->name, "aligner.cross_attention.3.attn_gate");
  const auto list_only = made_checkpoint("c.pt", {{in_list, {1}}});
  names = flamingo_names(list_only);
  EXPECT_FALSE(names.ignores(in_list));
  EXPECT_EQ(names.map.to_module(in_list)->name, "aligner.cross_attention.3.attn_gate");
}

TEST(FlamingoNames, ModuleIsTakenOutWhereverItStands) {
  const std::string gate = "lang_encoder.module.gpt_neox.layers.1.gated_cross_attn_layer.ff_gate";
  const auto checkpoint = made_checkpoint(
      "c.pt", {{"module.perceiver.latents", {5, 8}}, {gate, {1}}, {"perceiver.norm.bias", {8}}});
  const FlamingoNames names = flamingo_names(checkpoint);
  EXPECT_EQ(names.map.to_module("module.perceiver.latents")->name, "aligner.resampler.latents");
  EXPECT_EQ(names.map.to_file("aligner.resampler.latents")->name, "module.perceiver.latents");
  EXPECT_EQ(names.map.to_module(gate)->name, "aligner.cross_attention.1.ff_gate");
  EXPECT_EQ(names.map.to_file("aligner.cross_attention.3.ff_gate")->name,
            "lang_encoder.gpt_neox.layers.3.gated_cross_attn_layer.ff_gate");
}

TEST(FlamingoNames, TheLanguageModelsTensorsAreNamedAsInItsOwnFile) {
  EXPECT_EQ(language_model_name("lang_encoder.transformer.wte.weight"), "transformer.wte.weight");
  EXPECT_EQ(language_model_name("module.lang_encoder.embed_out.weight"), "embed_out.weight");
  EXPECT_EQ(language_model_name("lang_encoder.model.layers.3.decoder_layer.norm.weight"),
            "model.layers.3.norm.weight");
  for (const char* other :
       {"perceiver.latents", "lang_encoder.gpt_neox.layers.1.gated_cross_attn_layer.ff_gate",
        "lang_encoder.gated_cross_attn_layers.1.ff_gate",
        "lang_encoder.old_decoder_blocks.0.attn.Wqkv.weight", "vision_encoder.proj",
        "lang_encoder.gpt_neox.layers.0.decoder_layer.attention.rotary_emb.inv_freq",
        "lang_encoder.gpt_neox.layers.0.decoder_layer.attention.bias",
        "lang_encoder.gpt_neox.layers.0.decoder_layer.attention.masked_bias"})
    EXPECT_EQ(language_model_name(other), std::nullopt) << other;

  const auto checkpoint =
      made_checkpoint("c.pt", {{"lang_encoder.transformer.wte.weight", {9, 4}},
                               {"lang_encoder.lm_head.weight", {9, 4}},
                               {"lang_encoder.old_decoder_blocks.0.ln_1.weight", {4}}});
  const std::vector<formats::NameRule> rules = {{"transformer.wte.weight", "decoder.wte.weight"}};
  const LanguageModelNames decoder{formats::NameMap(rules),
                                   [](std::string_view name) { return name == "lm_head.weight"; }};
  const FlamingoNames names = flamingo_names(checkpoint, &decoder);
  EXPECT_EQ(names.map.to_module("lang_encoder.transformer.wte.weight")->name, "decoder.wte.weight");
  EXPECT_TRUE(names.ignores("lang_encoder.lm_head.weight"));
  EXPECT_TRUE(names.ignores("lang_encoder.old_decoder_blocks.0.ln_1.weight"));
  EXPECT_TRUE(flamingo_names(checkpoint).ignores("lang_encoder.transformer.wte.weight"));
}

}  // namespace
}  // namespace isthmus::layout
