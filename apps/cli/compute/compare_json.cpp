#include "compare_json.h"

namespace isthmus::cli {
namespace {

using nlohmann::ordered_json;

ordered_json interval_as_json(const alignment::Interval& ci95) { return {ci95.low, ci95.high}; }

ordered_json share_as_json(const Share& share) {
  return {{"share", share.share},
          {"ci95", interval_as_json(share.ci95)},
          {"answers", share.answers},
          {"pictures", share.pictures}};
}

ordered_json line_as_json(const watch::ChartLine& line) {
  ordered_json json = ordered_json::array();
  for (size_t i = 0; i < line.x.size(); ++i)
    json.push_back({static_cast<int64_t>(line.x[i]), line.y[i]});
  return json;
}

ordered_json as_json(const Measured& m, const Comparison& comparison) {
  ordered_json json = {{"aligner", m.aligner},
                       {"type", m.type},
                       {"optimizer", m.optimizer},
                       {"rates", m.rates},
                       {"form", m.form},
                       {"trainable", m.trainable},
                       {"frozen", m.frozen},
                       {m.is_in_sequence ? "soft_tokens" : "latents", m.per_picture},
                       {"prompt_rows", m.prompt_rows},
                       {"flops",
                        {{"encoder", m.flops.encoder},
                         {"aligner", m.flops.aligner},
                         {"gated_blocks", m.flops.gated_blocks},
                         {"language_model", m.flops.language_model},
                         {"total", m.flops.total()}}},
                       {"first_token_s",
                        {{"median", m.first_token.median},
                         {"quartiles", {m.first_token.low, m.first_token.high}},
                         {"encode", m.encode_seconds}}},
                       {"weight_bytes", m.weight_bytes},
                       {"cache_bytes", m.cache_bytes},
                       {"peak_resident_bytes", m.peak_bytes},
                       {"steps", m.steps},
                       {"train_s", m.train_seconds},
                       {"steps_per_s", m.steps_per_second()},
                       {"exact", share_as_json(m.exact())},
                       {"exact_untrained", m.untrained},
                       {"exact_shuffled", share_as_json(m.exact_shuffled())},
                       {"exact_blank", share_as_json(m.exact_blank())},
                       {"quality", line_as_json(m.quality)},
                       {"loss", line_as_json(m.loss)}};
  for (const training::Tally& tally : training::tallies_of(m.answers))
    if (!tally.tag.empty())
      json["by_kind"][tally.tag] = {{"share", tally.share()}, {"answers", tally.answers}};
  json.update(m.alignment);
  for (const auto& [name, value] : m.gates) json["gates"][name] = value;
  for (size_t q = 0; q < m.said.size(); ++q)
    json["answers"].push_back({{"question", comparison.questions[q].question},
                               {"right", comparison.questions[q].truth},
                               {"said", m.said[q]}});
  return json;
}

}  // namespace

ordered_json comparison_as_json(const Comparison& comparison) {
  const recipe::Stage& stage = comparison.recipe.stages.front();
  ordered_json json = {{"name", comparison.recipe.name},
                       {"base", comparison.recipe.model.base},
                       {"vision", comparison.recipe.model.vision},
                       {"batch", stage.batch},
                       {"accumulation", stage.accumulation},
                       {"seed", stage.seed},
                       {"threads", comparison.threads}};
  for (const Measured& m : comparison.measured) json["aligners"].push_back(as_json(m, comparison));
  for (const Pair& pair : comparison.pairs)
    json["pairs"].push_back({{"a", pair.a},
                             {"b", pair.b},
                             {"difference", pair.difference},
                             {"ci95", interval_as_json(pair.ci95)},
                             {"only_a", pair.only_a},
                             {"only_b", pair.only_b},
                             {"mcnemar_p", pair.mcnemar_p},
                             {"holm_p", pair.holm_p}});
  return json;
}

}  // namespace isthmus::cli
