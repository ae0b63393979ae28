#include "training/fresh_parts.h"

#include <cerrno>
#include <cmath>
#include <cstring>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include <ATen/CPUGeneratorImpl.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <torch/types.h>

#include "base/atomic_file.h"
#include "formats/safetensors.h"
#include "isthmus/error.h"
#include "text/sentencepiece_model.h"
#include "text/word_model.h"
#include "weights/tensor_of.h"

namespace isthmus::training {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using torch::Tensor;

// Tensors in the order they are added.
class Weights {
 public:
  explicit Weights(uint64_t seed) : generator_(at::make_generator<at::CPUGeneratorImpl>(seed)) {}

  Tensor& normal(const std::string& name, at::IntArrayRef shape, double deviation) {
    return add(name, torch::empty(shape).normal_(0, deviation, generator_));
  }
  Tensor& fill(const std::string& name, int64_t size, double value) {
    return add(name, torch::full({size}, value));
  }

  void write(const fs::path& file) const {
    std::vector<formats::RawTensor> all;
    for (const auto& [name, tensor] : tensors_) all.push_back(weights::raw_of(name, tensor));
    formats::write_safetensors(file, all, {{"format", "pt"}});
  }

 private:
  Tensor& add(const std::string& name, Tensor value) {
    return tensors_.emplace_back(name, std::move(value)).second;
  }

  at::Generator generator_;
  std::vector<std::pair<std::string, Tensor>> tensors_;
};

// One piece a line; \n is a line break, and an underscore in front a blank.
std::vector<std::string> read_pieces(const fs::path& file) {
  std::ifstream stream(file, std::ios::binary);
  if (!stream)
    throw InputError(fmt::format("{}: cannot be opened: {}", file.string(), std::strerror(errno)));
  std::vector<std::string> pieces;
  for (std::string line; std::getline(stream, line);) {
    if (line.empty()) continue;
    if (line == "\\n") line = "\n";
    if (line.front() == '_') line.replace(0, 1, "\xE2\x96\x81");
    pieces.push_back(line);
  }
  return pieces;
}

void require(bool condition, const char* what) {
  if (!condition) throw UsageError(fmt::format("model.fresh: {}", what));
}

void look_back(const recipe::FreshLanguageModel& model, Tensor& embedding, Tensor& query,
               Tensor& key) {
  constexpr double kConstant = .35, kSharpness = 1.2, kRest = .2;
  const int64_t width = model.hidden_size / model.heads, half = width / 2;
  embedding.select(1, 0).fill_(kConstant);
  const Tensor angle =
      torch::pow(model.rope_theta, -torch::arange(half, torch::kDouble) / static_cast<double>(half));
  for (int64_t head = 0; head < model.heads; ++head) {
    Tensor q = query.narrow(0, head * width, width), k = key.narrow(0, head * width, width);
    const Tensor turned = static_cast<double>(head + 1) * angle;
    for (Tensor* map : {&q, &k}) {
      map->mul_(kRest);
      map->select(1, 0).zero_();
    }
    // Halves of a head rotate together: (j, j + half) is pair j.
    k.select(1, 0).narrow(0, 0, half).fill_(kSharpness);
    q.select(1, 0).narrow(0, 0, half).copy_(kSharpness * torch::cos(turned));
    q.select(1, 0).narrow(0, half, half).copy_(-kSharpness * torch::sin(turned));
  }
}

}  // namespace

void write_language_model(const recipe::FreshLanguageModel& model, uint64_t seed,
                          const fs::path& folder) {
  require(model.heads > 0 && model.hidden_size % (2 * model.heads) == 0,
          "heads do not share hidden_size in even parts");
  const std::string tokenizer = text::word_model(read_pieces(model.pieces));
  fs::create_directories(folder);
  write_file(folder / "tokenizer.model", tokenizer);
  const auto vocabulary = static_cast<int64_t>(
      text::SentencePieceModel::parse(tokenizer, "tokenizer.model").pieces.size());

  const int64_t d = model.hidden_size, f = model.intermediate_size;
  const auto wide = static_cast<double>(d), deep = static_cast<double>(2 * model.layers);
  Weights weights(seed);
  const Tensor embedding =
      weights.normal("model.embed_tokens.weight", {vocabulary, d}, 1 / std::sqrt(wide));
  Tensor query, key;
  for (int64_t i = 0; i < model.layers; ++i) {
    const std::string block = fmt::format("model.layers.{}.", i);
    for (const char* name : {"q_proj", "k_proj", "v_proj"}) {
      const Tensor map = weights.normal(fmt::format("{}self_attn.{}.weight", block, name), {d, d},
                                        1 / std::sqrt(wide));
      if (i == 0 && *name == 'q') query = map;
      if (i == 0 && *name == 'k') key = map;
    }
    weights.normal(block + "self_attn.o_proj.weight", {d, d}, .5 / std::sqrt(wide * deep));
    for (const char* name : {"gate_proj", "up_proj"})
      weights.normal(fmt::format("{}mlp.{}.weight", block, name), {f, d}, 1 / std::sqrt(wide));
    weights.normal(block + "mlp.down_proj.weight", {d, f},
                   .5 / std::sqrt(static_cast<double>(f) * deep));
    for (const char* name : {"input_layernorm", "post_attention_layernorm"})
      weights.fill(fmt::format("{}{}.weight", block, name), d, 1);
  }
  weights.fill("model.norm.weight", d, 1);
  if (model.previous_token_heads) {
    Tensor table = embedding;
    look_back(model, table, query, key);
  }
  weights.write(folder / "model.safetensors");

  const json config = {{"architectures", {"LlamaForCausalLM"}},
                       {"model_type", "llama"},
                       {"hidden_act", "silu"},
                       {"hidden_size", d},
                       {"intermediate_size", f},
                       {"num_hidden_layers", model.layers},
                       {"num_attention_heads", model.heads},
                       {"num_key_value_heads", model.heads},
                       {"max_position_embeddings", model.context},
                       {"rms_norm_eps", 1e-6},
                       {"rope_theta", model.rope_theta},
                       {"rope_scaling", nullptr},
                       {"tie_word_embeddings", true},
                       {"vocab_size", vocabulary},
                       {"bos_token_id", 1},
                       {"eos_token_id", 2},
                       {"pad_token_id", 0},
                       {"use_cache", true},
                       {"torch_dtype", "float32"},
                       {"transformers_version", "4.37.2"}};
  write_file(folder / "config.json", config.dump(2) + "\n");
  const json generation = {{"bos_token_id", 1}, {"eos_token_id", 2}, {"pad_token_id", 0}};
  write_file(folder / "generation_config.json", generation.dump(2) + "\n");
  const json tokenizer_config = {{"tokenizer_class", "LlamaTokenizer"},
                                 {"add_bos_token", true},
                                 {"add_eos_token", false},
                                 {"bos_token", "<s>"},
                                 {"eos_token", "</s>"},
                                 {"unk_token", "<unk>"},
                                 {"pad_token", "<unk>"},
                                 {"clean_up_tokenization_spaces", false},
                                 {"legacy", false},
                                 {"model_max_length", model.context},
                                 {"padding_side", "right"}};
  write_file(folder / "tokenizer_config.json", tokenizer_config.dump(2) + "\n");
  const json special = {
      {"bos_token", "<s>"}, {"eos_token", "</s>"}, {"unk_token", "<unk>"}, {"pad_token", "<unk>"}};
  write_file(folder / "special_tokens_map.json", special.dump(2) + "\n");
}

void write_vision_tower(const recipe::FreshTower& tower, uint64_t seed, const fs::path& folder) {
  require(tower.heads > 0 && tower.hidden_size % tower.heads == 0,
          "tower.heads do not share tower.hidden_size");
  require(tower.patch_size > 0 && tower.image_size % tower.patch_size == 0,
          "tower.patch_size does not divide tower.image_size");
  const int64_t d = tower.hidden_size, f = tower.intermediate_size, p = tower.patch_size;
  const int64_t side = tower.image_size / p;
  const double in = 1 / std::sqrt(static_cast<double>(d));
  const double end = std::sqrt(static_cast<double>(2 * tower.layers));
  constexpr double kPosition = .02;
  Weights weights(seed);
  const std::string all = "vision_model.";
  weights.normal(all + "embeddings.class_embedding", {d}, kPosition);
  weights.normal(all + "embeddings.patch_embedding.weight", {d, 3, p, p},
                 1 / std::sqrt(static_cast<double>(3 * p * p)));
  weights.normal(all + "embeddings.position_embedding.weight", {side * side + 1, d}, kPosition);
  const auto norm = [&](const std::string& name) {
    weights.fill(name + ".weight", d, 1);
    weights.fill(name + ".bias", d, 0);
  };
  norm(all + "pre_layrnorm");
  for (int64_t i = 0; i < tower.layers; ++i) {
    const std::string block = fmt::format("{}encoder.layers.{}.", all, i);
    const auto linear = [&](const std::string& name, int64_t rows, int64_t columns,
                            double deviation) {
      weights.normal(block + name + ".weight", {rows, columns}, deviation);
      weights.fill(block + name + ".bias", rows, 0);
    };
    for (const char* name : {"k_proj", "v_proj", "q_proj"})
      linear(fmt::format("self_attn.{}", name), d, d, in);
    linear("self_attn.out_proj", d, d, in / end);
    norm(block + "layer_norm1");
    linear("mlp.fc1", f, d, in);
    linear("mlp.fc2", d, f, 1 / std::sqrt(static_cast<double>(f)) / end);
    norm(block + "layer_norm2");
  }
  norm(all + "post_layernorm");
  fs::create_directories(folder);
  weights.write(folder / "model.safetensors");
  const json config = {{"architectures", {"CLIPVisionModel"}},
                       {"model_type", "clip_vision_model"},
                       {"hidden_act", "quick_gelu"},
                       {"hidden_size", d},
                       {"intermediate_size", f},
                       {"num_hidden_layers", tower.layers},
                       {"num_attention_heads", tower.heads},
                       {"image_size", tower.image_size},
                       {"patch_size", p},
                       {"num_channels", 3},
                       {"projection_dim", d},
                       {"layer_norm_eps", 1e-5},
                       {"attention_dropout", 0.0},
                       {"dropout", 0.0},
                       {"torch_dtype", "float32"},
                       {"transformers_version", "4.37.2"}};
  write_file(folder / "config.json", config.dump(2) + "\n");
  const json preprocessor = {{"feature_extractor_type", "CLIPFeatureExtractor"},
                             {"crop_size", tower.image_size},
                             {"size", tower.image_size},
                             {"do_center_crop", true},
                             {"do_normalize", true},
                             {"do_resize", true},
                             {"resample", 3},
                             {"image_mean", {0.48145466, 0.4578275, 0.40821073}},
                             {"image_std", {0.26862954, 0.26130258, 0.27577711}}};
  write_file(folder / "preprocessor_config.json", preprocessor.dump(2) + "\n");
}

}  // namespace isthmus::training
