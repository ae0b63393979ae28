#include "layout/open_clip_config.h"

#include "layout/made_checkpoint.h"
#include "layout/open_clip_names.h"

namespace isthmus::layout {
namespace {

using formats::Checkpoint;

// width 128 (2 heads of 64), 2 layers, 4 × 4 patches of 7
NamedShapes small_tower(const std::string& prefix) {
  NamedShapes tensors = {{"conv1.weight", {128, 3, 7, 7}}, {"class_embedding", {128}},
                         {"positional_embedding", {17, 128}}, {"ln_pre.weight", {128}},
                         {"ln_pre.bias", {128}},           {"ln_post.weight", {128}},
                         {"ln_post.bias", {128}},          {"proj", {128, 24}}};
  for (const std::string layer : {"0", "1"}) {
    const std::string block = "transformer.resblocks." + layer + ".";
    for (const auto& [name, shape] : NamedShapes{{"attn.in_proj_weight", {384, 128}},
                                                 {"attn.in_proj_bias", {384}},
                                                 {"attn.out_proj.weight", {128, 128}},
                                                 {"attn.out_proj.bias", {128}},
                                                 {"mlp.c_fc.weight", {512, 128}},
                                                 {"mlp.c_proj.weight", {128, 512}},
                                                 {"ln_1.weight", {128}}})
      tensors.emplace_back(block + name, shape);
  }
  for (auto& [name, shape] : tensors) name = prefix + name;
  return tensors;
}

NamedShapes with(NamedShapes tensors, const std::string& name, const Shape& shape) {
  for (auto& [own, own_shape] : tensors)
    if (own == name) {
      own_shape = shape;
      return tensors;
    }
  tensors.emplace_back(name, shape);
  return tensors;
}

std::filesystem::path config_file(const std::string& text) {
  const auto file = fresh_folder("open_clip") / "open_clip_config.json";
  write(file, text);
  return file;
}

constexpr const char* kSmallConfig =
    R"({"embed_dim": 24, "vision_cfg": {"image_size": 30, "layers": 2, "width": 128,
        "patch_size": 7, "head_width": 32}})";

TEST(OpenClipConfig, FollowsFromShapesAlone) {
  const auto c = OpenClipVisionConfig::read(
      made_checkpoint("tower.bin", small_tower("visual.")), "");
  EXPECT_EQ(c.width, 128);
  EXPECT_EQ(c.layers, 2);
  EXPECT_EQ(c.heads, 2);
  EXPECT_EQ(c.head_dim(), 64);
  EXPECT_EQ(c.intermediate_size, 512);
  EXPECT_EQ(c.patch_size, 7);
  EXPECT_EQ(c.image_size, 28);
  EXPECT_EQ(c.num_patches(), 16);
  EXPECT_EQ(c.embed_dim, 24);
  EXPECT_EQ(c.activation, Activation::kQuickGelu);
  EXPECT_EQ(c.layer_norm_eps, 1e-5);
}

TEST(OpenClipConfig, TheConfigAddsWhatShapesDoNotTell) {
  const auto checkpoint = made_checkpoint("tower.bin", small_tower("visual."));
  auto c = OpenClipVisionConfig::read(checkpoint, config_file(kSmallConfig));
  EXPECT_EQ(c.heads, 4);
  EXPECT_EQ(c.image_size, 30);  // a rest of 2 pixels that a convolution ignores
  EXPECT_EQ(c.activation, Activation::kGelu);
  // The hub's files keep the model's part below a key.
  c = OpenClipVisionConfig::read(
      checkpoint, config_file(R"({"model_cfg": {"quick_gelu": true, "embed_dim": 24, "vision_cfg":
        {"image_size": [28, 28], "layers": 2, "width": 128, "patch_size": 7,
         "norm_kwargs": {"eps": 1e-6}}}, "preprocess_cfg": {}})"));
  EXPECT_EQ(c.activation, Activation::kQuickGelu);
  EXPECT_EQ(c.layer_norm_eps, 1e-6);
  EXPECT_EQ(c.heads, 2);
  // OpenAI's weights were trained with QuickGELU whatever the architecture's config says.
  const auto openai =
      made_checkpoint("ViT.pt", with(small_tower("visual."), "input_resolution", {}));
  EXPECT_EQ(OpenClipVisionConfig::read(openai, config_file(kSmallConfig)).activation,
            Activation::kQuickGelu);
}

TEST(OpenClipConfig, EveryFixtureIsRead) {
  for (const auto& [name, file, heads] :
       {std::tuple{"neox_rpj_every2", "ViT-tiny.pt", 1},
        std::tuple{"mpt1b_mosaic_every1", "open_clip_pytorch_model.bin", 2},
        std::tuple{"mpt7b_every1", "open_clip_pytorch_model.bin", 2},
        std::tuple{"media_masking", "open_clip_pytorch_model.bin", 2}}) {
    SCOPED_TRACE(name);
    const auto folder = flamingo_case(name) / "model/clip";
    const auto c = OpenClipVisionConfig::read(Checkpoint::open(folder / file),
                                              folder / "open_clip_config.json");
    EXPECT_EQ(c.heads, heads);
    EXPECT_EQ(c.activation, Activation::kQuickGelu);
  }
}

TEST(OpenClipConfig, ContradictionsAreNamed) {
  const auto complaint = [](const NamedShapes& tensors, const std::string& config) {
    const auto checkpoint = made_checkpoint("tower.bin", tensors);
    return message_of<ModelError>([&] {
      OpenClipVisionConfig::read(checkpoint, config.empty() ? "" : config_file(config).string());
    });
  };
  const auto expect = [](const std::string& message, const std::string& part) {
    EXPECT_NE(message.find(part), std::string::npos) << message;
  };
  const NamedShapes good = small_tower("visual.");
  std::string wide = kSmallConfig;
  wide.replace(wide.find("128"), 3, "256");
  expect(complaint(good, wide), "vision_cfg.width: is 256, but conv1.weight makes it 128");
  std::string other_image = kSmallConfig;
  other_image.replace(other_image.find("30"), 2, "35");
  expect(complaint(good, other_image),
         "vision_cfg.image_size: is 35, but positional_embedding makes it 28");
  expect(complaint(with(good, "visual.positional_embedding", {18, 128}), ""),
         "visual.positional_embedding is [18, 128], expected [1 + a square of patches, 128]");
  expect(complaint(with(good, "visual.conv1.weight", {96, 3, 7, 7}), ""),
         "positional_embedding is [17, 128]");
  expect(complaint(with(good, "visual.proj", {128}), ""), "visual.proj is [128], expected 2");
  expect(complaint({{"a.weight", {2}}}, ""), "no vision transformer of open_clip in it");
}

TEST(OpenClipNames, EverySpellingLeadsToTheTower) {
  for (const std::string prefix : {"visual.", "", "module.visual.", "module."}) {
    SCOPED_TRACE(prefix);
    NamedShapes tensors = small_tower(prefix);
    if (prefix.ends_with("visual.")) {
      // One name without "module." keeps the reader from taking it off every name.
      for (const char* name : {"transformer.resblocks.0.ln_1.weight", "positional_embedding",
                               "token_embedding.weight", "ln_final.bias", "text_projection",
                               "logit_scale", "attn_mask", "input_resolution"})
        tensors.emplace_back(name, Shape{1});
    } else {
      tensors.emplace_back("logit_scale", Shape{1});
    }
    const auto checkpoint = made_checkpoint("tower.bin", tensors);
    EXPECT_EQ(open_clip_prefix(checkpoint), prefix);
    const OpenClipNames names = open_clip_names(checkpoint);
    for (const std::string& name : checkpoint.names()) {
      const bool outside = !name.starts_with(prefix) || name == "logit_scale";
      EXPECT_EQ(names.ignores(name), outside) << name;
      if (outside) continue;
      const auto module = names.map.to_module(name);
      ASSERT_TRUE(module) << name;
      EXPECT_TRUE(module->name.starts_with("encoder.")) << module->name;
      EXPECT_EQ(names.map.to_file(module->name)->name, name);
    }
    EXPECT_EQ(names.map.to_module(prefix + "transformer.resblocks.1.attn.in_proj_weight")->name,
              "encoder.transformer.resblocks.1.attn.in_proj.weight");
  }
}

TEST(OpenClipNames, NothingOfAnArchiveIsLeftOver) {
  const auto checkpoint =
      Checkpoint::open(flamingo_case("neox_rpj_every2/model/clip/ViT-tiny.pt"));
  EXPECT_EQ(checkpoint.at("visual.conv1.weight").dtype, DType::kF16);
  EXPECT_EQ(checkpoint.at("visual.ln_post.bias").dtype, DType::kF32);
  const OpenClipNames names = open_clip_names(checkpoint);
  for (const std::string& name : checkpoint.names())
    EXPECT_EQ(names.ignores(name), !name.starts_with("visual.")) << name;
}

}  // namespace
}  // namespace isthmus::layout
