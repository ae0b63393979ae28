#include "compare_page.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/atomic_file.h"
#include "text/html.h"
#include "watch/live_page_assets.h"

namespace isthmus::cli {
namespace {

using nlohmann::ordered_json;
using text::escape_html;

// Beside the style of the live page.
constexpr const char* kStyle = R"(
.wide { overflow-x: auto; }
th { font-weight: 560; color: var(--soft); vertical-align: bottom; } td { vertical-align: top; }
td.n, th.n { text-align: right; padding-left: .7rem; white-space: nowrap; }
.line { stroke-width: 2.2; } .grid { stroke: var(--grid); }
.line.c0 { stroke: var(--c0); } .line.c1 { stroke: var(--c1); } .line.c2 { stroke: var(--c2); } .line.c3 { stroke: var(--c3); }
.line.c4 { stroke: var(--c4); } .line.c5 { stroke: var(--c5); } .line.c6 { stroke: var(--c6); } .line.c7 { stroke: var(--c7); }
.point.c0 { fill: var(--c0); } .point.c1 { fill: var(--c1); } .point.c2 { fill: var(--c2); } .point.c3 { fill: var(--c3); }
.point.c4 { fill: var(--c4); } .point.c5 { fill: var(--c5); } .point.c6 { fill: var(--c6); } .point.c7 { fill: var(--c7); }
.chart svg { height: auto; } .legend { color: var(--soft); font-size: .88rem; } .legend span { margin-right: .9rem; white-space: nowrap; }
.chart .legend svg.key { display: inline-block; width: 2.2rem; height: .5rem; margin: 0 .35rem 0 0; vertical-align: middle; }
.bars { display: grid; grid-template-columns: max-content 1fr max-content; gap: .3rem .7rem; align-items: center; }
.bars .track { height: .95rem; display: flex; border-radius: .25rem; overflow: hidden; background: var(--grid); }
.bars i { height: 100%; } .bars .v { text-align: right; font-variant-numeric: tabular-nums; color: var(--soft); font-size: .9rem; }
i.p0 { background: var(--c7); } i.p1 { background: var(--c1); } i.p2 { background: var(--c3); } i.p3 { background: var(--c5); }
.legend i { display: inline-block; width: .8rem; height: .8rem; border-radius: .15rem; margin-right: .35rem; vertical-align: -.1rem; }
.right { color: var(--good); } .wrong { color: var(--bad); }
.answer img { image-rendering: auto; } .answer table { font-size: .92rem; margin-top: .4rem; }
.answer td.soft { white-space: nowrap; width: 1%; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .25rem .9rem; margin: 0; } dt { color: var(--soft); } dd { margin: 0; }
@media (max-width: 34rem) { .chart text { font-size: 19px; } dl { grid-template-columns: 1fr; } dd { margin-bottom: .4rem; } }
)";

std::string count_text(double value) {
  for (const auto& [factor, unit] :
       {std::pair{1e12, " T"}, std::pair{1e9, " G"}, std::pair{1e6, " M"}, std::pair{1e3, " k"}})
    if (value >= factor) return fmt::format("{:.3g}{}", value / factor, unit);
  return fmt::format("{:.3g}", value);
}

std::string bytes_text(int64_t bytes) {
  const auto value = static_cast<double>(bytes);
  return value >= 1e6 ? fmt::format("{:.1f} MB", value / 1e6)
                      : fmt::format("{:.0f} kB", value / 1e3);
}

std::string time_text(double seconds) {
  return seconds < 1     ? fmt::format("{:.1f} ms", 1e3 * seconds)
         : seconds < 120 ? fmt::format("{:.1f} s", seconds)
                         : fmt::format("{:.1f} min", seconds / 60);
}

std::string percent(double share) { return fmt::format("{:.1f} %", 100 * share); }

std::string interval(const alignment::Interval& ci95) {
  return fmt::format("{:.1f} to {:.1f}", 100 * ci95.low, 100 * ci95.high);
}

std::string p_text(double p) { return p < .001 ? "below .001" : fmt::format("{:.3f}", p); }

// A table whose first column is words and whose others are numbers.
class Table {
 public:
  explicit Table(std::vector<std::string> head) : head_(std::move(head)) {}
  void row(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }

  std::string html() const {
    std::string html = "<div class=\"wide\"><table>" + line(head_, "th");
    for (const auto& row : rows_) html += line(row, "td");
    return html + "</table></div>\n";
  }
  std::string text() const {
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

 private:
  static std::string line(const std::vector<std::string>& cells, const char* tag) {
    std::string html = "<tr>";
    for (size_t c = 0; c < cells.size(); ++c)
      html += fmt::format("<{0}{1}>{2}</{0}>", tag, c == 0 ? "" : " class=\"n\"",
                          escape_html(cells[c]));
    return html + "</tr>";
  }

  std::vector<std::string> head_;
  std::vector<std::vector<std::string>> rows_;
};

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

// What each has of its own besides its kind.
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

// Shares of every kind of question, in the order of the first aligner.
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

// Horizontal bars, each of several parts; the longest fills the width.
struct Bar {
  std::string name;
  std::vector<double> parts;
  std::string value;
};

std::string bars_as_html(const std::vector<Bar>& bars) {
  double longest = 0;
  for (const Bar& bar : bars) {
    double sum = 0;
    for (const double part : bar.parts) sum += part;
    longest = std::max(longest, sum);
  }
  std::string html = "<div class=\"bars\">";
  for (const Bar& bar : bars) {
    html += fmt::format("<span>{}</span><span class=\"track\">", escape_html(bar.name));
    for (size_t i = 0; i < bar.parts.size(); ++i)
      html += fmt::format("<i class=\"p{}\" style=\"width:{:.2f}%\"></i>", i,
                          longest > 0 ? 100 * bar.parts[i] / longest : 0);
    html += fmt::format("</span><span class=\"v\">{}</span>", escape_html(bar.value));
  }
  return html + "</div>";
}

std::string parts_legend(const std::vector<const char*>& names) {
  std::string html = "<p class=\"legend\">";
  for (size_t i = 0; i < names.size(); ++i)
    html += fmt::format("<span><i class=\"p{}\"></i>{}</span> ", i, names[i]);
  return html + "</p>";
}

std::string card(const std::string& title, const std::string& hint, const std::string& body) {
  return fmt::format("<section class=\"chart\"><h3>{}</h3><p class=\"soft\">{}</p>{}</section>\n",
                     title, hint, body);
}

std::string charts(const Comparison& comparison) {
  std::vector<watch::ChartLine> quality, loss;
  std::vector<Bar> flops, first, memory, tokens;
  for (const Measured& m : comparison.measured) {
    quality.push_back(m.quality);
    loss.push_back(m.loss);
    flops.push_back(
        {m.aligner,
         {m.flops.encoder, m.flops.aligner, m.flops.gated_blocks, m.flops.language_model},
         count_text(m.flops.total())});
    first.push_back({m.aligner,
                     {m.encode_seconds, m.first_token.median - m.encode_seconds},
                     fmt::format("{} ({} to {})", time_text(m.first_token.median),
                                 time_text(m.first_token.low), time_text(m.first_token.high))});
    memory.push_back(
        {m.aligner,
         {static_cast<double>(m.weight_bytes), static_cast<double>(m.cache_bytes)},
         fmt::format("{} + {}", bytes_text(m.weight_bytes), bytes_text(m.cache_bytes))});
    tokens.push_back(
        {m.aligner,
         {static_cast<double>(m.is_in_sequence ? m.per_picture : 0),
          static_cast<double>(m.is_in_sequence ? 0 : m.per_picture)},
         fmt::format("{} {}", m.per_picture, m.is_in_sequence ? "soft tokens" : "latents")});
  }
  std::string html = "<div class=\"charts\">\n";
  html += card("Quality over time", "Share of held-out answers that are exactly right, by step",
               watch::chart_as_svg(quality, {.title = "Share of exact answers over steps",
                                             .x_label = "steps",
                                             .in_percent = true,
                                             .from_zero = true}) +
                   watch::legend_as_html(quality));
  html += card("Loss", "Of the training samples, nats a token; means of neighbouring steps",
               watch::chart_as_svg(
                   loss, {.title = "Loss over steps", .x_label = "steps", .from_zero = true}) +
                   watch::legend_as_html(loss));
  html += card(
      "FLOPs of one input", "A picture and a question, up to the first token; counted",
      bars_as_html(flops) + parts_legend({"encoder", "aligner", "gated blocks", "language model"}));
  html +=
      card("Time to the first token", "Median and quartiles; every picture new; measured",
           bars_as_html(first) + parts_legend({"picture to aligner's output", "language model"}));
  html += card("Memory", "Weights as they are held, and what a prompt leaves for decoding",
               bars_as_html(memory) + parts_legend({"weights", "keys, values, latents"}));
  html += card("What a picture becomes", "Rows of the sequence, or latents read at depth",
               bars_as_html(tokens) + parts_legend({"soft tokens", "latents"}));
  return html + "</div>\n";
}

// Enough of an answer that does not end.
std::string shortened(const std::string& said) {
  constexpr size_t kShown = 60;
  if (said.empty()) return "(nothing)";
  return said.size() > kShown ? said.substr(0, kShown) + " …" : said;
}

std::string answers(const Comparison& comparison) {
  std::string html = "<div class=\"answers\">\n";
  for (size_t q = 0; q < comparison.questions.size(); ++q) {
    const ShownQuestion& shown = comparison.questions[q];
    html += fmt::format(
        "<section class=\"answer\"><img alt=\"\" src=\"{}\"><div><b>{}</b><p class=\"soft\">right: "
        "{}</p><table>",
        text::picture_uri(shown.picture),
        escape_html(shown.question.empty() ? "(describe)" : shown.question),
        escape_html(shown.truth));
    for (const Measured& m : comparison.measured) {
      const std::string said = q < m.said.size() ? m.said[q] : "";
      const bool is_right = said == shown.truth;
      html += fmt::format("<tr><td class=\"soft\">{}</td><td class=\"{}\">{} {}</td></tr>",
                          escape_html(m.aligner), is_right ? "right" : "wrong",
                          is_right ? "✓" : "✗", escape_html(shortened(said)));
    }
    html += "</table></div></section>\n";
  }
  return html + "</div>\n";
}

std::string budget(const Comparison& comparison) {
  const recipe::Stage& stage = comparison.recipe.stages.front();
  const layout::ClipVisionConfig& vision = comparison.frozen.vision;
  std::vector<std::string> data;
  for (const recipe::DataEntry& entry : stage.data) data.push_back(entry.label());
  const std::string steps = stage.steps > 0 ? fmt::format("{} steps", stage.steps)
                                            : fmt::format("{} passes over the data", stage.epochs);
  return fmt::format(
      "<section><dl><dt>encoder</dt><dd>CLIP ViT, {} layers of {}, {} patches; frozen</dd>"
      "<dt>language model</dt><dd>{}; frozen</dd>"
      "<dt>data</dt><dd>{}; seed {}: the same samples in the same order for each</dd>"
      "<dt>budget</dt><dd>{}, batch {}{}</dd>"
      "<dt>held out</dt><dd>{}: {} answers about {} pictures</dd>"
      "<dt>threads</dt><dd>{}</dd></dl></section>\n",
      vision.num_hidden_layers, vision.hidden_size, vision.num_patches(),
      escape_html(comparison.frozen.language.architecture()),
      escape_html(fmt::format("{}", fmt::join(data, ", "))), stage.seed, steps, stage.batch,
      stage.accumulation > 1 ? fmt::format(" times {}", stage.accumulation) : "",
      escape_html(stage.held_out.data.front().label()), comparison.measured.front().answers.size(),
      comparison.measured.front().exact().pictures, comparison.threads);
}

constexpr const char* kNotes = R"(<section>
<p><b>Exact</b>: every token of an answer, its end included, is the likeliest one behind the right tokens before it; then greedy decoding
gives the answer. Intervals resample pictures (percentile bootstrap, 2000 times). The controls are the same questions before the first
step, with the picture of the next sample, and with a blank one.</p>
<p><b>Pairs</b>: exact McNemar test over answers, adjusted for the number of pairs as Holm does; the interval of the difference resamples
pictures. One run of each: what another seed would do is not in these intervals.</p>
<p><b>FLOPs</b> are counted from shapes: products of matrices and of attention, two for a multiplication and its addition, a causal
sequence at half its square; the head for one row. <b>Rows</b> are those of the sequence: soft tokens, and text in each family's own
spelling, which differs. The loss is per token of each family's own spelling and end of an answer; compare shares, not losses.</p>
<p><b>Time to the first token</b>: from the file of a picture nobody has seen to the first token's logits, three times for each picture
below. <b>Memory</b>: bytes of all weights as they are held, and float32 keys and values of the prompt's rows; of gated cross-attention
also latents and their keys and values. Peak: the largest resident memory of the process while it loaded the model and answered (VmHWM),
libraries and what earlier aligners left behind included.</p>
<p><b>The encoder</b> holds the same frozen weights for all. Projectors and the resampler read the patches behind its chosen layer; OneLLM
reads all rows, the class token too, behind its final norm. Pictures are resized to the encoder's size by each family's own rule.</p>
</section>
)";

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

void write_comparison_page(const std::filesystem::path& file, const Comparison& comparison) {
  const std::string title = "Aligners compared: " + comparison.recipe.name;
  std::string html = fmt::format(
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
      "content=\"width=device-width,initial-scale=1\"><title>{0}</title>\n<style>{1}{2}</style>"
      "</head><body><main>\n<h1>{0}</h1>\n<p class=\"soft\">One frozen encoder, one frozen "
      "language "
      "model, one stream of samples, one budget; between them another aligner each time.</p>\n",
      escape_html(title), watch::kLivePageStyle, kStyle);
  html += "<h2>What is the same</h2>\n" + budget(comparison);
  html += "<h2>What is not</h2>\n<section>" + own_table(comparison).html() + "</section>\n";
  html += "<h2>Quality</h2>\n<section>" + quality_table(comparison).html() + "</section>\n";
  html += "<h2>Cost</h2>\n<section>" + cost_table(comparison).html() + "</section>\n";
  html += "<h2>Curves and costs</h2>\n" + charts(comparison);
  if (!comparison.questions.empty())
    html += "<h2>Answers side by side</h2>\n" + answers(comparison);
  if (comparison.measured.size() > 1)
    html += "<h2>Pairs</h2>\n<section>" +
            (comparison.pairs.empty()
                 ? "<p>Not defined: the aligners did not answer the same questions, because not "
                   "every family could use every sample.</p>"
                 : pair_table(comparison).html()) +
            "</section>\n";
  html +=
      "<h2>By kind of question</h2>\n<section>" + kind_table(comparison).html() + "</section>\n";
  html += "<h2>Alignment</h2>\n<section>" + alignment_table(comparison).html() + "</section>\n";
  html += std::string("<h2>How it was measured</h2>\n") + kNotes + "</main></body></html>\n";
  write_file(file, html);
}

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

std::string comparison_as_text(const Comparison& comparison) {
  std::string text = quality_table(comparison).text() + "\n" + cost_table(comparison).text();
  if (!comparison.pairs.empty()) text += "\n" + pair_table(comparison).text();
  return text;
}

}  // namespace isthmus::cli
