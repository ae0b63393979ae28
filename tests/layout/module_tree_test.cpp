#include "layout/module_tree.h"

#include <algorithm>

#include "layout/fixtures.h"
#include "layout/llava_folder.h"
#include "layout/llava_module_tree.h"

namespace isthmus::layout {
namespace {

// The published config of liuhaotian/llava-v1.5-7b and its tower, as far as the tree depends on it.
LlavaConfig llava_7b() {
  return LlavaConfig::parse(JsonView::parse(R"({"model_type": "llava_llama", "hidden_size": 4096,
      "intermediate_size": 11008, "num_hidden_layers": 32, "num_attention_heads": 32, "vocab_size": 32000,
      "rms_norm_eps": 1e-05, "pad_token_id": 0, "mm_vision_tower": "openai/clip-vit-large-patch14-336",
      "mm_hidden_size": 1024, "mm_projector_type": "mlp2x_gelu"})",
                                            "config.json"));
}
ClipVisionConfig clip_l_336() {
  return ClipVisionConfig::parse(JsonView::parse(R"({"hidden_size": 1024, "intermediate_size": 4096,
      "num_hidden_layers": 24, "num_attention_heads": 16, "image_size": 336, "patch_size": 14})",
                                                 "clip.json"));
}

std::string with_newline(std::string text) {
  text += '\n';
  return text;
}

TEST(ModuleTree, PrintsV15AsPyTorchDoes) {
  const auto folder = LlavaFolder::open(llava_case("v15_original") / "model/llava-v1.5-tiny");
  const auto tower =
      load_tower_config(llava_case("v15_original") / "model/openai/clip-tiny-patch14-70");
  EXPECT_EQ(with_newline(to_string(llava_module_tree(folder.config, tower))),
            text_of(llava_case("v15_original") / "expect/print_model.txt"));
}

TEST(ModuleTree, PrintsThe7BModelAsPyTorchDoes) {
  EXPECT_EQ(with_newline(to_string(llava_module_tree(llava_7b(), clip_l_336()))),
            text_of(llava_case("v15_original") / "expect/print_llava_v1.5_7b.txt"));
}

TEST(ModuleTree, PrintsTheHuggingFaceModelsAsPyTorchDoes) {
  const auto llava = LlavaFolder::open(llava_case("hf_llava15") / "model/llava-1.5-tiny-hf");
  EXPECT_EQ(with_newline(to_string(llava_module_tree(llava.config))),
            text_of(llava_case("hf_llava15") / "expect/print_model.txt"));
  const auto next = LlavaFolder::open(llava_case("hf_llava_next") / "model/llava-v1.6-tiny-hf");
  EXPECT_EQ(with_newline(to_string(llava_module_tree(next.config))),
            text_of(llava_case("hf_llava_next") / "expect/print_model.txt"));
}

TEST(ModuleTree, CountsThe7BModel) {
  const auto parameters = expected_parameters(llava_7b(), clip_l_336());
  EXPECT_EQ(parameters.size(), 686U);
  int64_t total = 0, encoder = 0, aligner = 0;
  for (const auto& [name, shape] : parameters) {
    total += *num_elements(shape);
    if (name.starts_with("encoder.")) encoder += *num_elements(shape);
    if (name.starts_with("aligner.")) aligner += *num_elements(shape);
  }
  EXPECT_EQ(total, 7'062'902'784);
  EXPECT_EQ(encoder, 303'507'456);
  EXPECT_EQ(aligner, 20'979'712);
}

TEST(ModuleTree, ATiedHeadIsCountedOnce) {
  LlavaConfig config = llava_7b();
  const size_t untied = expected_parameters(config).size();
  config.text.tie_word_embeddings = true;
  EXPECT_EQ(expected_parameters(config).size(), untied - 1);
}

TEST(ModuleTree, ATowerThatWasNotFoundPrintsEmpty) {
  const std::string text = to_string(llava_module_tree(llava_7b()));
  EXPECT_NE(text.find("    (vision_tower): CLIPVisionTower()\n"), std::string::npos);
}

TEST(ModuleTree, APlainLanguageModelHasItsOwnClasses) {
  const auto base = LlavaFolder::open(llava_case("adapters") / "model/vicuna-tiny");
  EXPECT_TRUE(to_string(llava_module_tree(base.config))
                  .starts_with("LlamaForCausalLM(\n  (model): LlamaModel(\n"));
}

TEST(ModuleTree, ProjectorsPrintAsTheyAreBuilt) {
  LlavaConfig config = llava_7b();
  config.projector_type = ProjectorType::kLinear;
  config.projector_depth = 1;
  EXPECT_NE(to_string(llava_module_tree(config))
                .find("(mm_projector): Linear(in_features=1024, out_features=4096, bias=True)"),
            std::string::npos);
  config.projector_type = ProjectorType::kIdentity;
  EXPECT_NE(to_string(llava_module_tree(config)).find("(mm_projector): IdentityMap()"),
            std::string::npos);
}

TEST(ModuleTree, OnlyEqualNeighboursInAListAreCollapsed) {
  const ModuleNode a{"A", "", {}, {}}, b{"B", "1", {}, {}};
  ModuleNode list{"ModuleList", "", {}, {{"0", a}, {"1", a}, {"2", b}, {"3", a}}};
  EXPECT_EQ(to_string(list), "ModuleList(\n  (0-1): 2 x A()\n  (2): B(1)\n  (3): A()\n)");
  list.class_name = "Sequential";
  EXPECT_EQ(to_string(list), "Sequential(\n  (0): A()\n  (1): A()\n  (2): B(1)\n  (3): A()\n)");
  EXPECT_EQ(to_string(module_list(0, a)), "ModuleList()");
}

}  // namespace
}  // namespace isthmus::layout
