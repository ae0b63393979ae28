// Writes a LLaVA-1.5 checkpoint of real shapes with random weights, in the original layout: fp16
// shards with an index, a CLIP tower in fp32, a tokenizer of 32000 pieces. For measuring speed and
// memory; the answers are noise.
//
//   make_random_llava OUT [--size 7b|7b-blocks|tiny] [--shard-gb 5]
#include <filesystem>
#include <iostream>
#include <map>

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
  int64_t hidden, layers, heads, intermediate, vocab;
  int64_t vision_hidden, vision_layers, vision_heads, vision_intermediate, image, patch;
};
const std::map<std::string, Size> kSizes{
    {"7b", {4096, 32, 32, 11008, 32000, 1024, 24, 16, 4096, 336, 14}},
    // Two blocks of the language model and the two of the tower that are computed.
    {"7b-blocks", {4096, 2, 32, 11008, 32000, 1024, 3, 16, 4096, 336, 14}},
    {"tiny", {64, 2, 4, 128, 1000, 48, 3, 4, 96, 56, 14}},
};

std::vector<Entry> language_tensors(const Size& s) {
  std::vector<Entry> all{{"model.embed_tokens.weight", {s.vocab, s.hidden}}};
  for (int64_t layer = 0; layer < s.layers; ++layer) {
    const std::string at = fmt::format("model.layers.{}.", layer);
    for (const char* name : {"q_proj", "k_proj", "v_proj", "o_proj"})
      all.push_back({fmt::format("{}self_attn.{}.weight", at, name), {s.hidden, s.hidden}});
    all.push_back({at + "mlp.gate_proj.weight", {s.intermediate, s.hidden}});
    all.push_back({at + "mlp.up_proj.weight", {s.intermediate, s.hidden}});
    all.push_back({at + "mlp.down_proj.weight", {s.hidden, s.intermediate}});
    all.push_back({at + "input_layernorm.weight", {s.hidden}});
    all.push_back({at + "post_attention_layernorm.weight", {s.hidden}});
  }
  all.push_back({"model.norm.weight", {s.hidden}});
  all.push_back({"model.mm_projector.0.weight", {s.hidden, s.vision_hidden}});
  all.push_back({"model.mm_projector.0.bias", {s.hidden}});
  all.push_back({"model.mm_projector.2.weight", {s.hidden, s.hidden}});
  all.push_back({"model.mm_projector.2.bias", {s.hidden}});
  all.push_back({"lm_head.weight", {s.vocab, s.hidden}});
  return all;
}

std::vector<Entry> tower_tensors(const Size& s) {
  const int64_t positions = (s.image / s.patch) * (s.image / s.patch) + 1;
  std::vector<Entry> all{
      {"vision_model.embeddings.class_embedding", {s.vision_hidden}},
      {"vision_model.embeddings.patch_embedding.weight", {s.vision_hidden, 3, s.patch, s.patch}},
      {"vision_model.embeddings.position_embedding.weight", {positions, s.vision_hidden}}};
  const auto norm = [&](const std::string& name) {
    all.push_back({name + ".weight", {s.vision_hidden}});
    all.push_back({name + ".bias", {s.vision_hidden}});
  };
  const auto linear = [&](const std::string& name, int64_t out, int64_t in) {
    all.push_back({name + ".weight", {out, in}});
    all.push_back({name + ".bias", {out}});
  };
  norm("vision_model.pre_layrnorm");
  for (int64_t layer = 0; layer < s.vision_layers; ++layer) {
    const std::string at = fmt::format("vision_model.encoder.layers.{}.", layer);
    for (const char* name : {"q_proj", "k_proj", "v_proj", "out_proj"})
      linear(fmt::format("{}self_attn.{}", at, name), s.vision_hidden, s.vision_hidden);
    norm(at + "layer_norm1");
    norm(at + "layer_norm2");
    linear(at + "mlp.fc1", s.vision_intermediate, s.vision_hidden);
    linear(at + "mlp.fc2", s.vision_hidden, s.vision_intermediate);
  }
  norm("vision_model.post_layernorm");
  return all;
}

void write_sharded(const std::filesystem::path& folder, const std::vector<Entry>& entries,
                   size_t shard_bytes, Noise& noise) {
  std::vector<std::vector<Entry>> shards(1);
  size_t filled = 0, total = 0;
  for (const Entry& entry : entries) {
    const size_t bytes = static_cast<size_t>(*num_elements(entry.shape)) * size_of(DType::kF16);
    if (filled > 0 && filled + bytes > shard_bytes) {
      shards.emplace_back();
      filled = 0;
    }
    shards.back().push_back(entry);
    filled += bytes;
    total += bytes;
  }
  nlohmann::json index{{"metadata", {{"total_size", total}}},
                       {"weight_map", nlohmann::json::object()}};
  for (size_t i = 0; i < shards.size(); ++i) {
    const std::string name = fmt::format("pytorch_model-{:05}-of-{:05}.bin", i + 1, shards.size());
    write_random(folder / name, shards[i], DType::kF16, noise);
    for (const Entry& entry : shards[i]) index["weight_map"][entry.name] = name;
  }
  write_file(folder / "pytorch_model.bin.index.json", index.dump(1));
}

void write_checkpoint(const std::filesystem::path& out, const Size& s, size_t shard_bytes) {
  const auto folder = out / "llava-v1.5-random", tower = out / "clip-random";
  std::filesystem::create_directories(folder);
  std::filesystem::create_directories(tower);
  const nlohmann::json config{{"architectures", {"LlavaLlamaForCausalLM"}},
                              {"model_type", "llava_llama"},
                              {"hidden_act", "silu"},
                              {"hidden_size", s.hidden},
                              {"intermediate_size", s.intermediate},
                              {"num_hidden_layers", s.layers},
                              {"num_attention_heads", s.heads},
                              {"num_key_value_heads", s.heads},
                              {"vocab_size", s.vocab},
                              {"max_position_embeddings", 4096},
                              {"rms_norm_eps", 1e-5},
                              {"torch_dtype", "float16"},
                              {"bos_token_id", 1},
                              {"eos_token_id", 2},
                              {"pad_token_id", 0},
                              {"image_aspect_ratio", "pad"},
                              {"mm_hidden_size", s.vision_hidden},
                              {"mm_projector_type", "mlp2x_gelu"},
                              {"mm_vision_tower", "clip-random"},
                              {"mm_vision_select_layer", -2},
                              {"mm_vision_select_feature", "patch"},
                              {"mm_use_im_start_end", false},
                              {"mm_use_im_patch_token", false},
                              {"tie_word_embeddings", false}};
  write_file(folder / "config.json", config.dump(1));
  write_file(folder / "tokenizer.model", tokenizer_model(s.vocab));
  write_file(
      folder / "tokenizer_config.json",
      R"({"add_bos_token": true, "add_eos_token": false, "legacy": false, "tokenizer_class": "LlamaTokenizer"})");
  const nlohmann::json vision{{"model_type", "clip_vision_model"},
                              {"hidden_size", s.vision_hidden},
                              {"intermediate_size", s.vision_intermediate},
                              {"num_hidden_layers", s.vision_layers},
                              {"num_attention_heads", s.vision_heads},
                              {"image_size", s.image},
                              {"patch_size", s.patch},
                              {"hidden_act", "quick_gelu"},
                              {"layer_norm_eps", 1e-5}};
  write_file(tower / "config.json", vision.dump(1));
  const nlohmann::json preprocessor{{"crop_size", s.image},
                                    {"size", s.image},
                                    {"do_center_crop", true},
                                    {"do_normalize", true},
                                    {"do_resize", true},
                                    {"resample", 3},
                                    {"image_mean", {0.48145466, 0.4578275, 0.40821073}},
                                    {"image_std", {0.26862954, 0.26130258, 0.27577711}}};
  write_file(tower / "preprocessor_config.json", preprocessor.dump(1));
  Noise noise;
  write_random(tower / "pytorch_model.bin", tower_tensors(s), DType::kF32, noise);
  write_sharded(folder, language_tensors(s), shard_bytes, noise);
}

}  // namespace
}  // namespace isthmus::bench

int main(int argc, char** argv) {
  CLI::App app("Writes a LLaVA-1.5 checkpoint of real shapes with random weights");
  std::string out, size = "7b";
  double shard_gigabytes = 5;
  app.add_option("OUT", out, "Folder to write to")->required();
  app.add_option("--size", size, "7b, 7b-blocks or tiny")
      ->check(CLI::IsMember({"7b", "7b-blocks", "tiny"}))
      ->capture_default_str();
  app.add_option("--shard-gb", shard_gigabytes, "Largest shard")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  try {
    isthmus::bench::write_checkpoint(out, isthmus::bench::kSizes.at(size),
                                     static_cast<size_t>(shard_gigabytes * 1e9));
  } catch (const isthmus::Error& error) {
    std::cerr << "make_random_llava: " << error.what() << "\n";
    return error.exit_code();
  }
}
