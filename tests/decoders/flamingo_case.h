// A golden case of OpenFlamingo as its language model sees it: weights, left-padded rows, and the
// gated blocks between its own, computed here from the reference's media.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "decoders/registry.h"
#include "layout/decoder_names.h"
#include "weights/golden.h"

namespace isthmus::testing {

inline constexpr const char* kFlamingoCases[] = {"mpt1b_mosaic_every1",  "mpt7b_every1",
                                                 "neox_rpj_every2", "neox_pythia_parallel",
                                                 "opt_every2"};

// Gated cross-attention in plain tensor operations: Alayrac et al. 2022, fig. 4, with the released
// models' mask (a row sees the last medium before it).
class GatedBlocks {
 public:
  GatedBlocks(const GoldenCase& golden, std::string blocks)
      : checkpoint_(formats::Checkpoint::open(golden.path("model/checkpoint.pt"))),
        blocks_(std::move(blocks)),
        media_(golden.tensor("resampler_out")),
        text_time_(golden.tensor("text_time").to(torch::kLong)) {}

  bool exists(int64_t layer) const { return checkpoint_.contains(name(layer, "attn_gate")); }

  Tensor operator()(int64_t layer, const Tensor& hidden) const {
    const auto weight = [&](const char* part) {
      return weights::float_tensor_of(checkpoint_.at(name(layer, part)));
    };
    const auto normed = [&](const Tensor& x, const std::string& part) {
      return torch::layer_norm(x, {x.size(-1)}, weight((part + ".weight").c_str()),
                               weight((part + ".bias").c_str()));
    };
    constexpr int64_t kHeadDim = 64;
    const auto heads = [&](const Tensor& rows) {
      return rows.unflatten(-1, {-1, kHeadDim}).transpose(1, 2);
    };
    const int64_t latents = media_.size(2);
    const Tensor query =
        heads(torch::linear(normed(hidden, "attn.norm"), weight("attn.to_q.weight")));
    const auto key_value =
        torch::linear(media_.flatten(1, 2), weight("attn.to_kv.weight")).chunk(2, -1);
    const Tensor scores = torch::matmul(query, heads(key_value[0]).transpose(-2, -1)) / 8.0;
    const Tensor media_time = torch::arange(media_.size(1)).repeat_interleave(latents) + 1;
    const Tensor sees = text_time_.unsqueeze(-1).eq(media_time).unsqueeze(1);
    const Tensor weights = scores.masked_fill(~sees, -1e30).softmax(-1) * sees;
    const Tensor mixed = torch::matmul(weights, heads(key_value[1])).transpose(1, 2).flatten(2);
    const Tensor attended = torch::linear(mixed, weight("attn.to_out.weight"));
    const Tensor x = hidden + weight("attn_gate").tanh() * attended;
    const Tensor inner = torch::gelu(torch::linear(normed(x, "ff.0"), weight("ff.1.weight")));
    return x + weight("ff_gate").tanh() * torch::linear(inner, weight("ff.3.weight"));
  }

 private:
  std::string name(int64_t layer, const std::string& part) const {
    return "lang_encoder." + blocks_ + "." + std::to_string(layer) + ".gated_cross_attn_layer." +
           part;
  }

  formats::Checkpoint checkpoint_;
  std::string blocks_;
  Tensor media_, text_time_;
};

// The language model with its own file, and over it the rows that checkpoint.pt carries.
inline std::shared_ptr<decoders::LanguageModel> flamingo_language_model(const GoldenCase& golden) {
  const auto config = JsonView::load(golden.path("model/lm/config.json"));
  const std::string model_type = config.string("model_type");
  auto model = decoders::make_language_model(model_type, config,
                                             golden.json().integer("vocab_after_resize"));
  const auto plain = layout::decoder_names(model_type, config);
  const auto wrapped = layout::decoder_names(model_type, config, "lang_encoder.");
  const auto ignored = [ignores = wrapped.ignores](std::string_view name) {
    return ignores(name) || name.starts_with("perceiver.") ||
           name.find(".gated_cross_attn_layer.") != std::string_view::npos;
  };
  const std::vector<weights::WeightSource> sources = {
      {formats::Checkpoint::open(golden.path("model/lm")), plain.map(), plain.ignores},
      {formats::Checkpoint::open(golden.path("model/checkpoint.pt")), wrapped.map(), ignored}};
  torch::nn::Module root;
  root.register_module("decoder", std::static_pointer_cast<torch::nn::Module>(model));
  weights::bind_weights(root, sources);
  return model;
}

struct FlamingoCase {
  explicit FlamingoCase(const std::string& name)
      : golden(name, "openflamingo"),
        model(flamingo_language_model(golden)),
        gated(golden, blocks_of(golden)),
        mask(golden.tensor("attention_mask")) {
    std::vector<int64_t> flat;
    for (const JsonView& row : golden.json().at("input_ids").elements())
      for (const JsonView& id : row.elements()) flat.push_back(id.as_integer());
    ids = torch::tensor(flat, torch::kLong).view(mask.sizes());
    positions = (mask.to(torch::kLong).cumsum(1) - 1).clamp_min(0);
    for (int64_t row = 0; row < mask.size(0); ++row)
      ranges.push_back({mask.size(1) - length(row), mask.size(1)});
  }

  int64_t layers() const { return model->cache_geometry().num_hidden_layers; }
  // Real tokens of a row: the last ones.
  int64_t length(int64_t row) const { return mask[row].sum().item<int64_t>(); }
  Tensor real(const Tensor& rows) const { return rows * mask.to(torch::kFloat).unsqueeze(-1); }

  GoldenCase golden;
  std::shared_ptr<decoders::LanguageModel> model;
  GatedBlocks gated;
  Tensor mask, ids, positions;
  std::vector<nn::KeyRange> ranges;

 private:
  static std::string blocks_of(const GoldenCase& golden) {
    const auto config = JsonView::load(golden.path("model/lm/config.json"));
    return layout::decoder_names(config.string("model_type"), config).blocks;
  }
};

}  // namespace isthmus::testing
