#include "formats/name_map.h"

#include "helpers.h"

namespace isthmus::formats {
namespace {

using namespace testing_helpers;

const std::vector<NameRule> kRules = {
    {"model.mm_projector.{rest}", "aligner.projector.{rest}"},
    {"model.layers.{i}.self_attn.{rest}", "decoder.layers.{i}.attention.{rest}"},
    {"experts.{e}.blocks.{i}.w", "aligner.experts.{i}.{e}.weight", Transform::kTranspose},
    {"lm_head.weight", "decoder.lm_head.weight"}};

TEST(NameMap, FilledInBothDirections) {
  const NameMap map(kRules);
  for (const auto& [file, module] : std::vector<std::pair<std::string, std::string>>{
           {"model.mm_projector.0.bias", "aligner.projector.0.bias"},
           {"model.layers.31.self_attn.q_proj.weight", "decoder.layers.31.attention.q_proj.weight"},
           {"experts.2.blocks.10.w", "aligner.experts.10.2.weight"},
           {"lm_head.weight", "decoder.lm_head.weight"}}) {
    ASSERT_TRUE(map.to_module(file)) << file;
    EXPECT_EQ(map.to_module(file)->name, module);
    ASSERT_TRUE(map.to_file(module)) << module;
    EXPECT_EQ(map.to_file(module)->name, file);
  }
  EXPECT_EQ(map.to_module("experts.2.blocks.10.w")->transform, Transform::kTranspose);
}

TEST(NameMap, NamesThatDoNotFitStayUnmapped) {
  const NameMap map(kRules);
  for (const char* name :
       {"", "lm_head.weight2", "lm_head", "model.layers.x.self_attn.q", "model.layers..self_attn.q",
        "model.layers.01.self_attn.q", "model.mm_projector.", "experts.1.blocks.2.wx"})
    EXPECT_FALSE(map.to_module(name)) << name;
}

TEST(NameMap, RulesThatCannotBeInvertedAreBugs) {
  const auto make = [](std::string file, std::string module) {
    return NameMap(std::vector<NameRule>{{std::move(file), std::move(module)}});
  };
  EXPECT_THROW(make("a.{i}", "b"), InternalError);
  EXPECT_THROW(make("a.{i}", "b.{j}"), InternalError);
  EXPECT_THROW(make("a.{i}.{i}", "b.{i}"), InternalError);
  EXPECT_THROW(make("a.{rest}.w", "b.{rest}.w"), InternalError);
  EXPECT_THROW(make("a.{i}0", "b.{i}"), InternalError);
  EXPECT_THROW(make("a.{i", "b.{i}"), InternalError);
}

TEST(NameMap, TransposeIsAViewAndItsOwnInverse) {
  const RawTensor tensor = tensor_of<int32_t>("w", DType::kI32, {2, 3}, {1, 2, 3, 4, 5, 6});
  const RawTensor transposed = apply(Transform::kTranspose, tensor);
  EXPECT_EQ(transposed.bytes.data(), tensor.bytes.data());
  EXPECT_EQ(values_of<int32_t>(transposed), (std::vector<int32_t>{1, 4, 2, 5, 3, 6}));
  EXPECT_EQ(values_of<int32_t>(apply(inverse(Transform::kTranspose), transposed)),
            values_of<int32_t>(tensor));
  EXPECT_THROW(
      apply(Transform::kTranspose, tensor_of<int32_t>("w", DType::kI32, {6}, {1, 2, 3, 4, 5, 6})),
      ModelError);
}

}  // namespace
}  // namespace isthmus::formats
