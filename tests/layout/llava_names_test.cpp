#include "layout/llava_names.h"

#include <set>

#include "layout/fixtures.h"
#include "layout/llava_folder.h"
#include "layout/llava_module_tree.h"

namespace isthmus::layout {
namespace {

using formats::Checkpoint;

// Module names of what the checkpoint holds; fails if a name is neither mapped nor ignored, or does
// not find its way back.
std::set<std::string> module_names(const Checkpoint& checkpoint, const LlavaNames& names) {
  std::set<std::string> mapped;
  for (const std::string& name : checkpoint.names()) {
    if (names.ignores(name)) continue;
    const auto module = names.map.to_module(name);
    EXPECT_TRUE(module) << name;
    if (!module) continue;
    EXPECT_TRUE(mapped.insert(module->name).second) << module->name;
    const auto back = names.map.to_file(module->name);
    EXPECT_TRUE(back && back->name == name) << name;
  }
  return mapped;
}

std::set<std::string> expected_names(const LlavaConfig& config,
                                     const std::optional<ClipVisionConfig>& tower) {
  std::set<std::string> names;
  for (const auto& parameter : expected_parameters(config, tower)) names.insert(parameter.name);
  return names;
}

struct Case {
  const char* model;
  const char* tower;  // nullptr: inside the model's config
};

TEST(LlavaNames, EveryTensorOfEveryFixtureHasItsPlaceInTheTree) {
  for (const auto& [model, tower_path] :
       {Case{"v15_original/model/llava-v1.5-tiny",
             "v15_original/model/openai/clip-tiny-patch14-70"},
        Case{"v1_linear/model/LLaVA-7B-v1-tiny", "v1_linear/model/openai/clip-tiny-patch14-56"},
        Case{"v1_linear/model/LLaVA-tiny-v0", "v1_linear/model/openai/clip-tiny-patch14-56"},
        Case{"v1_linear/model/llava-v1-cls-tiny", "v1_linear/model/openai/clip-tiny-patch14-56"},
        Case{"v16_anyres_mistral/model/llava-v1.6-mistral-tiny",
             "v16_anyres_mistral/model/openai/clip-tiny-patch12-48"},
        Case{"v16_anyres_vicuna/model/llava-v1.6-vicuna-tiny",
             "v16_anyres_vicuna/model/openai/clip-tiny-patch14-56"},
        Case{"hf_llava15/model/llava-1.5-tiny-hf", nullptr},
        Case{"hf_llava_next/model/llava-v1.6-tiny-hf", nullptr},
        Case{"adapters/model/vicuna-tiny", nullptr}}) {
    SCOPED_TRACE(model);
    const LlavaFolder folder = LlavaFolder::open(llava_case(model));
    const Checkpoint checkpoint = Checkpoint::open(folder.path);
    auto found = module_names(checkpoint, names_for(folder.config.layout, checkpoint));
    std::optional<ClipVisionConfig> tower;
    if (tower_path != nullptr) {
      tower = load_tower_config(llava_case(tower_path));
      const auto separate =
          module_names(Checkpoint::open(llava_case(tower_path)), vision_tower_names());
      found.insert(separate.begin(), separate.end());
    }
    EXPECT_EQ(found, expected_names(folder.config, tower));
  }
}

TEST(LlavaNames, ATowerInsideTheCheckpointIsSeen) {
  const auto holds = [](const char* path, LlavaLayout layout) {
    return holds_vision_tower(layout, Checkpoint::open(llava_case(path)));
  };
  EXPECT_TRUE(holds("v16_anyres_vicuna/model/llava-v1.6-vicuna-tiny", LlavaLayout::kOriginal));
  EXPECT_TRUE(holds("hf_llava15/model/llava-1.5-tiny-hf", LlavaLayout::kHuggingFace));
  EXPECT_FALSE(holds("v15_original/model/llava-v1.5-tiny", LlavaLayout::kOriginal));
}

TEST(LlavaNames, BothHuggingFaceSpellingsMeanTheSame) {
  const LlavaNames old = hugging_face_names(false), nested = hugging_face_names(true);
  const std::pair<const char*, const char*> spellings[] = {
      {"language_model.model.layers.3.mlp.up_proj.weight",
       "model.language_model.layers.3.mlp.up_proj.weight"},
      {"language_model.lm_head.weight", "lm_head.weight"},
      {"multi_modal_projector.linear_2.bias", "model.multi_modal_projector.linear_2.bias"},
      {"vision_tower.vision_model.post_layernorm.bias",
       "model.vision_tower.vision_model.post_layernorm.bias"},
      {"image_newline", "model.image_newline"}};
  for (const auto& [a, b] : spellings) {
    ASSERT_TRUE(old.map.to_module(a)) << a;
    ASSERT_TRUE(nested.map.to_module(b)) << b;
    EXPECT_EQ(old.map.to_module(a)->name, nested.map.to_module(b)->name);
    EXPECT_FALSE(old.map.to_module(b) && std::string(b).starts_with("model.l")) << b;
  }
  EXPECT_EQ(old.map.to_module("multi_modal_projector.linear_2.bias")->name,
            "aligner.projector.2.bias");
}

TEST(LlavaNames, OldBuffersAreIgnored) {
  EXPECT_TRUE(original_names().ignores("model.layers.0.self_attn.rotary_emb.inv_freq"));
  EXPECT_FALSE(original_names().ignores("model.layers.0.self_attn.q_proj.weight"));
  const LlavaNames tower = vision_tower_names();
  for (const char* name :
       {"text_model.final_layer_norm.weight", "logit_scale", "visual_projection.weight",
        "text_projection.weight", "vision_model.embeddings.position_ids"})
    EXPECT_TRUE(tower.ignores(name)) << name;
}

TEST(LlavaNames, AdapterKeysLoseTheirPrefix) {
  const auto adapter =
      Checkpoint::open(llava_case("adapters") / "model/llava-v1.5-tiny-lora/adapter_model.bin");
  EXPECT_EQ(module_names(adapter, adapter_names()).size(), 42U);
  EXPECT_EQ(adapter_names()
                .map.to_module("base_model.model.model.layers.1.mlp.up_proj.lora_B.weight")
                ->name,
            "decoder.layers.1.mlp.up_proj.lora_B.weight");
}

TEST(LlavaNames, NonLoraPrefixesAreStrippedAsTheReferenceDoes) {
  using Names = std::vector<std::string>;
  EXPECT_EQ(strip_non_lora_prefixes(Names{"base_model.model.model.mm_projector.0.weight",
                                          "base_model.model.lm_head.weight"}),
            (Names{"model.mm_projector.0.weight", "lm_head.weight"}));
  EXPECT_EQ(strip_non_lora_prefixes(Names{"model.mm_projector.weight"}),
            (Names{"model.mm_projector.weight"}));
  EXPECT_EQ(strip_non_lora_prefixes(Names{}), Names{});
}

}  // namespace
}  // namespace isthmus::layout
