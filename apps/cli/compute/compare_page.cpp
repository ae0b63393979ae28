#include "compare_page.h"

#include <string>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/atomic_file.h"
#include "compare_charts.h"
#include "compare_tables.h"
#include "text/html.h"
#include "watch/live_page_assets.h"

namespace isthmus::cli {
namespace {

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
  html += "<h2>Curves and costs</h2>\n" + comparison_charts(comparison);
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

}  // namespace isthmus::cli
