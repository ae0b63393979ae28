#include "aligners/projector.h"

#include <gtest/gtest.h>

#include "isthmus/error.h"
#include "weights/golden.h"

namespace isthmus::aligners {
namespace {

using isthmus::testing::GoldenCase;
using isthmus::testing::on_both_paths;
using isthmus::testing::part_of;

std::shared_ptr<Projector> load(const std::filesystem::path& model,
                                const std::filesystem::path& weights_file) {
  const auto config = layout::LlavaConfig::parse(JsonView::load(model / "config.json"));
  auto options = ProjectorOptions::parse(config.projector_name(), config.mm_hidden_size,
                                         config.text.hidden_size);
  options.bias = config.projector_bias;
  options.image_newline = config.has_image_newline;
  auto projector = std::make_shared<Projector>(options);
  const auto checkpoint = formats::Checkpoint::open(weights_file);
  const auto names = weights_file.filename() == "non_lora_trainables.bin"
                         ? layout::non_lora_names(checkpoint.names())
                         : layout::names_for(config.layout, checkpoint);
  const std::vector<weights::WeightSource> sources = {part_of(checkpoint, names, "aligner.")};
  weights::bind_weights(*projector, sources);
  return projector;
}

void expect_case(const std::string& case_name) {
  const GoldenCase golden(case_name);
  int compared = 0;
  for (const JsonView& request : golden.requests()) {
    const std::string name = request.string("name");
    if (!golden.has(name + ".vit_selected") || !golden.has(name + ".projected")) continue;
    const auto model = golden.path(request.string("model", golden.json().string("model", "")));
    const auto projector = load(model, model);
    on_both_paths([&](const std::string& how) {
      const Tensor tokens = projector->align({golden.tensor(name + ".vit_selected")}, {}).tokens;
      golden.expect_agrees(name + ".projected", tokens, how);
    });
    ++compared;
  }
  EXPECT_GT(compared, 0);
}

TEST(ProjectorGolden, V15) { expect_case("v15_original"); }
TEST(ProjectorGolden, V16WithImageNewline) { expect_case("v16_anyres_vicuna"); }
TEST(ProjectorGolden, V16Mistral) { expect_case("v16_anyres_mistral"); }

TEST(ProjectorGolden, EveryPublishedFileBinds) {
  const auto newline =
      load(isthmus::testing::fixture("v16_anyres_vicuna/model/llava-v1.6-vicuna-tiny"),
           isthmus::testing::fixture("v16_anyres_vicuna/model/llava-v1.6-vicuna-tiny"));
  EXPECT_EQ(newline->image_newline().size(0), 64);
  for (const char* model :
       {"v1_linear/model/LLaVA-7B-v1-tiny", "v1_linear/model/LLaVA-tiny-v0",
        "v1_linear/model/llava-v1-cls-tiny", "hf_llava15/model/llava-1.5-tiny-hf",
        "hf_llava_next/model/llava-v1.6-tiny-hf"}) {
    const auto folder = isthmus::testing::fixture(model);
    EXPECT_NO_THROW(load(folder, folder)) << model;
  }
  const auto pretrain = isthmus::testing::fixture("adapters/model/llava-tiny-pretrain");
  EXPECT_NO_THROW(load(pretrain, pretrain / "mm_projector.bin"));
  const auto lora = isthmus::testing::fixture("adapters/model/llava-v1.5-tiny-lora");
  EXPECT_NO_THROW(load(lora, lora / "non_lora_trainables.bin"));
}

TEST(Projector, ReadsTheTypesOfTheReference) {
  EXPECT_EQ(ProjectorOptions::parse("linear", 4, 8).depth, 1);
  EXPECT_FALSE(ProjectorOptions::parse("linear", 4, 8).sequential);
  EXPECT_EQ(ProjectorOptions::parse("identity", 4, 4).depth, 0);
  EXPECT_EQ(ProjectorOptions::parse("mlp0x_gelu", 4, 8).depth,
            1);  // one linear map, as the reference builds
  EXPECT_EQ(ProjectorOptions::parse("mlp3x_gelu", 4, 8).depth, 3);
  for (const char* unknown :
       {"mlpx_gelu", "mlp2x_relu", "mlp-1x_gelu", "mlp99999999999999999999x_gelu", "mlp65x_gelu",
        "qformer", "", "mlp2x_gelu ", "xmlp2x_gelu"}) {
    try {
      ProjectorOptions::parse(unknown, 4, 8);
      FAIL() << unknown;
    } catch (const UnsupportedError& error) {
      EXPECT_NE(std::string(error.what()).find("\"" + std::string(unknown) + "\""),
                std::string::npos);
    }
  }
}

TEST(Projector, IdentityPassesFeaturesOn) {
  Projector projector(ProjectorOptions::parse("identity", 6, 6));
  EXPECT_TRUE(nn::slots_of(projector).empty());
  const Tensor features = torch::randn({2, 3, 6});
  EXPECT_TRUE(torch::equal(projector.align({features}, {}).tokens, features));
  EXPECT_THROW(Projector(ProjectorOptions::parse("identity", 6, 8)), ModelError);
}

TEST(Projector, NamesFollowThePublishedTree) {
  const auto names = [](const ProjectorOptions& options) {
    Projector projector(options);
    std::vector<std::string> out;
    for (const nn::Slot& slot : nn::slots_of(projector)) out.push_back(slot.name);
    return out;
  };
  using Names = std::vector<std::string>;
  EXPECT_EQ(names(ProjectorOptions::parse("linear", 4, 8)),
            (Names{"projector.weight", "projector.bias"}));
  EXPECT_EQ(
      names(ProjectorOptions::parse("mlp2x_gelu", 4, 8)),
      (Names{"projector.0.weight", "projector.0.bias", "projector.2.weight", "projector.2.bias"}));
}

}  // namespace
}  // namespace isthmus::aligners
