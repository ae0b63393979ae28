#include "layout/describe_llava.h"

#include <nlohmann/json.hpp>

#include "layout/fixtures.h"
#include "layout/model_locator.h"

namespace isthmus::layout {
namespace {

LlavaSources sources(const std::string& model, const std::string& base = "") {
  LlavaSources found{LlavaFolder::open(llava_case(model)), std::nullopt, {}};
  if (!base.empty()) found.base = LlavaFolder::open(llava_case(base));
  if (!found.model.config.vision && found.model.config.has_vision())
    found.tower =
        ModelLocator{}.find_vision_tower(found.model.config.vision_tower, found.model.path);
  return found;
}

const PartDescription& part(const LlavaDescription& d, const std::string& name) {
  for (const PartDescription& p : d.parts)
    if (p.name == name) return p;
  throw std::out_of_range(name);
}

TEST(DescribeLlava, CountsPartsAndBytesOfV15) {
  const LlavaDescription d = describe_llava(sources("v15_original/model/llava-v1.5-tiny"));
  EXPECT_EQ(d.num_problems, 0) << to_text(d);
  const PartDescription& encoder = part(d, "encoder");
  EXPECT_EQ(encoder.dtypes, (std::vector<std::string>{"float32"}));
  EXPECT_EQ(encoder.stored_bytes, 4 * encoder.num_parameters);
  EXPECT_EQ(encoder.architecture,
            "CLIP ViT-48/14, 5 layers of 48, 4 heads, feed-forward 80, 70x70 pixels");
  const PartDescription& decoder = part(d, "decoder");
  EXPECT_EQ(decoder.dtypes, (std::vector<std::string>{"float16"}));
  EXPECT_EQ(decoder.num_tensors, 3 * 9 + 3);
  EXPECT_EQ(part(d, "aligner").num_parameters, 48 * 64 + 64 + 64 * 64 + 64);
  EXPECT_EQ(d.contents, "full model");
  EXPECT_EQ(d.conversation_template, "vicuna_v1");
  ASSERT_EQ(d.stages.size(), 2U);
  EXPECT_EQ(d.stages[0].frozen, (std::vector<std::string>{"encoder", "decoder"}));
  EXPECT_EQ(d.stages[1].frozen, (std::vector<std::string>{"encoder"}));
}

TEST(DescribeLlava, ShowsThePathOfAPicture) {
  const LlavaDescription d = describe_llava(sources("v15_original/model/llava-v1.5-tiny"));
  ASSERT_FALSE(d.pictures.empty());
  EXPECT_EQ(to_string(d.pictures.front()),
            "image 640x480 → pad to 640x640 → resize to 70x70 → normalise [1, 3, 70, 70] → CLIP "
            "ViT-48/14, "
            "hidden state -2 [1, 25, 48] → mlp2x_gelu [1, 25, 64] → 25 rows of 64");
}

TEST(DescribeLlava, ShowsTheTilesOfAnyres) {
  const auto expected =
      nlohmann::json::parse(text_of(llava_case("v16_anyres_vicuna") / "expect.json"));
  const LlavaSources s = sources("v16_anyres_vicuna/model/llava-v1.6-vicuna-tiny");
  const auto tower = tower_of(s);
  ASSERT_TRUE(tower);
  for (const auto& image : expected["images"]) {
    const PicturePath path =
        picture_path(s.model.config, *tower, {image["size_wh"][0], image["size_wh"][1]});
    EXPECT_EQ(path.num_tiles, image["tiles"]) << image.dump();
    EXPECT_EQ(path.grid_columns, image["grid_wh"][0]) << image.dump();
  }
  // The request `landscape` shows the first picture alone.
  EXPECT_EQ(picture_path(s.model.config, *tower, {150, 61}).num_rows,
            expected["requests"][0]["image_tokens_total"]);
  const LlavaDescription d = describe_llava(s);
  EXPECT_EQ(d.stages[1].trained, (std::vector<std::string>{"encoder", "aligner", "decoder"}));
  // The tower inside the checkpoint, not the separate one.
  EXPECT_EQ(part(d, "encoder").dtypes, (std::vector<std::string>{"float16"}));
}

TEST(DescribeLlava, TheClassTokenIsARow) {
  const LlavaSources s = sources("v1_linear/model/llava-v1-cls-tiny");
  EXPECT_EQ(picture_path(s.model.config, *tower_of(s), {56, 56}).num_rows, 17);
}

TEST(DescribeLlava, JoinsAnAdapterWithItsBase) {
  const LlavaDescription lora =
      describe_llava(sources("adapters/model/llava-v1.5-tiny-lora", "adapters/model/vicuna-tiny"));
  EXPECT_EQ(lora.num_problems, 0) << to_text(lora);
  EXPECT_EQ(part(lora, "adapter").num_tensors, 42);
  EXPECT_EQ(part(lora, "adapter").architecture, "LoRA of rank 5, scaled by 2");
  const LlavaDescription projector =
      describe_llava(sources("adapters/model/llava-tiny-pretrain", "adapters/model/vicuna-tiny"));
  EXPECT_EQ(projector.num_problems, 0) << to_text(projector);
  EXPECT_EQ(part(projector, "aligner").dtypes, (std::vector<std::string>{"bfloat16"}));
}

TEST(DescribeLlava, WithoutItsBaseTheDecoderHasNoFile) {
  const LlavaDescription d = describe_llava(sources("adapters/model/llava-tiny-pretrain"));
  EXPECT_EQ(part(d, "decoder").source, "");
  EXPECT_EQ(part(d, "decoder").stored_bytes, 0);
  EXPECT_EQ(d.num_problems, 0);
  EXPECT_NE(to_text(d).find("no file"), std::string::npos);
}

TEST(DescribeLlava, ReadsTheHuggingFaceLayouts) {
  for (const char* model :
       {"hf_llava15/model/llava-1.5-tiny-hf", "hf_llava_next/model/llava-v1.6-tiny-hf"}) {
    const LlavaDescription d = describe_llava(sources(model));
    EXPECT_EQ(d.num_problems, 0) << to_text(d);
    EXPECT_EQ(d.parts.size(), 3U);
  }
}

TEST(DescribeLlava, AWrongConfigIsReportedTensorByTensor) {
  LlavaSources s = sources("v15_original/model/llava-v1.5-tiny");
  s.model.config.text.intermediate_size = 128;
  s.model.config.text.num_hidden_layers = 4;
  const LlavaDescription d = describe_llava(s);
  EXPECT_EQ(d.num_problems, 3 * 3 + 9);
  ASSERT_EQ(d.problems.size(), 10U);
  EXPECT_EQ(d.problems[0],
            "decoder.layers.0.mlp.gate_proj.weight is [112, 64], the config needs [128, 64]");
}

TEST(DescribeLlava, TextAndJsonSayTheSame) {
  const LlavaDescription d =
      describe_llava(sources("v16_anyres_mistral/model/llava-v1.6-mistral-tiny"));
  const nlohmann::json json = to_json(d);
  EXPECT_EQ(json["parameters"], d.num_parameters);
  EXPECT_EQ(json["parts"].size(), 3U);
  EXPECT_EQ(json["pictures"][0]["rows"], d.pictures[0].num_rows);
  EXPECT_EQ(json["tokenizer_model_max_length"], 4096);
  const std::string text = to_text(d);
  EXPECT_NE(text.find("Mistral, 2 layers of 80, 5 heads over 1 key-value heads"), std::string::npos)
      << text;
  EXPECT_NE(text.find("template mistral_instruct"), std::string::npos) << text;
}

}  // namespace
}  // namespace isthmus::layout
