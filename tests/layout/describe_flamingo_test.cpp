#include "layout/describe_flamingo.h"

#include <cmath>
#include <cstring>
#include <functional>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "layout/describe_language_model.h"
#include "layout/fixtures.h"
#include "layout/flamingo_pieces.h"

namespace isthmus::layout {
namespace {

namespace fs = std::filesystem;

FlamingoModel open_case(const std::string& name) {
  return FlamingoModel::open(find_flamingo(flamingo_case(name) / "model", {}, {}));
}

nlohmann::json expectation(const std::string& name) {
  return nlohmann::json::parse(text_of(flamingo_case(name) / "expect.json"));
}

const PartDescription& part(const ModelDescription& d, const std::string& name) {
  for (const PartDescription& p : d.parts)
    if (p.name == name) return p;
  throw std::out_of_range(name);
}

struct Counts {
  int64_t tensors = 0, parameters = 0;
};

// Of the listed keys that `counts`.
Counts count(const nlohmann::json& keys, const std::function<bool(const std::string&)>& counts) {
  Counts found;
  for (const auto& [name, entry] : keys.items()) {
    if (!counts(name)) continue;
    ++found.tensors;
    found.parameters += *num_elements(entry[0].get<Shape>());
  }
  return found;
}

TEST(DescribeFlamingo, CountsWhatTheReferenceSaved) {
  for (const char* name : kFlamingoCases) {
    const nlohmann::json expect = expectation(name);
    const FlamingoModel model = open_case(name);
    const FlamingoDescription d = describe_flamingo(model);
    EXPECT_EQ(d.num_problems, 0) << to_text(d);

    const Counts resampler = count(expect["checkpoint_keys"], [](const std::string& key) {
      return key.starts_with("perceiver.");
    });
    EXPECT_EQ(part(d, "resampler").num_tensors, resampler.tensors) << name;
    EXPECT_EQ(part(d, "resampler").num_parameters, resampler.parameters) << name;
    EXPECT_EQ(part(d, "resampler").stored_bytes, 4 * resampler.parameters) << name;
    EXPECT_EQ(part(d, "resampler").source, model.sources.checkpoint.string());

    const Counts gated = count(expect["checkpoint_keys"], [](const std::string& key) {
      return key.find(".gated_cross_attn_layer.") != std::string::npos;
    });
    EXPECT_EQ(part(d, "gated cross-attention").num_tensors, gated.tensors) << name;
    EXPECT_EQ(part(d, "gated cross-attention").num_parameters, gated.parameters) << name;

    // The head is the embedding's where the two are tied, and both follow the tokenizer.
    const Counts language = count(expect["lm_state_keys"], [&](const std::string& key) {
      return !model.language_names.ignores(key);
    });
    const int64_t rows = static_cast<int64_t>(model.language_names.vocabulary.size()) *
                         (d.vocab_size - d.vocab_size_before);
    EXPECT_EQ(part(d, "decoder").num_tensors, language.tensors) << name;
    EXPECT_EQ(part(d, "decoder").num_parameters,
              language.parameters + rows * model.language.hidden_size)
        << name;
    EXPECT_EQ(part(d, "decoder").source, model.sources.language_model.string());
    EXPECT_EQ(d.num_trained, resampler.parameters + gated.parameters +
                                 d.vocab_size * model.language.hidden_size)
        << name;
    EXPECT_EQ(d.vocab_size, expect["vocab_after_resize"]) << name;
    EXPECT_EQ(d.cross_attn_every_n_layers, expect["cross_attn_every_n_layers"]) << name;
    EXPECT_EQ(d.latents_per_picture, expect["perceiver"]["num_latents"]) << name;
    EXPECT_EQ(static_cast<int64_t>(d.gates.size()), d.num_blocks) << name;
  }
}

// A tower as OpenAI ships it: half precision, norms and embeddings in full.
TEST(DescribeFlamingo, TellsTheTypesOfAnArchive) {
  const FlamingoDescription d = describe_flamingo(open_case("neox_rpj_every2"));
  const PartDescription& encoder = part(d, "encoder");
  EXPECT_EQ(encoder.dtypes, (std::vector<std::string>{"float16", "float32"}));
  EXPECT_LT(encoder.stored_bytes, 4 * encoder.num_parameters);
  EXPECT_EQ(encoder.architecture,
            "CLIP ViT-64/14, 3 layers of 64, 1 heads, feed-forward 256, QuickGELU, 56x56 pixels");
  EXPECT_EQ(part(d, "gated cross-attention").architecture,
            "2 blocks, one every 2 layers, 8 heads of 64, 64 to 48, feed-forward 192");
}

TEST(DescribeFlamingo, ShowsEveryGate) {
  const FlamingoModel model = open_case("neox_rpj_every2");
  const FlamingoDescription d = describe_flamingo(model);
  ASSERT_EQ(d.gates.size(), 2U);
  EXPECT_EQ(d.gates[0].layer, 1);
  EXPECT_EQ(d.gates[1].layer, 3);
  const auto gate = [&](const std::string& name) {
    float value = 0;
    const auto& tensor = model.checkpoint->at("lang_encoder.gpt_neox.layers.3."
                                              "gated_cross_attn_layer." +
                                              name);
    std::memcpy(&value, tensor.bytes.data(), sizeof value);
    return std::tanh(static_cast<double>(value));
  };
  EXPECT_DOUBLE_EQ(d.gates[1].attention, gate("attn_gate"));
  EXPECT_DOUBLE_EQ(d.gates[1].feed_forward, gate("ff_gate"));
  EXPECT_NE(d.gates[1].attention, 0);
  const std::string text = to_text(d);
  EXPECT_NE(text.find(fmt::format("\n3        {:+.4f} █", gate("attn_gate"))), std::string::npos)
      << text;
  EXPECT_EQ(to_json(d)["gates"][1]["tanh_ff_gate"], d.gates[1].feed_forward);
}

TEST(DescribeFlamingo, ShowsThePathOfAPicture) {
  const FlamingoDescription d = describe_flamingo(open_case("neox_rpj_every2"));
  EXPECT_EQ(to_string(d.pictures.front()),
            "image 640x480 → resize to 74x56 → centre crop 56x56 → normalise [1, 3, 56, 56] → CLIP "
            "ViT-64/14, patch tokens [1, 16, 64] → resampler [1, 64, 64] → keys and values of 2 "
            "blocks [2, 2, 64, 512], 512.00 KiB in float32");
  EXPECT_EQ(d.media_bytes, 2 * 2 * 64 * 512 * 4);
}

TEST(DescribeFlamingo, ShowsTheVocabulary) {
  const FlamingoDescription d = describe_flamingo(open_case("mpt1b_mosaic_every1"));
  EXPECT_EQ(d.vocab_size_before, 432);
  EXPECT_EQ(d.tokenizer_size, 407);
  EXPECT_EQ(d.vocab_size, 410);
  EXPECT_EQ(to_json(d)["special_tokens"]["<image>"], 408);
  EXPECT_NE(to_text(d).find("432 rows in the language model's files, 407 tokens and 3 added: 410 "
                            "rows, rows without a token left out"),
            std::string::npos);
}

TEST(DescribeFlamingo, TellsAModelThatIsNotTrainedYet) {
  FlamingoSources sources = find_flamingo(mpt_case(), {}, {});
  sources.checkpoint.clear();
  const FlamingoDescription d = describe_flamingo(FlamingoModel::open(sources));
  EXPECT_EQ(d.num_problems, 0) << to_text(d);
  EXPECT_EQ(part(d, "resampler").source, "");
  EXPECT_EQ(part(d, "resampler").num_parameters > 0, true);
  EXPECT_TRUE(d.gates.empty());
  EXPECT_NE(to_text(d).find("nothing is trained yet"), std::string::npos);
}

TEST(DescribeFlamingo, ReadsAClipInTheNamesOfHuggingFace) {
  const fs::path clip = llava_case("v15_original") / "model/openai/clip-tiny-patch14-70";
  FlamingoSources sources = find_flamingo(mpt_case(), {"", clip.string()}, {});
  sources.checkpoint.clear();
  const FlamingoDescription d = describe_flamingo(FlamingoModel::open(sources));
  EXPECT_EQ(d.num_problems, 0) << to_text(d);
  EXPECT_EQ(part(d, "encoder").source, clip.string());
  EXPECT_EQ(part(d, "encoder").stored_bytes, 4 * part(d, "encoder").num_parameters);
}

TEST(DescribeFlamingo, ListsTensorsThatDoNotFit) {
  const fs::path top = fresh_folder("flamingo_misfit");
  FlamingoSources sources = find_flamingo(mpt_case(), {}, {});
  rewrite(sources.checkpoint, top / "checkpoint.pt", [](formats::RawTensor& tensor) {
    if (tensor.name.ends_with("blocks.2.gated_cross_attn_layer.ff_gate")) return false;
    if (tensor.name == "perceiver.norm.bias") {
      tensor.shape[0] /= 2;
      tensor.bytes = tensor.bytes.first(tensor.bytes.size() / 2);
    }
    return true;
  });
  sources.checkpoint = top / "checkpoint.pt";
  const FlamingoDescription d = describe_flamingo(FlamingoModel::open(sources));
  EXPECT_EQ(d.num_problems, 2) << to_text(d);
  EXPECT_EQ(d.problems[0], "aligner.resampler.norm.bias is [16], the config needs [32]");
  EXPECT_EQ(d.problems[1], "aligner.cross_attention.2.ff_gate: missing");
  EXPECT_EQ(d.gates.size(), 2U);
}

TEST(DescribeFlamingo, TextAndJsonSayTheSame) {
  const FlamingoDescription d = describe_flamingo(open_case("opt_every2"));
  const nlohmann::json json = to_json(d);
  EXPECT_EQ(json["parts"].size(), 4U);
  EXPECT_EQ(json["parameters"], d.num_parameters);
  EXPECT_EQ(json["trained_parameters"], d.num_trained);
  EXPECT_EQ(json["context_length"], 256);
  EXPECT_EQ(json["prompt"], "<image>Output:An image of two cats.<|endofchunk|>\n<image>Output:");
  const std::string text = to_text(d);
  EXPECT_NE(text.find("OPT with gated cross-attention before one layer in 2"), std::string::npos)
      << text;
  EXPECT_NE(text.find("a text token reads the last picture before it"), std::string::npos);
}

TEST(DescribeLanguageModel, CountsEveryKind) {
  for (const char* name : kFlamingoCases) {
    const fs::path folder = flamingo_case(name) / "model/lm";
    const LanguageModelDescription d = describe_language_model(folder);
    EXPECT_EQ(d.num_problems, 0) << to_text(d);
    const nlohmann::json keys = expectation(name)["lm_state_keys"];
    // Every head of this name is tied, and GPT-NeoX keeps a buffer in each layer.
    const Counts counts = count(keys, [&](const std::string& key) {
      return key != "lm_head.weight" && !key.ends_with(".rotary_emb.inv_freq");
    });
    EXPECT_EQ(d.num_tensors, counts.tensors) << name;
    EXPECT_EQ(d.num_parameters, counts.parameters) << name;
    EXPECT_EQ(to_json(d)["parts"][0]["name"], "decoder");
  }
  const LanguageModelDescription opt = describe_language_model(
      flamingo_case("opt_every2") / "model/lm");
  EXPECT_EQ(opt.cache_bytes_per_token, 2 * 2 * 36 * 4);
  EXPECT_TRUE(to_string(opt.module_tree).starts_with("OPTForCausalLM(")) << to_text(opt);
}

}  // namespace
}  // namespace isthmus::layout
