#include "weights/bind.h"

#include <filesystem>

#include <gtest/gtest.h>

#include "decoders/llama.h"
#include "error_message.h"
#include "formats/safetensors.h"
#include "isthmus/error.h"
#include "nn/dense_matrix.h"
#include "nn/linear.h"
#include "nn/norms.h"
#include "weights/golden.h"
#include "weights/lora.h"
#include "weights/save.h"

namespace isthmus::weights {
namespace {

using formats::NameRule;
using isthmus::testing::fixture;
using isthmus::testing::part_of;

#define EXPECT_SAYS(message, part) EXPECT_NE((message).find(part), std::string::npos) << (message)

int64_t count_lines(const std::string& text) {
  return 1 + std::count(text.begin(), text.end(), '\n');
}

layout::LlamaConfig v15_config() {
  return layout::LlavaConfig::parse(
             JsonView::load(fixture("v15_original/model/llava-v1.5-tiny/config.json")))
      .text;
}

std::vector<WeightSource> v15_source() {
  return {part_of(fixture("v15_original/model/llava-v1.5-tiny"), layout::LlavaLayout::kOriginal,
                  "decoder.")};
}

// A module with one matrix, one bias, one norm: "proj.weight" [3, 4], "proj.bias" [3],
// "norm.weight" [4].
class Pair : public torch::nn::Module {
 public:
  Pair()
      : proj(register_module("proj", nn::Linear(4, 3))),
        norm(register_module("norm", nn::RmsNorm(4, 1e-5))) {}
  nn::Linear proj;
  nn::RmsNorm norm;
};

formats::RawTensor raw(const std::string& name, const torch::Tensor& values, DType dtype) {
  auto kept = std::make_shared<torch::Tensor>(values.contiguous());
  formats::RawTensor out;
  out.name = name;
  out.dtype = dtype;
  out.shape = values.sizes().vec();
  out.strides = formats::row_major_strides(out.shape);
  out.bytes = {static_cast<const std::byte*>(kept->data_ptr()),
               static_cast<size_t>(kept->nbytes())};
  out.owner = kept;
  return out;
}

formats::Checkpoint written(const std::string& file,
                            const std::vector<formats::RawTensor>& tensors) {
  const auto path = std::filesystem::path(::testing::TempDir()) / file;
  formats::write_safetensors(path, tensors, {});
  return formats::Checkpoint::open(path);
}

const formats::NameMap kAsIs(std::vector<NameRule>{{"{rest}", "{rest}"}});

std::vector<formats::RawTensor> pair_tensors() {
  torch::manual_seed(5);
  return {raw("proj.weight", torch::randn({3, 4}).to(torch::kHalf), DType::kF16),
          raw("proj.bias", torch::randn({3}).to(torch::kHalf), DType::kF16),
          raw("norm.weight", torch::randn({4}).to(torch::kBFloat16), DType::kBF16)};
}

TEST(Bind, MapsMatricesInPlaceAndWidensTheRest) {
  decoders::Llama llama(v15_config());
  const auto sources = v15_source();
  const BindReport report = bind_weights(llama, sources);
  EXPECT_EQ(report.tensors.size(), 3u * 9 + 3);
  const BoundTensor* q = report.find("layers.1.self_attn.q_proj.weight");
  ASSERT_NE(q, nullptr);
  EXPECT_EQ(q->name, "model.layers.1.self_attn.q_proj.weight");
  EXPECT_TRUE(q->mapped);
  EXPECT_EQ(q->held, DType::kF16);
  for (const nn::Slot& slot : nn::slots_of(llama)) {
    const auto* dense = dynamic_cast<const nn::DenseMatrix*>(slot.matrix().get());
    ASSERT_EQ(dense != nullptr, slot.is_matrix()) << slot.name;
    if (dense == nullptr) continue;
    const auto& tensor = sources[0].checkpoint.at(report.find(slot.name)->name);
    EXPECT_EQ(dense->stored().data, tensor.bytes.data()) << slot.name << " was copied";
  }
  EXPECT_EQ(report.private_bytes, 7u * 64 * sizeof(float));  // the norms
}

TEST(Bind, ExplainsAWrongShapeByTheConfig) {
  auto config = v15_config();
  config.hidden_size = 80;
  config.num_attention_heads = config.num_key_value_heads = 5;
  decoders::Llama llama(config);
  BindOptions options;
  options.dimensions = {{"hidden_size", 80}, {"intermediate_size", config.intermediate_size}};
  const std::string message = message_of([&] { bind_weights(llama, v15_source(), options); });
  EXPECT_SAYS(message,
              "pytorch_model-00001-of-00002.bin: model.layers.0.self_attn.q_proj.weight is [64, "
              "64], config.json "
              "needs [80, 80] (hidden_size 80)");
  EXPECT_SAYS(message, "and 20 more (30 in all)");  // every weight has hidden_size somewhere
  EXPECT_EQ(count_lines(message), 11);
}

TEST(Bind, ListsWhatIsMissingAndWhatIsUnexpected) {
  auto config = v15_config();
  config.num_hidden_layers = 4;
  decoders::Llama more(config);
  auto source = v15_source();
  source[0].names =
      formats::NameMap({{"model.{rest}", "{rest}"}, {"lm_head.{rest}", "lm_head.{rest}"}});
  std::string message = message_of([&] { bind_weights(more, source); });
  EXPECT_SAYS(
      message,
      "model.layers.3.self_attn.q_proj.weight is missing, config.json needs it as [64, 64]");
  EXPECT_SAYS(message,
              "pytorch_model-00001-of-00002.bin, pytorch_model-00002-of-00002.bin: model.layers.3");
  EXPECT_EQ(count_lines(message), 9);

  config.num_hidden_layers = 2;
  decoders::Llama fewer(config);
  message = message_of([&] { bind_weights(fewer, source); });
  EXPECT_SAYS(
      message,
      "model.layers.2.mlp.gate_proj.weight is unexpected: config.json describes no such tensor");
  EXPECT_EQ(count_lines(message), 9);
}

TEST(Bind, RefusesIntegersAndDoubledTensors) {
  auto tensors = pair_tensors();
  tensors[0] = raw("proj.weight", torch::ones({3, 4}, torch::kLong), DType::kI64);
  tensors.push_back(raw("old.bias", torch::ones({3}), DType::kF32));
  const WeightSource source{
      written("bind_int.safetensors", tensors),
      formats::NameMap({{"old.{rest}", "proj.{rest}"}, {"{rest}", "{rest}"}})};
  Pair pair;
  const std::string message = message_of([&] { bind_weights(pair, std::vector{source}); });
  EXPECT_SAYS(message,
              "bind_int.safetensors: proj.weight is int64, expected a floating-point type");
  EXPECT_SAYS(message, "are the same tensor twice");
}

TEST(Bind, ALaterSourceOverridesAnEarlierOne) {
  const WeightSource base{written("bind_base.safetensors", pair_tensors()), kAsIs};
  const torch::Tensor bias = torch::full({3}, 7.0f);
  const WeightSource over{written("bind_over.safetensors", {raw("x.proj.bias", bias, DType::kF32)}),
                          formats::NameMap(std::vector<NameRule>{{"x.{rest}", "{rest}"}})};
  Pair pair;
  const auto report = bind_weights(pair, std::vector{base, over});
  EXPECT_TRUE(torch::equal(pair.proj->parameters()[0], bias));
  EXPECT_EQ(report.find("proj.bias")->name, "x.proj.bias");
  EXPECT_EQ(report.find("proj.weight")->name, "proj.weight");
}

TEST(Bind, ConvertsOnlyWhatThePolicyNames) {
  const auto tensors = pair_tensors();
  const WeightSource source{written("bind_policy.safetensors", tensors), kAsIs};
  BindOptions options;
  options.storage.add("nothing.*", Storage::kF16);
  options.storage.add("proj.*", Storage::kF32);
  Pair pair;
  const auto report = bind_weights(pair, std::vector{source}, options);
  EXPECT_EQ(report.find("proj.weight")->held, DType::kF32);
  EXPECT_EQ(report.find("proj.weight")->stored, DType::kF16);
  EXPECT_FALSE(report.find("proj.weight")->mapped);
  EXPECT_TRUE(
      torch::equal(pair.proj->matrix()->to_dense(), tensor_of(tensors[0]).to(torch::kFloat)));
}

TEST(Bind, QuantisesWhatThePolicyNames) {
  const auto tensors = pair_tensors();
  const WeightSource source{written("bind_quantised.safetensors", tensors), kAsIs};
  BindOptions options;
  options.storage.add("*", Storage::kQ8);
  Pair pair;
  const auto report = bind_weights(pair, std::vector{source}, options);
  EXPECT_EQ(report.find("proj.weight")->held, DType::kQ8);
  EXPECT_EQ(report.find("proj.weight")->bytes, pair.proj->matrix()->bytes());
  EXPECT_EQ(report.find("proj.bias")->held, DType::kF32);
  const torch::Tensor expected = tensor_of(tensors[0]).to(torch::kFloat);
  const torch::Tensor held = pair.proj->matrix()->to_dense();
  EXPECT_LE((held - expected).abs().max().item<double>(),
            0.0051 * expected.abs().max().item<double>());
}

TEST(Bind, ReadsTransposedFilesAndDoubles) {
  const torch::Tensor weight = torch::randn({3, 4}, torch::kDouble);
  auto tensors = pair_tensors();
  tensors[0] = raw("proj.weight", weight.t(), DType::kF64);  // stored [4, 3]
  const WeightSource source{
      written("bind_transposed.safetensors", tensors),
      formats::NameMap(
          {{"proj.weight", "proj.weight", formats::Transform::kTranspose}, {"{rest}", "{rest}"}})};
  Pair pair;
  bind_weights(pair, std::vector{source});
  EXPECT_EQ(pair.proj->matrix()->dtype(), DType::kF32);
  EXPECT_TRUE(torch::equal(pair.proj->matrix()->to_dense(), weight.to(torch::kFloat)));
}

TEST(Bind, MayNotRunInInferenceMode) {
  const WeightSource source{written("bind_inference.safetensors", pair_tensors()), kAsIs};
  const c10::InferenceMode inference;
  Pair pair;
  EXPECT_THROW(bind_weights(pair, std::vector{source}), InternalError);
}

TEST(Save, GivesBackThePublishedFile) {
  const auto path = std::filesystem::path(::testing::TempDir());
  const auto folder = path / "save_like_out";
  std::filesystem::create_directories(folder);
  auto tensors = pair_tensors();
  tensors.push_back(raw("unused", torch::ones({2}), DType::kF32));
  const WeightSource source{written("save_like.safetensors", tensors), kAsIs,
                            [](std::string_view name) { return name == "unused"; }};
  Pair pair;
  bind_weights(pair, std::vector{source});
  pair.proj->make_trainable();  // the weight is a float32 parameter now and goes back to float16
  save_like(pair, source, folder);
  const auto again = formats::Checkpoint::open(folder / "save_like.safetensors");
  ASSERT_EQ(again.names().size(), tensors.size());
  for (const auto& tensor : tensors) {
    EXPECT_EQ(again.at(tensor.name).dtype, tensor.dtype);
    EXPECT_TRUE(torch::equal(tensor_of(again.at(tensor.name)), tensor_of(tensor))) << tensor.name;
  }
}

TEST(Save, KeepsShardsIndexAndWhatItDoesNotOwn) {
  const auto folder = std::filesystem::path(::testing::TempDir()) / "save_like_v15";
  std::filesystem::create_directories(folder);
  decoders::Llama llama(v15_config());
  const auto sources = v15_source();
  bind_weights(llama, sources);
  save_like(llama, sources[0], folder);
  const auto again = formats::Checkpoint::open(folder);
  EXPECT_EQ(again.files().size(), 2u);
  EXPECT_EQ(again.names(), sources[0].checkpoint.names());
  for (const std::string& name : again.names()) {
    const auto& before = sources[0].checkpoint.at(name);
    EXPECT_EQ(again.at(name).dtype, before.dtype) << name;
    EXPECT_TRUE(torch::equal(tensor_of(again.at(name)), tensor_of(before))) << name;
  }
}

TEST(Lora, CollectsWhatDoesNotFit) {
  Pair pair;
  bind_weights(pair,
               std::vector{WeightSource{written("lora_base.safetensors", pair_tensors()), kAsIs}});
  const auto float_raw = [](const std::string& name, std::vector<int64_t> shape) {
    return raw(name, torch::ones(shape), DType::kF32);
  };
  const auto adapter =
      written("lora_bad.safetensors",
              {float_raw("proj.lora_A.weight", {2, 5}), float_raw("proj.lora_B.weight", {3, 2}),
               float_raw("alone.lora_A.weight", {2, 4}), float_raw("norm.lora_A.weight", {2, 4}),
               float_raw("norm.lora_B.weight", {4, 2}), float_raw("proj.magnitude", {3})});
  const std::string message = message_of([&] { merge_lora(pair, adapter, kAsIs, 1.0); });
  EXPECT_SAYS(message, "lora_A and lora_B of proj are [2, 5] and [3, 2], the weight is [3, 4]");
  EXPECT_SAYS(message, "alone has no lora_B");
  EXPECT_SAYS(message, "norm is not a linear layer of the model");
  EXPECT_SAYS(message, "proj.magnitude is not half of a LoRA pair");
  EXPECT_EQ(count_lines(message), 4);
}

TEST(Lora, MergedAndAttachedAgree) {
  const auto base = written("lora_base2.safetensors", pair_tensors());
  torch::manual_seed(9);
  const auto adapter =
      written("lora_good.safetensors",
              {raw("proj.lora_A.default.weight", torch::randn({2, 4}), DType::kF32),
               raw("proj.lora_B.default.weight", torch::randn({3, 2}), DType::kF32)});
  Pair merged, attached;
  for (Pair* pair : {&merged, &attached}) {
    BindOptions options;
    options.storage = StoragePolicy(Storage::kF32);
    bind_weights(*pair, std::vector{WeightSource{base, kAsIs}}, options);
  }
  EXPECT_EQ(merge_lora(merged, adapter, kAsIs, 0.5).matrices, 1);
  EXPECT_EQ(attach_lora(attached, adapter, kAsIs, 0.5).matrices, 1);
  const torch::Tensor x = torch::randn({2, 4});
  EXPECT_LE((merged.proj(x) - attached.proj(x)).abs().max().item<double>(), 1e-5);
}

TEST(StoragePolicy, FirstMatchingGlobDecides) {
  StoragePolicy policy;
  policy.add("decoder.*_proj.weight", Storage::kBF16);
  policy.add("decoder.*", Storage::kF16);
  EXPECT_EQ(policy.storage_for("decoder.layers.0.mlp.up_proj.weight"), Storage::kBF16);
  EXPECT_EQ(policy.storage_for("decoder.lm_head.weight"), Storage::kF16);
  EXPECT_EQ(policy.storage_for("encoder.embeddings.patch_embedding.weight"), Storage::kAsStored);
  EXPECT_EQ(parse_storage("bf16"), Storage::kBF16);
  EXPECT_THROW(parse_storage("q9"), UsageError);
}

TEST(Glob, StarStandsForAnyText) {
  EXPECT_TRUE(matches_glob("*", ""));
  EXPECT_TRUE(matches_glob("a*b*c", "axxbyybzc"));
  EXPECT_FALSE(matches_glob("a*b*c", "axxbyybz"));
  EXPECT_TRUE(matches_glob("abc", "abc"));
  EXPECT_FALSE(matches_glob("abc", "abcd"));
  EXPECT_FALSE(matches_glob("", "a"));
}

}  // namespace
}  // namespace isthmus::weights
