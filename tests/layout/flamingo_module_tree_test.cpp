#include "layout/flamingo_module_tree.h"

#include <set>

#include "layout/fixtures.h"
#include "layout/flamingo_model.h"

namespace isthmus::layout {
namespace {

FlamingoModel opened(const std::string& name) {
  return FlamingoModel::open(find_flamingo(flamingo_case(name) / "model", {}, {}));
}

TEST(FlamingoModuleTree, PrintsEveryCaseAsPyTorchDoes) {
  for (const char* name : kFlamingoCases)
    EXPECT_EQ(to_string(opened(name).module_tree()) + "\n",
              text_of(flamingo_case(name) / "print_model.txt"))
        << name;
}

TEST(FlamingoModuleTree, EveryParameterHasOnePlace) {
  for (const char* name : kFlamingoCases) {
    const FlamingoModel model = opened(name);
    std::set<std::string> seen;
    for (const auto& [parameter, shape] :
         expected_parameters(model.config, model.vision, model.language_type, model.language_config,
                             model.vocab_size()))
      EXPECT_TRUE(seen.insert(parameter).second) << name << ": " << parameter;
    EXPECT_TRUE(seen.contains("encoder.transformer.resblocks.0.attn.in_proj.weight"));
    EXPECT_TRUE(seen.contains("encoder.transformer.resblocks.0.attn.in_proj.bias"));
    EXPECT_TRUE(seen.contains("aligner.resampler.layers.0.1.3.weight"));
    EXPECT_TRUE(seen.contains("aligner.cross_attention." +
                              std::to_string(model.config.cross_attn_every_n_layers - 1) +
                              ".attn_gate"));
  }
}

// The published configs, as far as the sizes depend on them.
struct Released {
  const char* type;
  const char* config;
  int64_t every, width, layers, trained;
};

TEST(FlamingoModuleTree, CountsTheReleasedModels) {
  const Released models[] = {
      {"mosaic_gpt", R"({"model_type": "mosaic_gpt", "d_model": 2048, "n_heads": 16,
          "n_layers": 24, "mlp_ratio": 4, "max_seq_len": 2048, "vocab_size": 50432,
          "attn_qk_ln": true, "alibi": true, "no_bias": true})",
       1, 2048, 24, 1'046'992'944},
      {"gpt_neox", R"({"model_type": "gpt_neox", "hidden_size": 2560, "intermediate_size": 10240,
          "num_hidden_layers": 32, "num_attention_heads": 32, "vocab_size": 50432,
          "rotary_pct": 1.0, "use_parallel_residual": false})",
       2, 2560, 32, 1'089'480'736},
      {"mpt", R"({"model_type": "mpt", "d_model": 4096, "n_heads": 32, "n_layers": 32,
          "max_seq_len": 2048, "vocab_size": 50432, "no_bias": true,
          "attn_config": {"alibi": true}})",
       4, 4096, 32, 1'384'781'840},
  };
  constexpr int64_t kVocabulary = 50280;
  const OpenClipVisionConfig vision{1024, 24, 16, 4096, 224, 14, 768, Activation::kQuickGelu, 1e-5};
  for (const Released& model : models) {
    const JsonView config = JsonView::parse(model.config, "config.json");
    const FlamingoConfig flamingo =
        FlamingoConfig::fresh(1024, model.width, model.layers, model.every);
    int64_t encoder = 0, trained = kVocabulary * model.width;
    for (const auto& [name, shape] :
         expected_parameters(flamingo, vision, model.type, config, kVocabulary)) {
      if (name.starts_with("encoder.")) encoder += *num_elements(shape);
      if (name.starts_with("aligner.")) trained += *num_elements(shape);
    }
    EXPECT_EQ(trained, model.trained) << model.type;
    EXPECT_EQ(encoder, 303'966'208) << model.type;
  }
}

TEST(FlamingoModuleTree, TimeEmbeddingsBelongToTheResampler) {
  FlamingoModel model = opened("opt_every2");
  model.config.resampler.max_num_frames = 3;
  model.config.resampler.max_num_media = 2;
  Shape frames, media;
  for (const auto& [name, shape] :
       expected_parameters(model.config, model.vision, model.language_type, model.language_config,
                           model.vocab_size())) {
    if (name == "aligner.resampler.frame_embs") frames = shape;
    if (name == "aligner.resampler.media_time_embs") media = shape;
  }
  EXPECT_EQ(frames, (Shape{3, 32}));
  EXPECT_EQ(media, (Shape{2, 1, 32}));
}

TEST(FlamingoModuleTree, ATowerWithoutQuickGeluPrintsGelu) {
  FlamingoModel model = opened("opt_every2");
  model.vision.activation = Activation::kGelu;
  EXPECT_NE(to_string(model.module_tree()).find("(gelu): GELU(approximate='none')"),
            std::string::npos);
}

}  // namespace
}  // namespace isthmus::layout
