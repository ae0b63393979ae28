#include "training/measurements.h"

#include <algorithm>
#include <map>
#include <vector>

#include <nlohmann/json.hpp>

#include "alignment/cka.h"
#include "alignment/dependence.h"
#include "alignment/gap.h"
#include "alignment/generator.h"
#include "alignment/norms.h"
#include "alignment/retrieval.h"
#include "alignment/spectrum.h"
#include "alignment/two_sample.h"
#include "families/sequence_builder.h"
#include "training/forward.h"

namespace isthmus::training {
namespace {

using alignment::Rows;
using nlohmann::ordered_json;

constexpr size_t kItems = 64;
constexpr int64_t kRows = 32;

// Hidden states by layer, as they pass.
class LayerProbe : public nn::Probe {
 public:
  bool wants(std::string_view name) const override { return name.starts_with(kName); }
  void see(std::string_view name, const Tensor& value) override {
    layers[std::stoi(std::string(name.substr(kName.size())))] = value.detach();
  }
  std::map<int, Tensor> layers;

 private:
  static constexpr std::string_view kName = "decoder.hidden.";
};

// Rows of all items of one layer, and whose they are.
struct Cloud {
  std::vector<float> media, text;
  std::vector<int64_t> media_item, text_item;
  int64_t width = 0;

  Rows media_rows() const { return {media.data(), std::ssize(media_item), width}; }
  Rows text_rows() const { return {text.data(), std::ssize(text_item), width}; }
};

void add_rows(const Tensor& hidden, const std::vector<int64_t>& places, int64_t item,
              std::vector<float>& values, std::vector<int64_t>& items) {
  if (places.empty()) return;
  const Tensor rows =
      hidden.index_select(0, torch::tensor(places, torch::kInt64)).to(torch::kFloat).contiguous();
  const auto* data = rows.data_ptr<float>();
  values.insert(values.end(), data, data + rows.numel());
  items.insert(items.end(), places.size(), item);
}

// At most `kRows` of one item, the same at every layer and step.
std::vector<int64_t> thinned(const std::vector<int64_t>& places, const std::string& item) {
  std::vector<int64_t> kept;
  for (const int64_t i : alignment::rows_within_budget(item, std::ssize(places), kRows, 0))
    kept.push_back(places[static_cast<size_t>(i)]);
  return kept;
}

std::vector<int64_t> media_places(const std::vector<Forwarded::Range>& ranges,
                                  const std::string& item) {
  std::vector<int64_t> places;
  for (const Forwarded::Range& range : ranges)
    for (int64_t i = range.begin; i < range.end; ++i) places.push_back(i);
  return thinned(places, item);
}

std::vector<int64_t> answer_places(const Tensor& labels, const std::string& item) {
  std::vector<int64_t> places;
  const auto label = labels.accessor<int64_t, 1>();
  for (int64_t i = 0; i < labels.size(0); ++i)
    if (label[i] != families::kIgnoredLabel) places.push_back(i);
  return thinned(places, item);
}

void put(ordered_json& json, const char* name, const alignment::Value& value) {
  if (value.is_defined()) json[name] = value.number;
}

ordered_json layer_values(const Cloud& cloud) {
  const Rows media = cloud.media_rows(), text = cloud.text_rows();
  ordered_json json;
  put(json, "log2_norm_ratio", alignment::norm_ratio(media, text).log2_ratio_median);
  const auto gap = alignment::centroid_gap(media, text);
  put(json, "gap_unit", gap.gap_unit);
  put(json, "gap_standardised", gap.gap_standardised);
  put(json, "energy_unbiased", alignment::energy_distance(media, text).energy_coefficient_unbiased);
  const auto x = alignment::pool_by_item(media, cloud.media_item);
  const auto y = alignment::pool_by_item(text, cloud.text_item);
  put(json, "cka_debiased", alignment::linear_cka(x.view(), y.view()).cka_debiased);
  put(json, "effective_rank_items", alignment::spectrum(x.view()).effective_rank);
  put(json, "anisotropy_media", alignment::spectrum(media).anisotropy);
  return json;
}

ordered_json retrieval_values(const Cloud& cloud) {
  const auto x = alignment::pool_by_item(cloud.media_rows(), cloud.media_item);
  const auto y = alignment::pool_by_item(cloud.text_rows(), cloud.text_item);
  const auto found = alignment::cross_item_retrieval(x.view(), y.view());
  ordered_json json;
  if (found.reason != alignment::Reason::kNone) return json;
  json["recall_at_1"] = found.centred.media_to_text.recall.at(0);
  json["recall_at_5"] = found.centred.media_to_text.recall.at(1);
  json["chance_at_1"] = found.chance.at(0);
  return json;
}

ordered_json dependence_values(const std::vector<Answer>& own, const std::vector<Answer>& shuffled,
                               const std::vector<Answer>& blank) {
  std::vector<double> media, none, swapped;
  std::vector<int64_t> tokens, right, right_swapped;
  for (size_t i = 0; i < own.size(); ++i) {
    media.push_back(own[i].log_likelihood);
    none.push_back(blank.at(i).log_likelihood);
    swapped.push_back(shuffled.at(i).log_likelihood);
    tokens.push_back(own[i].tokens);
    right.push_back(own[i].exact ? 1 : 0);
    right_swapped.push_back(shuffled[i].exact ? 1 : 0);
  }
  const auto found = alignment::media_dependence(
      {media, none, Rows(swapped.data(), std::ssize(swapped), 1), tokens, right, right_swapped});
  ordered_json json;
  put(json, "gain_swapped_per_token", found.gain_swapped_per_token);
  put(json, "gain_blank_per_token", found.gain_blank_per_token);
  put(json, "win_rate_swapped", found.win_rate_swapped);
  put(json, "accuracy_drop", found.accuracy_drop);
  return json;
}

ordered_json answer_values(const std::vector<Answer>& own) {
  ordered_json json;
  ordered_json tags = ordered_json::object();
  for (const Tally& tally : tallies_of(own))
    if (tally.tag.empty())
      json["exact"] = tally.share();
    else
      tags[tally.tag] = tally.share();
  if (!tags.empty()) json["by_tag"] = std::move(tags);
  return json;
}

double mean_loss(const std::vector<Answer>& answers) {
  double sum = 0, tokens = 0;
  for (const Answer& answer : answers) {
    sum -= answer.log_likelihood;
    tokens += static_cast<double>(answer.tokens);
  }
  return tokens > 0 ? sum / tokens : 0;
}

void add_rows_of(families::Family& family, std::span<const families::Example> examples,
                 FeatureCache* features, std::map<int, Cloud>& clouds,
                 std::map<std::string, Tensor>& routing) {
  constexpr size_t kBatch = 16;
  for (size_t begin = 0; begin < examples.size(); begin += kBatch) {
    const auto batch = examples.subspan(begin, std::min(kBatch, examples.size() - begin));
    LayerProbe probe;
    const Forwarded found =
        forward(family, batch, encode(family, batch, features), {.probe = &probe});
    size_t medium = 0;
    for (const families::Example& example : batch)
      for (const modalities::Prepared& prepared : example.media)
        if (const Tensor& weights = found.media[medium++].routing; weights.defined())
          routing[prepared.modality] = weights.mean(0);
    for (const auto& [layer, hidden] : probe.layers) {
      Cloud& cloud = clouds[layer];
      cloud.width = hidden.size(2);
      for (size_t b = 0; b < batch.size(); ++b) {
        const auto row = static_cast<int64_t>(b), item = static_cast<int64_t>(begin + b);
        const std::string name = std::to_string(item);
        const auto places = media_places(found.media_rows[b], name);
        const auto answers = answer_places(found.labels[row], name);
        if (places.empty() || answers.empty()) continue;
        add_rows(hidden[row], places, item, cloud.media, cloud.media_item);
        add_rows(hidden[row], answers, item, cloud.text, cloud.text_item);
      }
    }
  }
}

}  // namespace

ordered_json measure(families::Family& family, HeldOut& held_out, size_t entry) {
  const torch::NoGradGuard no_gradient;
  const auto own = held_out.answers(entry);
  ordered_json json = {{"loss", mean_loss(own)}, {"answers", answer_values(own)}};
  const auto& examples = held_out.examples(entry);
  const bool has_media = std::ranges::any_of(
      examples, [](const families::Example& example) { return !example.media.empty(); });
  if (!has_media) return json;
  const auto shuffled = held_out.answers(entry, MediaChoice::kShuffled);
  const auto blank = held_out.answers(entry, MediaChoice::kBlank);
  json["answers"]["exact_shuffled"] = tallies_of(shuffled).front().share();
  json["answers"]["exact_blank"] = tallies_of(blank).front().share();
  json["dependence"] = dependence_values(own, shuffled, blank);

  std::map<int, Cloud> clouds;
  std::map<std::string, Tensor> routing;
  add_rows_of(family, std::span(examples).first(std::min(kItems, examples.size())),
              held_out.features(), clouds, routing);
  ordered_json layers = ordered_json::object();
  for (const auto& [layer, cloud] : clouds)
    if (!cloud.media_item.empty()) layers[std::to_string(layer)] = layer_values(cloud);
  if (!layers.empty()) {
    json["layers"] = std::move(layers);
    json["retrieval"] = retrieval_values(clouds.begin()->second);
  }
  for (const auto& [modality, weights] : routing)
    for (int64_t e = 0; e < weights.size(0); ++e)
      json["routing"][modality].push_back(weights[e].item<double>());
  return json;
}

}  // namespace isthmus::training
