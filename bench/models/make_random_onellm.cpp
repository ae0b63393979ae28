// Writes a OneLLM of real shapes with random weights, as it is published: one
// consolidated.00-of-01.pth with the 940 tensors of the release, params.json and tokenizer.model.
// For measuring speed and memory; the answers are noise.
//
//   make_random_onellm OUT [--size 7b|7b-block|tiny] [--dtype bfloat16|float16|float32]
#include <filesystem>
#include <iostream>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "base/atomic_file.h"
#include "isthmus/error.h"
#include "random_checkpoint.h"
#include "random_tokenizer.h"

namespace isthmus::bench {
namespace {

struct Size {
  int64_t hidden, layers, heads, multiple_of;
  int64_t width, vision_layers;
  int64_t joint_width, text_vocab;  // of what is left of CLIP's text tower
};
const std::map<std::string, Size> kSizes{
    {"7b", {4096, 32, 32, 256, 1024, 24, 768, 49408}},
    {"7b-block", {4096, 1, 32, 256, 1024, 24, 768, 49408}},  // one block of the language model
    {"tiny", {256, 2, 2, 32, 128, 2, 96, 100}},
};

constexpr int64_t kVocabulary = 32000, kImage = 224, kPatch = 14, kTextPositions = 77;
constexpr int64_t kPatches = (kImage / kPatch) * (kImage / kPatch);
constexpr int64_t kExperts = 3, kExpertLayers = 8, kResampleTokens = 30;
constexpr int64_t kAudioTokens = 12 * 101, kPoints = 1024, kVoxels = 15724, kScanTokens = 8;
constexpr int64_t kImuTokens = 391;
constexpr const char* kModalities[] = {"image", "video", "audio", "point",
                                       "rgbd",  "rgbn",  "fmri",  "imu"};

class Entries {
 public:
  void add(const std::string& name, Shape shape) {
    all_.push_back({"llma." + name, std::move(shape)});
  }
  void linear(const std::string& name, int64_t out, int64_t in) {
    add(name + ".weight", {out, in});
    add(name + ".bias", {out});
  }
  void norm(const std::string& name, int64_t width) {
    add(name + ".weight", {width});
    add(name + ".bias", {width});
  }
  const std::vector<Entry>& all() const { return all_; }

 private:
  std::vector<Entry> all_;
};

int64_t feed_forward_width(const Size& s, int64_t width) {
  return (2 * 4 * width / 3 + s.multiple_of - 1) / s.multiple_of * s.multiple_of;
}

// Of the language model and of the experts alike.
void add_llama_block(Entries& e, const std::string& at, const Size& s, int64_t width) {
  const int64_t inner = feed_forward_width(s, width);
  for (const char* name : {"wq", "wk", "wv", "wo"})
    e.add(fmt::format("{}attention.{}.weight", at, name), {width, width});
  e.add(at + "feed_forward.w1.weight", {inner, width});
  e.add(at + "feed_forward.w2.weight", {width, inner});
  e.add(at + "feed_forward.w3.weight", {inner, width});
  e.add(at + "attention_norm.weight", {width});
  e.add(at + "ffn_norm.weight", {width});
}

void add_language_model(Entries& e, const Size& s) {
  e.add("tok_embeddings.weight", {kVocabulary, s.hidden});
  for (int64_t layer = 0; layer < s.layers; ++layer)
    add_llama_block(e, fmt::format("layers.{}.", layer), s, s.hidden);
  e.add("norm.weight", {s.hidden});
  e.add("output.weight", {kVocabulary, s.hidden});
}

// The picture tower, and what the release keeps of the text tower.
void add_clip(Entries& e, const Size& s) {
  const int64_t width = s.width;
  e.add("clip.positional_embedding", {kTextPositions, s.joint_width});
  e.add("clip.text_projection", {s.joint_width, s.joint_width});
  e.add("clip.logit_scale", {});
  e.add("clip.token_embedding.weight", {s.text_vocab, s.joint_width});
  e.norm("clip.ln_final", s.joint_width);
  e.add("clip.visual.class_embedding", {width});
  e.add("clip.visual.positional_embedding", {kPatches + 1, width});
  e.add("clip.visual.proj", {width, s.joint_width});
  e.add("clip.visual.conv1.weight", {width, 3, kPatch, kPatch});
  e.norm("clip.visual.ln_pre", width);
  for (int64_t layer = 0; layer < s.vision_layers; ++layer) {
    const std::string at = fmt::format("clip.visual.transformer.resblocks.{}.", layer);
    e.norm(at + "ln_1", width);
    e.add(at + "attn.in_proj_weight", {3 * width, width});
    e.add(at + "attn.in_proj_bias", {3 * width});
    e.linear(at + "attn.out_proj", width, width);
    e.norm(at + "ln_2", width);
    e.linear(at + "mlp.c_fc", 4 * width, width);
    e.linear(at + "mlp.c_proj", width, 4 * width);
  }
  e.norm("clip.visual.ln_post", width);
}

// Pictures, videos and maps use CLIP's convolution and positions.
void add_tokenizers(Entries& e, int64_t width) {
  e.add("conv1.audio.weight", {width, 1, 16, 16});
  e.add("conv1.audio.bias", {width});
  e.add("conv1.point.conv1.weight", {width, 6, 1, 1});
  e.add("conv1.point.conv1.bias", {width});
  e.linear("conv1.fmri", kScanTokens * width, kVoxels);
  e.add("conv1.imu.weight", {width, 6, 10});
  e.add("positional_embedding.audio", {kAudioTokens + 1, width});
  e.add("positional_embedding.point", {kPoints + 1, width});
  e.add("positional_embedding.fmri", {kScanTokens + 1, width});
  e.add("positional_embedding.imu", {kImuTokens + 1, width});
}

void add_projection(Entries& e, const Size& s) {
  for (int64_t expert = 0; expert < kExperts; ++expert)
    for (int64_t layer = 0; layer < kExpertLayers; ++layer)
      add_llama_block(e, fmt::format("resample_layers.{}.{}.", expert, layer), s, s.width);
  for (const std::string modality : kModalities) {
    e.add("resample_tokens." + modality, {1, kResampleTokens, s.width});
    e.linear(fmt::format("clip_proj1.{}.0", modality), s.width, s.width);
    e.norm(fmt::format("clip_proj1.{}.1", modality), s.width);
    e.linear(fmt::format("clip_proj2.{}.0", modality), s.hidden, s.width);
    e.norm(fmt::format("clip_proj2.{}.1", modality), s.hidden);
    e.linear(fmt::format("routers.{}.fc1", modality), 4 * s.width, s.width);
    e.linear(fmt::format("routers.{}.fc2", modality), kExperts, 4 * s.width);
    e.add("start_tag." + modality, {1, 1, s.hidden});
    e.add("end_tag." + modality, {1, 1, s.hidden});
  }
}

void write_onellm(const std::filesystem::path& out, const Size& s, DType dtype) {
  std::filesystem::create_directories(out);
  const nlohmann::json params{{"dim", s.hidden},       {"multiple_of", s.multiple_of},
                              {"n_heads", s.heads},    {"n_layers", s.layers},
                              {"norm_eps", 1e-5},      {"vocab_size", -1}};
  write_file(out / "params.json", params.dump(1));
  write_file(out / "tokenizer.model", tokenizer_model(kVocabulary));
  Entries e;
  add_language_model(e, s);
  add_clip(e, s);
  add_tokenizers(e, s.width);
  add_projection(e, s);
  Noise noise;
  write_random(out / "consolidated.00-of-01.pth", e.all(), dtype, noise);
}

}  // namespace
}  // namespace isthmus::bench

int main(int argc, char** argv) {
  CLI::App app("Writes a OneLLM of real shapes with random weights");
  std::string out, size = "7b", dtype = "bfloat16";
  const std::map<std::string, isthmus::DType> dtypes{{"bfloat16", isthmus::DType::kBF16},
                                                     {"float16", isthmus::DType::kF16},
                                                     {"float32", isthmus::DType::kF32}};
  app.add_option("OUT", out, "Folder to write to")->required();
  app.add_option("--size", size, "7b or tiny")
      ->check(CLI::IsMember({"7b", "7b-block", "tiny"}))
      ->capture_default_str();
  app.add_option("--dtype", dtype, "Of all tensors")
      ->check(CLI::IsMember({"bfloat16", "float16", "float32"}))
      ->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  try {
    isthmus::bench::write_onellm(out, isthmus::bench::kSizes.at(size), dtypes.at(dtype));
  } catch (const isthmus::Error& error) {
    std::cerr << "make_random_onellm: " << error.what() << "\n";
    return error.exit_code();
  }
}
