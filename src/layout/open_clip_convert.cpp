#include "layout/open_clip_convert.h"

#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "isthmus/error.h"

namespace isthmus::layout {
namespace {

using formats::Checkpoint;
using formats::RawTensor;

// As the two spell one weight outside the blocks, and inside them.
using Spelling = std::pair<std::string_view, std::string_view>;
constexpr std::array<Spelling, 7> kOutside = {
    {{"embeddings.class_embedding", "class_embedding"},
     {"embeddings.patch_embedding.weight", "conv1.weight"},
     {"embeddings.position_embedding.weight", "positional_embedding"},
     {"pre_layrnorm.weight", "ln_pre.weight"},
     {"pre_layrnorm.bias", "ln_pre.bias"},
     {"post_layernorm.weight", "ln_post.weight"},
     {"post_layernorm.bias", "ln_post.bias"}}};
constexpr std::array<Spelling, 5> kBlock = {{{"self_attn.out_proj", "attn.out_proj"},
                                             {"layer_norm1", "ln_1"},
                                             {"layer_norm2", "ln_2"},
                                             {"mlp.fc1", "mlp.c_fc"},
                                             {"mlp.fc2", "mlp.c_proj"}}};

RawTensor renamed(RawTensor tensor, std::string name) {
  tensor.name = std::move(name);
  return tensor;
}

// One above the other.
RawTensor joined(const std::array<const RawTensor*, 3>& parts, std::string name) {
  const auto bytes = std::make_shared<std::vector<std::byte>>();
  RawTensor out;
  out.name = std::move(name);
  out.dtype = parts[0]->dtype;
  out.shape = parts[0]->shape;
  out.file = parts[0]->file;
  out.shape[0] *= 3;
  for (const RawTensor* part : parts) {
    if (part->shape != parts[0]->shape || part->dtype != parts[0]->dtype)
      throw ModelError(fmt::format("{}: {} is not of the shape and type of {}", part->file,
                                   part->name, parts[0]->name));
    const auto own = formats::to_contiguous(*part);
    bytes->insert(bytes->end(), own.begin(), own.end());
  }
  out.strides = formats::row_major_strides(out.shape);
  out.bytes = *bytes;
  out.owner = bytes;
  return out;
}

}  // namespace

Checkpoint to_open_clip(const Checkpoint& hugging_face) {
  const std::string own = "vision_model.", visual = "visual.";
  std::vector<RawTensor> tensors;
  for (const auto& [from, to] : kOutside)
    tensors.push_back(
        renamed(hugging_face.at(own + std::string(from)), visual + std::string(to)));
  for (int64_t i = 0; hugging_face.contains(
           fmt::format("{}encoder.layers.{}.layer_norm1.weight", own, i));
       ++i) {
    const std::string block = fmt::format("{}encoder.layers.{}.", own, i);
    const std::string to = fmt::format("{}transformer.resblocks.{}.", visual, i);
    for (const std::string kind : {"weight", "bias"}) {
      const auto part = [&](const char* name) {
        return &hugging_face.at(fmt::format("{}self_attn.{}.{}", block, name, kind));
      };
      tensors.push_back(joined({part("q_proj"), part("k_proj"), part("v_proj")},
                               to + "attn.in_proj_" + kind));
      for (const auto& [theirs, ours] : kBlock)
        tensors.push_back(renamed(hugging_face.at(fmt::format("{}{}.{}", block, theirs, kind)),
                                  fmt::format("{}{}.{}", to, ours, kind)));
    }
  }
  return Checkpoint::of_tensors(std::move(tensors), hugging_face.files());
}

}  // namespace isthmus::layout
