#include "compare_charts.h"

#include <algorithm>
#include <vector>

#include <fmt/format.h>

#include "compare_numbers.h"
#include "text/html.h"

namespace isthmus::cli {
namespace {

using text::escape_html;

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

}  // namespace

std::string comparison_charts(const Comparison& comparison) {
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

}  // namespace isthmus::cli
