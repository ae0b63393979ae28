// What is inside the families: words near soft tokens, gates, experts, attention.
#include <cmath>
#include <cstddef>
#include <vector>

#include "alignment/attention.h"
#include "alignment/gates.h"
#include "alignment/golden.h"
#include "alignment/routing.h"
#include "alignment/vocabulary.h"

namespace isthmus::alignment {
namespace {

using nlohmann::json;
using Words = std::vector<std::vector<int64_t>>;

json json_of_words(const NearestWords& nearest, const Words& words, const json& ks) {
  json found = {{"top1_distinct_fraction", nearest.top1_distinct_fraction},
                {"hub_share", nearest.hub_share}};
  for (size_t t = 0; t < nearest.ids.size(); ++t) {
    const auto& ids = nearest.ids[t];
    const auto& cosines = nearest.cosines[t];
    found["top5_ids"].push_back(std::vector(ids.begin(), ids.begin() + 5));
    found["top5_cosine"].push_back(std::vector(cosines.begin(), cosines.begin() + 5));
  }
  for (const int64_t k : ks) {
    const WordHits hits = word_hits(nearest, words, k);
    found["recall@" + std::to_string(k)] =
        static_cast<double>(hits.hits) / static_cast<double>(hits.words);
  }
  return found;
}

TEST(NearestWords, EqualTheReference) {
  check_cases("vocabulary_retrieval", [](const Case& golden) {
    const Input soft = golden.input("soft"), embedding = golden.input("embedding");
    const Input weight = golden.input("norm_weight");
    const json& params = golden.params();
    const auto words = params["words"].get<Words>();
    const auto excluded = params["excluded_ids"].get<std::vector<int64_t>>();
    json found;
    for (const auto& [name, scoring] : {std::pair{"plain", WordScoring::kPlain},
                                        {"norm_weighted", WordScoring::kNormWeighted},
                                        {"centred", WordScoring::kCentred}}) {
      const NearestWords nearest =
          nearest_words(soft.rows(), embedding.rows(),
                        {.scoring = scoring, .excluded = excluded, .norm_weight = weight.numbers});
      found[name] = json_of_words(nearest, words, params["k"]);
    }
    return found;
  });
}

TEST(NearestWords, AreTheSameInAVocabularyOfManyBlocks) {
  constexpr int64_t kWords = 5000, kWidth = 4;
  std::vector<double> table(kWords * kWidth);
  for (size_t i = 0; i < table.size(); ++i) table[i] = std::sin(static_cast<double>(i * i % 9973));
  const int64_t asked[] = {3, 1023, 1024, 4999};
  std::vector<double> soft;
  for (const int64_t id : asked)
    for (int64_t c = 0; c < kWidth; ++c)
      soft.push_back(2 * table[static_cast<size_t>(id * kWidth + c)]);
  const NearestWords nearest =
      nearest_words(Rows(soft.data(), 4, kWidth), Rows(table.data(), kWords, kWidth));
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_NEAR(nearest.cosines[i][0], 1, 1e-12);
    EXPECT_EQ(nearest.ids[i].size(), 10u);
    EXPECT_TRUE(std::is_sorted(nearest.cosines[i].rbegin(), nearest.cosines[i].rend()));
  }
  EXPECT_EQ(nearest.ids[3][0], 4999);
}

TEST(NearestWords, TiesGoToTheLowerIdAndHubsShow) {
  const std::vector<double> table = {0, 1, 1, 0, 2, 0}, soft = {3, 0, 5, 0};
  const NearestWords nearest =
      nearest_words(Rows(soft.data(), 2, 2), Rows(table.data(), 3, 2), {.count = 2});
  EXPECT_EQ(nearest.ids[0], (std::vector<int64_t>{1, 2}));
  EXPECT_EQ(nearest.hub_share, 1);
  EXPECT_EQ(nearest.top1_distinct_fraction, 0.5);
  EXPECT_EQ(nearest_words(Rows(soft.data(), 2, 2), Rows(table.data(), 2, 3)).reason,
            Reason::kShapeMismatch);
}

TEST(LogitLens, EqualsTheReference) {
  check_cases("logit_lens", [](const Case& golden) {
    const Input hidden = golden.input("hidden"), weight = golden.input("norm_weight");
    const Input unembedding = golden.input("unembedding");
    const auto words = golden.params()["words"].get<Words>();
    const FinalNorm norm{.weight = weight.numbers, .eps = golden.params()["rms_eps"]};
    const LogitLens lens = logit_lens(hidden.rows(), norm, unembedding.rows(), words);
    json found = {{"top1_ids", lens.top1_ids},
                  {"top1_logprob", lens.top1_logprob},
                  {"entropy", lens.entropy},
                  {"entropy_mean", lens.entropy_mean},
                  {"best_rank_per_word", lens.best_rank_per_word}};
    for (const int64_t k : golden.params()["k"]) {
      const auto hits =
          std::count_if(lens.best_rank_per_word.begin(), lens.best_rank_per_word.end(),
                        [k](int64_t rank) { return rank <= k; });
      found["recall@" + std::to_string(k)] =
          static_cast<double>(hits) / static_cast<double>(words.size());
    }
    return found;
  });
}

TEST(LogitLens, SumsOverBlocksOfTheVocabulary) {
  // 3000 words with the same embedding: an even distribution, whatever the block.
  const std::vector<double> table(3000, 0.5), weight = {2}, hidden = {3};
  const LogitLens lens =
      logit_lens(Rows(hidden.data(), 1, 1), {.weight = weight, .eps = 0},
                 Rows(table.data(), 3000, 1), std::vector<std::vector<int64_t>>{{2999}});
  EXPECT_NEAR(lens.entropy[0], std::log(3000), 1e-12);
  EXPECT_NEAR(lens.top1_logprob[0], -std::log(3000), 1e-12);
  EXPECT_EQ(lens.best_rank_per_word[0], 1);  // ties are not larger
}

TEST(Gates, EqualTheReference) {
  check_cases("flamingo_gates", [](const Case& golden) {
    const Input attn_gate = golden.input("attn_gate"), ff_gate = golden.input("ff_gate");
    const Input x = golden.input("x"), attn_out = golden.input("attn_out");
    const Input ff_out = golden.input("ff_out"), delta = golden.input("block_delta");
    const auto text_time = golden.input("text_time").integers;
    json found;
    for (int64_t l = 0; l < std::ssize(attn_gate.numbers); ++l) {
      const auto at = static_cast<size_t>(l);
      const GateValues values = gate_values({.attn_gate = attn_gate.numbers[at],
                                             .ff_gate = ff_gate.numbers[at],
                                             .x = x.part(l),
                                             .attn_out = attn_out.part(l),
                                             .ff_out = ff_out.part(l),
                                             .block_delta = delta.part(l)},
                                            text_time);
      for (const auto& [name, value] : values.named()) found[name].push_back(json_of(value));
    }
    return found;
  });
}

TEST(Gates, ThatAreClosedChangeNothing) {
  const std::vector<double> x = {1, 2, 3, 4}, zero = {0, 0, 0, 0};
  const Rows rows(x.data(), 2, 2), nothing(zero.data(), 2, 2);
  const std::vector<int64_t> text_time = {0, 1};
  const GateValues values = gate_values({0, 0, rows, rows, rows, nothing}, text_time);
  for (const auto& [name, value] : values.named()) EXPECT_EQ(value.number, 0) << name;
  const std::vector<int64_t> before = {0, 0};
  EXPECT_EQ(gate_values({1, 1, rows, rows, rows, rows}, before).attn_ratio.reason,
            Reason::kTooFewSamples);
}

json json_of_all(const std::vector<Value>& values) {
  json found = json::array();
  for (const Value& value : values) found.push_back(json_of(value));
  return found;
}

json json_of_table(const std::vector<std::vector<Value>>& rows) {
  json found = json::array();
  for (const auto& row : rows) found.push_back(json_of_all(row));
  return found;
}

TEST(ExpertRouting, EqualsTheReference) {
  check_cases("onellm_routing", [](const Case& golden) {
    const Input routing = golden.input("routing"), out = golden.input("expert_out");
    std::vector<Rows> experts;
    for (int64_t k = 0; k < out.shape[0]; ++k) experts.push_back(out.part(k));
    const Routing result = expert_routing(routing.rows(), experts);
    return json{{"usage", json_of_all(result.usage)},
                {"usage_entropy_normalised", json_of(result.usage_entropy_normalised)},
                {"row_entropy_normalised", json_of(result.row_entropy_normalised)},
                {"specialisation_nats", json_of(result.specialisation_nats)},
                {"contribution_share", json_of_all(result.contribution_share)},
                {"expert_cosine", json_of_table(result.expert_cosine)},
                {"expert_cka", json_of_table(result.expert_cka)},
                {"ablation_change", json_of_all(result.ablation_change)}};
  });
}

// [layers][heads] of an array [layers, heads, rows, cols].
std::vector<std::vector<Rows>> heads_of(const Input& attention) {
  std::vector<std::vector<Rows>> layers;
  for (int64_t l = 0; l < attention.shape[0]; ++l) {
    const Rows layer = attention.part(l);
    auto& heads = layers.emplace_back();
    for (int64_t h = 0; h < attention.shape[1]; ++h)
      heads.push_back(layer.slice(h * attention.shape[2], attention.shape[2]));
  }
  return layers;
}

TEST(MediaAttention, EqualsTheReference) {
  check_cases("media_attention", [](const Case& golden) {
    const Input attention = golden.input("attention"), hidden = golden.input("hidden");
    const json& params = golden.params();
    const RowRange media{params["media_begin"], params["media_end"]};
    const RowRange queries{params["query_begin"], params["query_end"]};
    const double tau = params["tau"];
    const auto dimensions =
        sink_dimensions(hidden.part(params["reference_layer"]), params["num_sink_dims"], tau);
    json found = {{"sink_dims", dimensions}};
    const auto layers = heads_of(attention);
    for (size_t l = 0; l < layers.size(); ++l) {
      const auto sinks =
          sink_rows(hidden.part(static_cast<int64_t>(l) + 1), media, dimensions, tau);
      const MediaAttention result = media_attention(layers[l], media, queries, sinks);
      found["sink_rows"].push_back(sinks);
      found["mass"].push_back(result.mass);
      found["sink_mass"].push_back(result.sink_mass);
      found["media_mass_without_sinks"].push_back(result.media_mass_without_sinks);
      found["spatial_entropy"].push_back(result.spatial_entropy);
      found["uniform_mass"] = result.uniform_mass;
    }
    return found;
  });
}

TEST(MediaAttention, ABosRowWithoutMassiveValuesNamesNoSinks) {
  const std::vector<double> even(16, 1);
  EXPECT_TRUE(sink_dimensions(Rows(even.data(), 1, 16), 2, 5).empty());
}

TEST(AttentionRollout, EqualsTheReference) {
  check_cases("attention_rollout", [](const Case& golden) {
    const Input attention = golden.input("attention");
    const json& params = golden.params();
    const OwnedRows joined = attention_rollout(heads_of(attention), params["residual"]);
    const std::vector last(joined.data.end() - joined.cols, joined.data.end());
    const int64_t begin = params["media_begin"], end = params["media_end"];
    return json{{"last_row", last},
                {"last_row_media", std::vector(last.begin() + begin, last.begin() + end)}};
  });
}

json json_of_rows(const OwnedRows& rows) {
  json found = json::array();
  for (int64_t r = 0; r < rows.rows; ++r)
    found.push_back(
        std::vector(rows.data.begin() + r * rows.cols, rows.data.begin() + (r + 1) * rows.cols));
  return found;
}

TEST(LatentsToPatches, EqualTheReference) {
  check_cases("resampler_rollout", [](const Case& golden) {
    const Input resampler = golden.input("resampler_attention");
    const Input cross = golden.input("cross_attention"), gates = golden.input("attn_gate");
    const LatentsToPatches result = latents_to_patches(
        heads_of(resampler), heads_of(cross), gates.numbers, golden.params()["num_patches"]);
    return json{{"latent_to_patch", json_of_rows(result.latent_to_patch)},
                {"latent_prior_share", result.latent_prior_share},
                {"text_to_patch", json_of_rows(result.text_to_patch)}};
  });
}

}  // namespace
}  // namespace isthmus::alignment
