// Configs, tensor names and module trees of the language models behind OpenFlamingo.
#include <cmath>
#include <set>
#include <sstream>

#include "formats/checkpoint.h"
#include "layout/decoder_names.h"
#include "layout/fixtures.h"
#include "layout/gpt_neox_config.h"
#include "layout/language_model_tree.h"
#include "layout/mpt_config.h"
#include "layout/opt_config.h"

namespace isthmus::layout {
namespace {

using formats::Checkpoint;

JsonView config_of(const std::string& name) {
  return JsonView::load(flamingo_case(name) / "model/lm/config.json");
}
JsonView inline_config(const std::string& text) { return JsonView::parse(text, "config.json"); }
MptConfig mpt(const std::string& text) { return MptConfig::parse(inline_config(text)); }
GptNeoxConfig neox(const std::string& text) { return GptNeoxConfig::parse(inline_config(text)); }
OptConfig opt(const std::string& text) { return OptConfig::parse(inline_config(text)); }

// ---- configs

TEST(MptConfig, ReadsBothGenerations) {
  const MptConfig mosaic = MptConfig::parse(config_of("mpt1b_mosaic_every1"));
  EXPECT_TRUE(mosaic.is_mosaic_gpt && mosaic.alibi && mosaic.qk_ln && !mosaic.bias);
  EXPECT_FALSE(mosaic.alibi_interleaved || mosaic.use_cache);
  EXPECT_EQ(mosaic.head_dim(), 14);
  EXPECT_EQ(mosaic.intermediate_size, 168);
  const MptConfig later = MptConfig::parse(config_of("mpt7b_every1"));
  EXPECT_TRUE(later.alibi && later.alibi_interleaved && later.tie_word_embeddings);
  EXPECT_FALSE(later.is_mosaic_gpt || later.qk_ln || later.bias);
  EXPECT_DOUBLE_EQ(later.softmax_scale, 1 / std::sqrt(8.0));
  EXPECT_EQ(later.logit_scale, 1);
  EXPECT_EQ(later.clip_qkv, 0);
}

TEST(MptConfig, DefaultsAreThoseOfEachGeneration) {
  const MptConfig mosaic = mpt(R"({"model_type": "mosaic_gpt"})");
  EXPECT_TRUE(!mosaic.alibi && mosaic.bias);
  EXPECT_EQ(mosaic.hidden_size, 2048);
  EXPECT_EQ(mosaic.num_hidden_layers, 24);
  const MptConfig later = mpt("{}");
  EXPECT_TRUE(later.alibi && !later.bias);
  EXPECT_EQ(later.vocab_size, 50368);
  EXPECT_EQ(later.layer_norm_eps, 1e-5);
}

TEST(MptConfig, ReadsScalesAndClipping) {
  const MptConfig c = mpt(R"({"d_model": 64, "n_heads": 4, "logit_scale": "inv_sqrt_d_model",
      "attn_config": {"clip_qkv": 6, "softmax_scale": 0.5, "qk_ln": true, "alibi": false}})");
  EXPECT_EQ(c.logit_scale, 0.125);
  EXPECT_EQ(c.clip_qkv, 6);
  EXPECT_EQ(c.softmax_scale, 0.5);
  EXPECT_TRUE(c.qk_ln && !c.alibi);
  EXPECT_EQ(mpt(R"({"logit_scale": 2})").logit_scale, 2);
  EXPECT_EQ(mpt(R"({"model_type": "mosaic_gpt", "attn_clip_qkv": 3.5})").clip_qkv, 3.5);
}

TEST(MptConfig, WhatNoCodeFollowsIsUnsupportedAndNamed) {
  EXPECT_EQ(message_of<UnsupportedError>([] { mpt(R"({"attn_config": {"prefix_lm": true}})"); }),
            "config.json: attn_config.prefix_lm: true is not supported (false is)");
  for (const char* text :
       {R"({"model_type": "mosaic_gpt", "prefix_lm": true})", R"({"norm_type": "rmsnorm"})",
        R"({"attn_config": {"attn_type": "multiquery_attention"}})", R"({"model_type": "gpt2"})",
        R"({"attn_config": {"attn_uses_sequence_id": true}})",
        R"({"attn_config": {"rope": true}})"})
    EXPECT_THROW(mpt(text), UnsupportedError) << text;
}

TEST(MptConfig, NonsenseIsAModelErrorThatNamesTheKey) {
  EXPECT_EQ(message_of<ModelError>([] { mpt(R"({"d_model": 100, "n_heads": 3})"); }),
            "config.json: d_model: 100 is not a multiple of n_heads (3)");
  for (const char* text :
       {R"({"d_model": 0})", R"({"n_heads": "4"})", R"({"n_layers": 1000000})",
        R"({"d_model": 4611686018427387904})", R"({"attn_config": 5})",
        R"({"layer_norm_epsilon": 1})", R"({"logit_scale": "big"})", R"({"logit_scale": 0})",
        R"({"attn_config": {"clip_qkv": -1}})", R"({"attn_config": {"softmax_scale": 0}})",
        R"({"attn_config": {"alibi_bias_max": 1e9}})", R"({"no_bias": 1})",
        R"({"model_type": "mosaic_gpt", "mlp_ratio": 1000})", R"([1])"})
    EXPECT_THROW(mpt(text), ModelError) << text;
}

TEST(GptNeoxConfig, ReadsBothResidualForms) {
  const GptNeoxConfig sequential = GptNeoxConfig::parse(config_of("neox_rpj_every2"));
  EXPECT_FALSE(sequential.use_parallel_residual);
  EXPECT_EQ(sequential.rotary_dims, 16);
  const GptNeoxConfig parallel = GptNeoxConfig::parse(config_of("neox_pythia_parallel"));
  EXPECT_TRUE(parallel.use_parallel_residual && parallel.attention_bias);
  EXPECT_FALSE(parallel.tie_word_embeddings);
  EXPECT_EQ(parallel.rotary_dims, 4);
  EXPECT_EQ(parallel.hidden_act, Activation::kGelu);
}

TEST(GptNeoxConfig, DefaultsAreThoseOf20B) {
  const GptNeoxConfig c = neox("{}");
  EXPECT_EQ(c.hidden_size, 6144);
  EXPECT_EQ(c.num_hidden_layers, 44);
  EXPECT_EQ(c.rotary_dims, 24);
  EXPECT_EQ(c.rope_theta, 10000);
  EXPECT_EQ(neox(R"({"hidden_act": "gelu_fast"})").hidden_act, Activation::kGeluTanh);
}

TEST(GptNeoxConfig, ReadsBothSpellingsOfTheRotaryEmbedding) {
  const GptNeoxConfig c = neox(R"({"rope_parameters": {"rope_type": "default",
      "rope_theta": 500.0, "partial_rotary_factor": 0.5}})");
  EXPECT_EQ(c.rope_theta, 500);
  EXPECT_EQ(c.rotary_dims, 48);
}

TEST(GptNeoxConfig, WrongValuesAreNamed) {
  EXPECT_EQ(message_of<ModelError>([] { neox(R"({"rotary_pct": 0.06})"); }),
            "config.json: rotary_pct: 0.06 of heads of 96 values are 5 values to rotate: expected "
            "an even number above 0");
  for (const char* text : {R"({"rotary_pct": 0})", R"({"rotary_pct": 1.5})",
                           R"({"rotary_pct": 0.01})", R"({"rotary_emb_base": 0})",
                           R"({"num_attention_heads": 5})", R"({"layer_norm_eps": 0})"})
    EXPECT_THROW(neox(text), ModelError) << text;
  EXPECT_THROW(neox(R"({"rope_scaling": {"type": "linear", "factor": 2}})"), UnsupportedError);
  EXPECT_THROW(neox(R"({"rope_parameters": {"rope_type": "yarn"}})"), UnsupportedError);
  EXPECT_THROW(neox(R"({"hidden_act": "mish"})"), UnsupportedError);
}

TEST(OptConfig, ReadsThePublishedForms) {
  const OptConfig c = OptConfig::parse(config_of("opt_every2"));
  EXPECT_TRUE(c.do_layer_norm_before && c.has_final_layer_norm && c.tie_word_embeddings);
  EXPECT_EQ(c.ffn_dim, 120);
  EXPECT_EQ(c.word_embed_proj_dim, 36);
  const OptConfig narrow = opt(R"({"hidden_size": 1024, "num_attention_heads": 16,
      "do_layer_norm_before": false, "word_embed_proj_dim": 512})");
  EXPECT_FALSE(narrow.has_final_layer_norm);
  EXPECT_EQ(narrow.word_embed_proj_dim, 512);
  EXPECT_FALSE(opt(R"({"_remove_final_layer_norm": true})").has_final_layer_norm);
  EXPECT_THROW(opt(R"({"hidden_size": 100})"), ModelError);
  EXPECT_THROW(opt(R"({"enable_bias": "yes"})"), ModelError);
}

// ---- names

TEST(DecoderNames, EveryTensorOfEveryFileHasItsPlaceInTheTree) {
  for (const char* name : kFlamingoCases) {
    SCOPED_TRACE(name);
    const JsonView config = config_of(name);
    const std::string model_type = config.string("model_type");
    const DecoderNames names = decoder_names(model_type, config);
    const formats::NameMap map = names.map();
    std::set<std::string> found, expected;
    const Checkpoint checkpoint = Checkpoint::open(flamingo_case(name) / "model/lm");
    for (const std::string& file_name : checkpoint.names()) {
      if (names.ignores(file_name)) continue;
      const auto module = map.to_module(file_name);
      ASSERT_TRUE(module) << file_name;
      EXPECT_TRUE(found.insert(module->name).second) << module->name;
      const auto back = map.to_file(module->name);
      EXPECT_TRUE(back && back->name == file_name) << file_name;
    }
    for (const auto& [parameter, shape] : expected_parameters(model_type, config)) {
      expected.insert(parameter);
      const auto file_name = map.to_file(parameter);
      ASSERT_TRUE(file_name && checkpoint.contains(file_name->name)) << parameter;
      EXPECT_EQ(checkpoint.at(file_name->name).shape, shape) << parameter;
    }
    EXPECT_EQ(found, expected);
    for (const std::string& matrix : names.vocabulary) EXPECT_TRUE(expected.contains(matrix));
  }
}

TEST(DecoderNames, ATiedHeadIsIgnoredAndAnUntiedOneIsNot) {
  const DecoderNames tied = decoder_names("mpt", inline_config("{}"));
  EXPECT_TRUE(tied.ignores("lm_head.weight"));
  EXPECT_EQ(tied.vocabulary, (std::vector<std::string>{"decoder.wte.weight"}));
  const DecoderNames untied =
      decoder_names("mpt", inline_config(R"({"tie_word_embeddings": false})"));
  EXPECT_FALSE(untied.ignores("lm_head.weight"));
  EXPECT_EQ(untied.map().to_module("lm_head.weight")->name, "decoder.lm_head.weight");
  EXPECT_EQ(decoder_names("gpt_neox", inline_config("{}")).vocabulary,
            (std::vector<std::string>{"decoder.embed_in.weight", "decoder.embed_out.weight"}));
}

TEST(DecoderNames, BuffersAreIgnored) {
  const DecoderNames names = decoder_names("gpt_neox", inline_config("{}"));
  for (const char* name :
       {"gpt_neox.layers.0.attention.bias", "gpt_neox.layers.0.attention.masked_bias",
        "gpt_neox.layers.0.attention.rotary_emb.inv_freq"})
    EXPECT_TRUE(names.ignores(name)) << name;
  for (const char* name : {"gpt_neox.layers.0.attention.dense.bias", "embed_out.weight",
                           "gpt_neox.layers.0.attention.query_key_value.bias"})
    EXPECT_FALSE(names.ignores(name)) << name;
}

TEST(DecoderNames, TheOldestOptFilesLackTheOuterName) {
  const formats::NameMap map = decoder_names("opt", inline_config("{}")).map();
  for (const std::string prefix : {"model.decoder.", "decoder."}) {
    EXPECT_EQ(map.to_module(prefix + "embed_positions.weight")->name,
              "decoder.embed_positions.weight");
    EXPECT_EQ(map.to_module(prefix + "layers.3.fc1.bias")->name, "decoder.layers.3.fc1.bias");
    EXPECT_EQ(map.to_module(prefix + "project_in.weight")->name, "decoder.project_in.weight");
  }
}

TEST(DecoderNames, APrefixStandsInFrontOfEveryFileName) {
  const DecoderNames names =
      decoder_names("mosaic_gpt", inline_config(R"({"model_type": "mosaic_gpt"})"),
                    "lang_encoder.");
  EXPECT_EQ(names.blocks, "lang_encoder.transformer.blocks");
  EXPECT_EQ(names.map().to_module("lang_encoder.transformer.blocks.3.mlp.mlp_up.bias")->name,
            "decoder.blocks.3.ffn.up_proj.bias");
  EXPECT_EQ(names.map().to_file("decoder.wpe.weight")->name, "lang_encoder.transformer.wpe.weight");
}

TEST(DecoderNames, AnUnknownTypeIsNamed) {
  const std::string message = message_of<UnsupportedError>(
      [] { decoder_names("gptj", JsonView::parse("{}", "lm/config.json")); });
  EXPECT_NE(message.find("lm/config.json"), std::string::npos);
  EXPECT_NE(message.find("gptj"), std::string::npos);
  EXPECT_THROW(language_model_tree("gptj", inline_config("{}")), UnsupportedError);
}

// ---- trees

using Lines = std::vector<std::string>;

size_t indent_of(const std::string& line) { return line.find_first_not_of(' '); }

// The lines of the child `name` without its own two brackets, and where they stand.
struct Section {
  size_t first, last;  // [first, last)
};
Section section(const Lines& lines, const std::string& name) {
  size_t open = 0;
  while (open < lines.size() && lines[open].find("(" + name + "): ") != indent_of(lines[open]))
    ++open;
  EXPECT_LT(open, lines.size()) << name;
  size_t close = open + 1;
  while (close < lines.size() && indent_of(lines[close]) > indent_of(lines[open])) ++close;
  return {open + 1, close};
}

// What print(lang_encoder) shows before it is wrapped: the golden text of the wrapped one, whose
// blocks were kept below "old_decoder_blocks".
Lines plain_language_model(const std::filesystem::path& golden, const std::string& list) {
  Lines all;
  std::istringstream stream(text_of(golden));
  for (std::string line; std::getline(stream, line);) all.push_back(line);
  const auto whole = section(all, "lang_encoder");
  Lines wrapped{all[whole.first - 1].substr(all[whole.first - 1].find(": ") + 2)};
  for (size_t i = whole.first; i <= whole.last; ++i) wrapped.push_back(all[i].substr(2));
  const auto blocks = section(wrapped, list), old = section(wrapped, "old_decoder_blocks");
  const size_t deeper = indent_of(wrapped[blocks.first - 1]) - indent_of(wrapped[old.first - 1]);
  Lines plain(wrapped.begin(), wrapped.begin() + static_cast<ptrdiff_t>(blocks.first));
  for (size_t i = old.first; i < old.last; ++i)
    plain.push_back(std::string(deeper, ' ') + wrapped[i]);
  for (size_t i = blocks.last; i < old.first - 1; ++i) plain.push_back(wrapped[i]);
  plain.push_back(wrapped.back());
  return plain;
}

TEST(LanguageModelTree, PrintsEveryLanguageModelAsPyTorchDoes) {
  for (const char* name : kFlamingoCases) {
    SCOPED_TRACE(name);
    const JsonView config = config_of(name);
    const JsonView expect = JsonView::load(flamingo_case(name) / "expect.json");
    const LanguageModelTree tree = language_model_tree(
        config.string("model_type"), config, expect.integer("vocab_after_resize"));
    const std::string list = tree.blocks.substr(tree.blocks.rfind('.') + 1);
    std::string expected;
    for (const std::string& line :
         plain_language_model(flamingo_case(name) / "print_model.txt", list))
      expected += (expected.empty() ? "" : "\n") + line;
    EXPECT_EQ(to_string(tree.model), expected);
  }
}

TEST(LanguageModelTree, TheBlocksCanBeReached) {
  for (const char* name : kFlamingoCases) {
    const JsonView config = config_of(name);
    LanguageModelTree tree = language_model_tree(config.string("model_type"), config);
    ModuleNode& blocks = module_at(tree.model, tree.blocks);
    EXPECT_EQ(blocks.class_name, "ModuleList") << name;
    EXPECT_EQ(static_cast<int64_t>(blocks.children.size()),
              config.integer(config.contains("n_layers") ? "n_layers" : "num_hidden_layers"));
  }
}

// Counts of the published models, from their own model cards' shapes.
TEST(LanguageModelTree, CountsThePublishedModels) {
  const auto count = [](const std::string& model_type, const std::string& config) {
    int64_t total = 0;
    for (const auto& parameter : expected_parameters(model_type, inline_config(config), 50280))
      total += *num_elements(parameter.shape);
    return total;
  };
  EXPECT_EQ(count("mosaic_gpt", R"({"model_type": "mosaic_gpt", "alibi": true, "no_bias": true,
                "attn_qk_ln": true, "vocab_size": 50432})"),
            int64_t{24} * (12 * 2048 * 2048 + 4 * 2048) + 2048 + int64_t{50280} * 2048);
  EXPECT_EQ(count("mpt", R"({"d_model": 4096, "n_heads": 32, "n_layers": 32})"),
            int64_t{32} * (int64_t{12} * 4096 * 4096 + 2 * 4096) + 4096 + int64_t{50280} * 4096);
}

TEST(LanguageModelTree, PrintsOpt350m) {
  const JsonView config = inline_config(R"({"model_type": "opt", "hidden_size": 1024,
      "num_attention_heads": 16, "ffn_dim": 4096, "num_hidden_layers": 24,
      "word_embed_proj_dim": 512, "do_layer_norm_before": false})");
  const std::string text = to_string(language_model_tree("opt", config).model);
  EXPECT_TRUE(text.starts_with(
      "OPTForCausalLM(\n  (model): OPTModel(\n    (decoder): OPTDecoder(\n"
      "      (embed_tokens): Embedding(50272, 512, padding_idx=1)\n"
      "      (embed_positions): OPTLearnedPositionalEmbedding(2050, 1024)\n"
      "      (project_out): Linear(in_features=1024, out_features=512, bias=False)\n"
      "      (project_in): Linear(in_features=512, out_features=1024, bias=False)\n"
      "      (layers): ModuleList(\n"));
  EXPECT_EQ(expected_parameters("opt", config).size(), 1 + 1 + 2 + 24 * 16u);
}

TEST(LanguageModelTree, APlainLlamaIsOneOfThem) {
  const JsonView config = inline_config(R"({"model_type": "llama", "hidden_size": 64,
      "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4,
      "vocab_size": 32})");
  LanguageModelTree tree = language_model_tree("llama", config, 34);
  EXPECT_EQ(module_at(tree.model, tree.blocks).children.size(), 2U);
  const auto parameters = expected_parameters("llama", config, 34);
  EXPECT_EQ(parameters.front().name, "decoder.embed_tokens.weight");
  EXPECT_EQ(parameters.front().shape, (Shape{34, 64}));
  EXPECT_EQ(parameters.back().name, "decoder.lm_head.weight");
}

}  // namespace
}  // namespace isthmus::layout
