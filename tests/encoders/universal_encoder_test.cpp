// Modality tokenizers and the encoder they share. OneLLM's golden case is replayed whole in
// tests/engine.
#include "encoders/universal_encoder.h"

#include <torch/nn/functional.h>

#include "isthmus/error.h"
#include "nn/dense_matrix.h"
#include "weights/golden.h"

namespace isthmus::encoders {
namespace {

using isthmus::testing::on_both_paths;
using isthmus::testing::Recorder;

constexpr int64_t kWidth = 8;

void randomise(torch::nn::Module& module) {
  torch::manual_seed(1);
  for (const nn::Slot& slot : nn::slots_of(module)) {
    const Tensor value = torch::randn(slot.shape) * 0.3;
    if (slot.is_matrix())
      slot.set_matrix(
          std::make_shared<nn::DenseMatrix>(value.reshape({slot.shape[0], -1}).contiguous()));
    else
      slot.set_tensor(value);
  }
}

Tensor value_of(torch::nn::Module& module, const std::string& name) {
  for (const nn::Slot& slot : nn::slots_of(module))
    if (slot.name == name) return slot.value();
  return {};
}

layout::ModalityConfig conv(Shape kernel, Shape stride, Shape window, int64_t channels,
                            int64_t tokens, bool bias) {
  layout::ModalityConfig m{};
  m.key = m.name = "wave";
  m.tokenizer = layout::TokenizerKind::kPatchConv;
  m.channels = channels;
  m.kernel = std::move(kernel);
  m.stride = std::move(stride);
  m.window = std::move(window);
  m.num_tokens = tokens;
  m.bias = bias;
  return m;
}

TEST(ModalityTokenizer, ConvolutionsAreThoseOfTorch) {
  ModalityTokenizer one(conv({5}, {3}, {20}, 2, 6, false), kWidth);
  ModalityTokenizer two(conv({4, 3}, {3, 2}, {13, 9}, 1, 16, true), kWidth);
  randomise(*one);
  randomise(*two);
  on_both_paths([&](const char* path) {
    const Tensor wave = torch::randn({1, 2, 20}), picture = torch::randn({2, 1, 13, 9});
    const Tensor expected_one =
        torch::conv1d(wave, value_of(*one, "weight"), {}, 3).transpose(1, 2);
    const Tensor expected_two =
        torch::conv2d(picture, value_of(*two, "weight"), value_of(*two, "bias"), {3, 2})
            .flatten(2)
            .transpose(1, 2);
    EXPECT_TRUE(torch::allclose(one(wave), expected_one, 1e-4, 1e-5)) << path;
    EXPECT_TRUE(torch::allclose(two(picture), expected_two, 1e-4, 1e-5)) << path;
  });
}

TEST(ModalityTokenizer, ALinearMapIsCutChannelByChannel) {
  layout::ModalityConfig m = conv({}, {}, {}, 7, 3, true);
  m.tokenizer = layout::TokenizerKind::kLinear;
  ModalityTokenizer tokenizer(m, kWidth);
  randomise(*tokenizer);
  on_both_paths([&](const char* path) {
    const Tensor x = torch::randn({1, 1, 7});
    const Tensor y = torch::linear(x[0][0], value_of(*tokenizer, "weight"),
                                   value_of(*tokenizer, "bias"));
    const Tensor tokens = tokenizer(x);
    for (int64_t t = 0; t < 3; ++t)
      for (int64_t c = 0; c < kWidth; ++c)
        EXPECT_NEAR(tokens[0][t][c].item<float>(), y[c * 3 + t].item<float>(), 1e-5) << path;
  });
}

TEST(ModalityTokenizer, APointTokenIsTheLargestOfItsGroup) {
  layout::ModalityConfig m = conv({}, {}, {}, 6, 4, true);
  m.tokenizer = layout::TokenizerKind::kPointGroups;
  m.group_size = 9;  // all of them: every token is the largest of all points
  ModalityTokenizer tokenizer(m, kWidth);
  randomise(*tokenizer);
  on_both_paths([&](const char* path) {
    const Tensor points = torch::rand({1, 9, 6});
    const Tensor mapped = torch::linear(points[0], value_of(*tokenizer, "weight").view({kWidth, 6}),
                                        value_of(*tokenizer, "bias"));
    const Tensor expected = std::get<0>(mapped.max(0));
    const Tensor tokens = tokenizer(points);
    for (int64_t t = 0; t < 4; ++t)
      EXPECT_TRUE(torch::allclose(tokens[0][t], expected, 1e-4, 1e-5)) << path;
    EXPECT_THROW(tokenizer(points.narrow(1, 0, 8)), InputError) << path;
  });
}

TEST(UniversalEncoder, FramesAreAveraged) {
  const layout::UniversalEncoderConfig config{kWidth, 2, 2, 16, 4, 2};
  UniversalEncoder encoder(config, std::vector<layout::ModalityConfig>{conv({5}, {3}, {20}, 2, 6, false)});
  randomise(*encoder);
  on_both_paths([&](const char* path) {
    const Tensor frames = torch::randn({3, 3, 4, 4});
    Recorder recorder("encoder.frames");
    nn::ForwardContext context;
    context.probe = &recorder;
    const nn::Features all = encoder(frames, "video", context);
    EXPECT_EQ(all.values.sizes(), (std::vector<int64_t>{1, 5, kWidth})) << path;
    EXPECT_EQ(all.modality, "video");
    Tensor sum = torch::zeros({1, 5, kWidth});
    for (int64_t i = 0; i < 3; ++i) sum += encoder(frames.narrow(0, i, 1), "video").values;
    EXPECT_TRUE(torch::allclose(all.values, sum / 3, 1e-4, 1e-5)) << path;
    ASSERT_EQ(recorder.values.size(), 1u);
    EXPECT_EQ(recorder.values[0].size(0), 3);
    EXPECT_EQ(encoder(torch::randn({1, 2, 20}), "wave").values.size(1), 7) << path;
  });
}

}  // namespace
}  // namespace isthmus::encoders
