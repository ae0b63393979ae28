// Writes an OpenFlamingo of real shapes with random weights, in the published layout: CLIP in
// open_clip's names (fp16), the language model's folder with a GPT-NeoX tokenizer, checkpoint.pt
// (fp32) with resampler, gated blocks and the resized embedding, and an isthmus.json that joins
// them. For measuring speed and memory; the answers are noise.
//
//   make_random_flamingo OUT [--size 3b|4b|9b|tiny] [--language-dtype float32|bfloat16]
#include <filesystem>
#include <iostream>
#include <map>

#include <fmt/format.h>
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "base/atomic_file.h"
#include "isthmus/error.h"
#include "random_checkpoint.h"
#include "text/byte_level.h"

namespace isthmus::bench {
namespace {

enum class Decoder { kMosaicGpt, kGptNeoX, kMpt };

struct Size {
  Decoder decoder;
  int64_t hidden, layers, heads, every;  // every: cross_attn_every_n_layers
  int64_t vision_width, vision_layers, image, patch;
};
const std::map<std::string, Size> kSizes{
    {"3b", {Decoder::kMosaicGpt, 2048, 24, 16, 1, 1024, 24, 224, 14}},
    {"4b", {Decoder::kGptNeoX, 2560, 32, 32, 2, 1024, 24, 224, 14}},
    {"9b", {Decoder::kMpt, 4096, 32, 32, 4, 1024, 24, 224, 14}},
    {"tiny", {Decoder::kMosaicGpt, 64, 2, 4, 1, 64, 2, 28, 14}},
};

// Of the GPT-NeoX tokenizer: 50254 tokens and runs of 24 down to 2 spaces. Flamingo adds three; the
// language models round the rows of their embedding up.
constexpr int64_t kTokens = 50254, kSpaceRuns = 23, kAdded = 3, kLanguageRows = 50432;
constexpr int64_t kVocabulary = kTokens + kSpaceRuns + kAdded;
constexpr int64_t kInner = 8 * 64;  // of resampler and gated blocks
constexpr int64_t kJointWidth = 768;  // CLIP's image and text embeddings

class Entries {
 public:
  void add(const std::string& name, Shape shape) { all_.push_back({name, std::move(shape)}); }
  void linear(const std::string& name, int64_t out, int64_t in, bool bias) {
    add(name + ".weight", {out, in});
    if (bias) add(name + ".bias", {out});
  }
  void norm(const std::string& name, int64_t width, bool bias) {
    add(name + ".weight", {width});
    if (bias) add(name + ".bias", {width});
  }
  const std::vector<Entry>& all() const { return all_; }

 private:
  std::vector<Entry> all_;
};

Entries vision_tensors(const Size& s) {
  const int64_t width = s.vision_width, patches = (s.image / s.patch) * (s.image / s.patch);
  Entries e;
  e.add("visual.class_embedding", {width});
  e.add("visual.positional_embedding", {patches + 1, width});
  e.add("visual.proj", {width, kJointWidth});
  e.add("visual.conv1.weight", {width, 3, s.patch, s.patch});
  e.norm("visual.ln_pre", width, true);
  for (int64_t layer = 0; layer < s.vision_layers; ++layer) {
    const std::string at = fmt::format("visual.transformer.resblocks.{}.", layer);
    e.norm(at + "ln_1", width, true);
    e.add(at + "attn.in_proj_weight", {3 * width, width});
    e.add(at + "attn.in_proj_bias", {3 * width});
    e.linear(at + "attn.out_proj", width, width, true);
    e.norm(at + "ln_2", width, true);
    e.linear(at + "mlp.c_fc", 4 * width, width, true);
    e.linear(at + "mlp.c_proj", width, 4 * width, true);
  }
  e.norm("visual.ln_post", width, true);
  return e;
}

void add_mosaic_layer(Entries& e, const std::string& at, int64_t d) {
  e.norm(at + "ln_1", d, false);
  e.linear(at + "attn.Wqkv", 3 * d, d, false);
  e.norm(at + "attn.q_ln", d, false);
  e.norm(at + "attn.k_ln", d, false);
  e.linear(at + "attn.out_proj", d, d, false);
  e.norm(at + "ln_2", d, false);
  e.linear(at + "mlp.mlp_up", 4 * d, d, false);
  e.linear(at + "mlp.mlp_down", d, 4 * d, false);
}

void add_mpt_layer(Entries& e, const std::string& at, int64_t d) {
  e.norm(at + "norm_1", d, false);
  e.linear(at + "attn.Wqkv", 3 * d, d, false);
  e.linear(at + "attn.out_proj", d, d, false);
  e.norm(at + "norm_2", d, false);
  e.linear(at + "ffn.up_proj", 4 * d, d, false);
  e.linear(at + "ffn.down_proj", d, 4 * d, false);
}

void add_neox_layer(Entries& e, const std::string& at, int64_t d) {
  e.norm(at + "input_layernorm", d, true);
  e.norm(at + "post_attention_layernorm", d, true);
  e.linear(at + "attention.query_key_value", 3 * d, d, true);
  e.linear(at + "attention.dense", d, d, true);
  e.linear(at + "mlp.dense_h_to_4h", 4 * d, d, true);
  e.linear(at + "mlp.dense_4h_to_h", d, 4 * d, true);
}

std::string blocks_of(Decoder decoder) {
  return decoder == Decoder::kGptNeoX ? "gpt_neox.layers" : "transformer.blocks";
}

Entries language_tensors(const Size& s) {
  Entries e;
  const bool neox = s.decoder == Decoder::kGptNeoX;
  e.add(neox ? "gpt_neox.embed_in.weight" : "transformer.wte.weight", {kLanguageRows, s.hidden});
  for (int64_t layer = 0; layer < s.layers; ++layer) {
    const std::string at = fmt::format("{}.{}.", blocks_of(s.decoder), layer);
    if (neox)
      add_neox_layer(e, at, s.hidden);
    else if (s.decoder == Decoder::kMpt)
      add_mpt_layer(e, at, s.hidden);
    else
      add_mosaic_layer(e, at, s.hidden);
  }
  if (neox) {
    e.norm("gpt_neox.final_layer_norm", s.hidden, true);
    e.add("embed_out.weight", {kLanguageRows, s.hidden});
  } else {
    e.norm(s.decoder == Decoder::kMpt ? "transformer.norm_f" : "transformer.ln_f", s.hidden, false);
  }
  return e;
}

void add_resampler(Entries& e, int64_t width) {
  constexpr int64_t kDepth = 6, kLatents = 64;
  e.add("perceiver.latents", {kLatents, width});
  for (int64_t layer = 0; layer < kDepth; ++layer) {
    const std::string at = fmt::format("perceiver.layers.{}.", layer);
    e.norm(at + "0.norm_media", width, true);
    e.norm(at + "0.norm_latents", width, true);
    e.linear(at + "0.to_q", kInner, width, false);
    e.linear(at + "0.to_kv", 2 * kInner, width, false);
    e.linear(at + "0.to_out", width, kInner, false);
    e.norm(at + "1.0", width, true);
    e.linear(at + "1.1", 4 * width, width, false);
    e.linear(at + "1.3", width, 4 * width, false);
  }
  e.norm("perceiver.norm", width, true);
}

Entries trained_tensors(const Size& s) {
  Entries e;
  add_resampler(e, s.vision_width);
  for (int64_t layer = s.every - 1; layer < s.layers; layer += s.every) {
    const std::string at =
        fmt::format("lang_encoder.{}.{}.gated_cross_attn_layer.", blocks_of(s.decoder), layer);
    e.add(at + "attn_gate", {1});
    e.add(at + "ff_gate", {1});
    e.norm(at + "attn.norm", s.hidden, true);
    e.linear(at + "attn.to_q", kInner, s.hidden, false);
    e.linear(at + "attn.to_kv", 2 * kInner, s.vision_width, false);
    e.linear(at + "attn.to_out", s.hidden, kInner, false);
    e.norm(at + "ff.0", s.hidden, true);
    e.linear(at + "ff.1", 4 * s.hidden, s.hidden, false);
    e.linear(at + "ff.3", s.hidden, 4 * s.hidden, false);
  }
  if (s.decoder == Decoder::kGptNeoX) {
    e.add("lang_encoder.gpt_neox.embed_in.weight", {kVocabulary, s.hidden});
    e.add("lang_encoder.embed_out.weight", {kVocabulary, s.hidden});
  } else {
    e.add("lang_encoder.transformer.wte.weight", {kVocabulary, s.hidden});
  }
  return e;
}

nlohmann::json language_config(const Size& s, const std::string& dtype) {
  nlohmann::json config{{"vocab_size", kLanguageRows}, {"torch_dtype", dtype}};
  if (s.decoder == Decoder::kGptNeoX) {
    config.update({{"architectures", {"GPTNeoXForCausalLM"}},
                   {"model_type", "gpt_neox"},
                   {"hidden_size", s.hidden},
                   {"num_hidden_layers", s.layers},
                   {"num_attention_heads", s.heads},
                   {"intermediate_size", 4 * s.hidden},
                   {"hidden_act", "gelu"},
                   {"layer_norm_eps", 1e-5},
                   {"max_position_embeddings", 2048},
                   {"rotary_pct", 1.0},
                   {"rotary_emb_base", 10000},
                   {"use_parallel_residual", false},
                   {"tie_word_embeddings", false},
                   {"use_cache", true}});
    return config;
  }
  config.update({{"d_model", s.hidden},
                 {"n_layers", s.layers},
                 {"n_heads", s.heads},
                 {"max_seq_len", 2048},
                 {"no_bias", true},
                 {"logit_scale", nullptr},
                 {"tie_word_embeddings", true}});
  if (s.decoder == Decoder::kMpt) {
    config.update({{"architectures", {"MPTForCausalLM"}},
                   {"model_type", "mpt"},
                   {"expansion_ratio", 4},
                   {"norm_type", "low_precision_layernorm"},
                   {"attn_config", {{"alibi", true}, {"alibi_bias_max", 8}, {"qk_ln", false}}},
                   {"use_cache", true}});
  } else {
    config.update({{"architectures", {"MosaicGPT"}},
                   {"model_type", "mosaic_gpt"},
                   {"mlp_ratio", 4},
                   {"attn_impl", "torch"},
                   {"attn_qk_ln", true},
                   {"attn_clip_qkv", nullptr},
                   {"softmax_scale", nullptr},
                   {"prefix_lm", false},
                   {"alibi", true},
                   {"alibi_bias_max", 8},
                   {"use_cache", false}});
  }
  return config;
}

// A vocabulary of the right length: the bytes, then words of letters with and without the space
// before them, shortest first, each merged from the word without its last letter.
nlohmann::json tokenizer_json() {
  nlohmann::json vocab = nlohmann::json::object(), merges = nlohmann::json::array();
  const auto add = [&](const std::string& token) { vocab.emplace(token, vocab.size()); };
  add("<|endoftext|>");
  add("<|padding|>");
  std::vector<std::string> words{text::byte_level_encode(" ")};
  for (int byte = 0; byte < 256; ++byte) {
    const char character = static_cast<char>(byte);
    add(text::byte_level_encode({&character, 1}));
    if (character >= 'a' && character <= 'z') words.emplace_back(1, character);
  }
  for (size_t word = 0; static_cast<int64_t>(vocab.size()) < kTokens; ++word)
    for (char letter = 'a'; letter <= 'z' && static_cast<int64_t>(vocab.size()) < kTokens;
         ++letter) {
      words.push_back(words[word] + letter);
      add(words.back());
      merges.push_back(fmt::format("{} {}", words[word], letter));
    }
  nlohmann::json added = nlohmann::json::array();
  const auto add_special = [&](int64_t id, const std::string& content, bool special) {
    added.push_back({{"id", id},
                     {"content", content},
                     {"single_word", false},
                     {"lstrip", false},
                     {"rstrip", false},
                     {"normalized", !special},
                     {"special", special}});
  };
  add_special(0, "<|endoftext|>", true);
  add_special(1, "<|padding|>", true);
  for (int64_t run = 0; run < kSpaceRuns; ++run)
    add_special(kTokens + run, std::string(static_cast<size_t>(kSpaceRuns + 1 - run), ' '), false);
  const nlohmann::json byte_level{{"type", "ByteLevel"},
                                  {"add_prefix_space", false},
                                  {"trim_offsets", true},
                                  {"use_regex", true}};
  return {{"version", "1.0"},
          {"truncation", nullptr},
          {"padding", nullptr},
          {"added_tokens", added},
          {"normalizer", {{"type", "NFC"}}},
          {"pre_tokenizer", byte_level},
          {"post_processor", byte_level},
          {"decoder", byte_level},
          {"model",
           {{"type", "BPE"},
            {"dropout", nullptr},
            {"unk_token", nullptr},
            {"continuing_subword_prefix", nullptr},
            {"end_of_word_suffix", nullptr},
            {"fuse_unk", false},
            {"vocab", vocab},
            {"merges", merges}}}};
}

void write_configs(const std::filesystem::path& out, const Size& s, const std::string& dtype) {
  const nlohmann::json special{{"bos_token", "<|endoftext|>"},
                               {"eos_token", "<|endoftext|>"},
                               {"unk_token", "<|endoftext|>"}};
  nlohmann::json settings = special;
  settings.update({{"add_prefix_space", false},
                   {"model_max_length", 2048},
                   {"tokenizer_class", "GPTNeoXTokenizerFast"}});
  write_file(out / "lm/config.json", language_config(s, dtype).dump(1));
  write_file(out / "lm/tokenizer.json", tokenizer_json().dump());
  write_file(out / "lm/tokenizer_config.json", settings.dump(1));
  write_file(out / "lm/special_tokens_map.json", special.dump(1));
  const nlohmann::json clip{{"embed_dim", kJointWidth},
                            {"quick_gelu", true},
                            {"vision_cfg",
                             {{"image_size", s.image},
                              {"layers", s.vision_layers},
                              {"width", s.vision_width},
                              {"patch_size", s.patch}}}};
  write_file(out / "clip/open_clip_config.json", clip.dump(1));
  const nlohmann::json pieces{{"family", "flamingo"},
                              {"vision", "clip"},
                              {"language_model", "lm"},
                              {"checkpoint", "checkpoint.pt"},
                              {"cross_attn_every_n_layers", s.every}};
  write_file(out / "isthmus.json", pieces.dump(1));
}

void write_flamingo(const std::filesystem::path& out, const Size& s, const std::string& dtype) {
  std::filesystem::create_directories(out / "clip");
  std::filesystem::create_directories(out / "lm");
  write_configs(out, s, dtype);
  Noise noise;
  write_random(out / "clip/open_clip_pytorch_model.bin", vision_tensors(s).all(), DType::kF16,
               noise);
  write_random(out / "lm/pytorch_model.bin", language_tensors(s).all(),
               dtype == "float32" ? DType::kF32 : DType::kBF16, noise);
  write_random(out / "checkpoint.pt", trained_tensors(s).all(), DType::kF32, noise);
}

}  // namespace
}  // namespace isthmus::bench

int main(int argc, char** argv) {
  CLI::App app("Writes an OpenFlamingo of real shapes with random weights");
  std::string out, size = "3b", dtype = "float32";
  app.add_option("OUT", out, "Folder to write to")->required();
  app.add_option("--size", size, "3b, 4b, 9b or tiny")
      ->check(CLI::IsMember({"3b", "4b", "9b", "tiny"}))
      ->capture_default_str();
  app.add_option("--language-dtype", dtype, "Of the language model's file")
      ->check(CLI::IsMember({"float32", "bfloat16"}))
      ->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  try {
    isthmus::bench::write_flamingo(out, isthmus::bench::kSizes.at(size), dtype);
  } catch (const isthmus::Error& error) {
    std::cerr << "make_random_flamingo: " << error.what() << "\n";
    return error.exit_code();
  }
}
