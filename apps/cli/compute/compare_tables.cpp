#include "compare_tables.h"

#include <algorithm>
#include <cmath>
#include <map>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "compare_numbers.h"
#include "text/html.h"

namespace isthmus::cli {
namespace {

using nlohmann::ordered_json;

std::string line(const std::vector<std::string>& cells, const char* tag) {
  std::string html = "<tr>";
  for (size_t c = 0; c < cells.size(); ++c)
    html += fmt::format("<{0}{1}>{2}</{0}>", tag, c == 0 ? "" : " class=\"n\"",
                        text::escape_html(cells[c]));
  return html + "</tr>";
}

}  // namespace

std::string Table::html() const {
  std::string html = "<div class=\"wide\"><table>" + line(head_, "th");
  for (const auto& row : rows_) html += line(row, "td");
  return html + "</table></div>\n";
}

std::string Table::text() const {
  std::vector<size_t> widths(head_.size(), 0);
  std::vector<std::vector<std::string>> all{head_};
  all.insert(all.end(), rows_.begin(), rows_.end());
  for (const auto& row : all)
    for (size_t c = 0; c < row.size(); ++c) widths[c] = std::max(widths[c], row[c].size());
  std::string text;
  for (const auto& row : all) {
    for (size_t c = 0; c < row.size(); ++c)
      text += c == 0 ? fmt::format("{:<{}}", row[c], widths[c])
                     : fmt::format("  {:>{}}", row[c], widths[c]);
    text += "\n";
  }
  return text;
}

Table quality_table(const Comparison& comparison) {
  Table table({"aligner", "exact", "95 %", "untrained", "other pictures", "blank pictures"});
  for (const Measured& m : comparison.measured) {
    const Share exact = m.exact();
    table.row({m.aligner, percent(exact.share), interval(exact.ci95), percent(m.untrained),
               percent(m.exact_shuffled().share), percent(m.exact_blank().share)});
  }
  return table;
}

Table cost_table(const Comparison& comparison) {
  Table table({"aligner", "learns", "per picture", "rows", "FLOPs", "first token", "weights",
               "cache", "peak", "training", "steps/s"});
  for (const Measured& m : comparison.measured)
    table.row({m.aligner, count_text(static_cast<double>(m.trainable)),
               fmt::format("{} {}", m.per_picture, m.is_in_sequence ? "soft tokens" : "latents"),
               std::to_string(m.prompt_rows), count_text(m.flops.total()),
               time_text(m.first_token.median), bytes_text(m.weight_bytes),
               bytes_text(m.cache_bytes), bytes_text(m.peak_bytes), time_text(m.train_seconds),
               fmt::format("{:.2f}", m.steps_per_second())});
  return table;
}

Table own_table(const Comparison& comparison) {
  Table table({"aligner", "type", "optimiser", "rates", "form of a conversation"});
  for (const Measured& m : comparison.measured)
    table.row({m.aligner, m.type, m.optimizer, m.rates, m.form});
  return table;
}

Table pair_table(const Comparison& comparison) {
  Table table(
      {"pair", "difference", "95 %", "only the first", "only the second", "McNemar p", "Holm"});
  for (const Pair& pair : comparison.pairs)
    table.row({pair.a + " - " + pair.b, fmt::format("{:+.1f}", 100 * pair.difference),
               interval(pair.ci95), std::to_string(pair.only_a), std::to_string(pair.only_b),
               p_text(pair.mcnemar_p), p_text(pair.holm_p)});
  return table;
}

Table kind_table(const Comparison& comparison) {
  std::vector<std::string> head{"asked", "answers"};
  std::vector<std::map<std::string, training::Tally>> tallies;
  for (const Measured& m : comparison.measured) {
    head.push_back(m.aligner);
    auto& own = tallies.emplace_back();
    for (const training::Tally& tally : training::tallies_of(m.answers)) own[tally.tag] = tally;
  }
  Table table(head);
  for (const training::Tally& tally : training::tallies_of(comparison.measured.front().answers)) {
    if (tally.tag.empty()) continue;
    std::vector<std::string> cells{tally.tag, std::to_string(tally.answers)};
    for (auto& own : tallies)
      cells.push_back(own.contains(tally.tag) ? percent(own[tally.tag].share()) : "-");
    table.row(std::move(cells));
  }
  return table;
}

namespace {

// A number somewhere in what was measured, or that there is none.
std::string value_at(const ordered_json& json, const std::string& pointer) {
  const ordered_json::json_pointer place(pointer);
  return json.contains(place) && json.at(place).is_number()
             ? fmt::format("{:.3f}", json.at(place).get<double>())
             : "not defined";
}

struct Metric {
  const char *name, *pointer;
};

constexpr Metric kDependence[] = {
    {"log-likelihood gained by the own picture, nats a token (against another)",
     "/dependence/gain_swapped_per_token"},
    {"the same against a blank one", "/dependence/gain_blank_per_token"},
    {"own picture makes the answer likelier, share", "/dependence/win_rate_swapped"},
};
constexpr Metric kOfLayer[] = {
    {"modality gap, unit rows", "gap_unit"},
    {"modality gap, standardised", "gap_standardised"},
    {"energy distance", "energy_unbiased"},
    {"norms of soft tokens against words, log2", "log2_norm_ratio"},
    {"linear CKA, debiased", "cka_debiased"},
    {"effective rank over pictures", "effective_rank_items"},
    {"anisotropy of soft tokens", "anisotropy_media"},
};
constexpr Metric kRetrieval[] = {
    {"answer found by its picture, first of all", "/alignment/retrieval/recall_at_1"},
    {"the same, among the first five", "/alignment/retrieval/recall_at_5"},
    {"chance of the first", "/alignment/retrieval/chance_at_1"},
};

std::string last_layer_of(const Measured& m) {
  const ordered_json::json_pointer layers("/alignment/layers");
  if (!m.alignment.contains(layers) || m.alignment.at(layers).empty()) return "0";
  return (--m.alignment.at(layers).end()).key();
}

}  // namespace

Table alignment_table(const Comparison& comparison) {
  std::vector<std::string> head{"metric"};
  for (const Measured& m : comparison.measured) head.push_back(m.aligner);
  Table table(head);
  const auto add = [&](const std::string& name, const auto& value) {
    std::vector<std::string> cells{name};
    for (const Measured& m : comparison.measured) cells.push_back(value(m));
    table.row(std::move(cells));
  };
  for (const Metric& metric : kDependence)
    add(metric.name, [&](const Measured& m) { return value_at(m.alignment, metric.pointer); });
  for (const bool is_last : {false, true})
    for (const Metric& metric : kOfLayer)
      add(fmt::format("{}, {}", metric.name,
                      is_last ? "behind the last layer" : "in front of the first layer"),
          [&](const Measured& m) {
            return value_at(m.alignment,
                            fmt::format("/alignment/layers/{}/{}", is_last ? last_layer_of(m) : "0",
                                        metric.pointer));
          });
  for (const Metric& metric : kRetrieval)
    add(metric.name, [&](const Measured& m) { return value_at(m.alignment, metric.pointer); });
  add("gates behind the tanh, smallest to largest", [](const Measured& m) -> std::string {
    if (m.gates.empty()) return "not defined";
    double low = 1, high = 0;
    for (const auto& [name, value] : m.gates) {
      low = std::min(low, std::abs(value));
      high = std::max(high, std::abs(value));
    }
    return fmt::format("{:.2f} to {:.2f}", low, high);
  });
  add("weights of the experts", [](const Measured& m) -> std::string {
    if (!m.alignment.contains("routing")) return "not defined";
    std::vector<std::string> weights;
    for (const ordered_json& weight : m.alignment.at("routing"))
      weights.push_back(fmt::format("{:.2f}", weight.get<double>()));
    return fmt::format("{}", fmt::join(weights, " "));
  });
  return table;
}

std::string comparison_as_text(const Comparison& comparison) {
  std::string text = quality_table(comparison).text() + "\n" + cost_table(comparison).text();
  if (!comparison.pairs.empty()) text += "\n" + pair_table(comparison).text();
  return text;
}

}  // namespace isthmus::cli
