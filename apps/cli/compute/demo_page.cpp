#include "demo_page.h"

#include <fmt/format.h>

#include "base/atomic_file.h"
#include "text/html.h"

namespace isthmus::cli {
namespace {

constexpr const char* kHead = R"(<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Isthmus: before and after alignment</title>
<style>
:root { color-scheme: light dark; --line: #8884; --good: #1a7f37; --bad: #b35900; --quiet: #8a8a8a; }
body { font: 16px/1.45 system-ui, sans-serif; max-width: 68rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-weight: 600; } h2 { margin-top: 2.5rem; }
.items { display: grid; grid-template-columns: repeat(auto-fill, minmax(20rem, 1fr)); gap: 1.2rem; }
.item { border: 1px solid var(--line); border-radius: .6rem; padding: .9rem; }
.item h3 { margin: 0 0 .6rem; font-size: 1rem; font-weight: 600; }
.shown { display: flex; flex-wrap: wrap; gap: .3rem; margin-bottom: .6rem; }
.shown img, .shown svg { width: 100%; max-width: 16rem; border-radius: .3rem; image-rendering: auto; }
.shown.many img { width: 4.6rem; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
td, th { text-align: left; padding: .2rem .3rem; border-top: 1px solid var(--line); vertical-align: top; }
th { font-weight: 500; color: var(--quiet); } .before { color: var(--quiet); }
.right { color: var(--good); } .wrong { color: var(--bad); }
</style></head><body>
<h1>Before and after alignment</h1>
<p>An encoder that has seen pictures, a language model that has read texts, and between them an aligner: untrained, the
answers are noise; after minutes of training they are about what is there. None of these inputs was ever learnt from. All
three families begin with the same encoder and language model.</p>
)";

}  // namespace

void write_demo_page(const std::filesystem::path& file, const std::vector<DemoItem>& items) {
  std::string html = kHead;
  std::string family;
  for (const DemoItem& item : items) {
    if (item.family != family) {
      if (!family.empty()) html += "</div>\n";
      family = item.family;
      html += fmt::format("<h2>{}</h2>\n<div class=\"items\">\n", text::escape_html(family));
    }
    const bool many = item.picture.find("<img", item.picture.find("<img") + 1) != std::string::npos;
    html += fmt::format("<div class=\"item\"><h3>{}</h3><div class=\"shown{}\">{}</div>\n<table>"
                        "<tr><th>question</th><th>before</th><th>after</th></tr>",
                        text::escape_html(item.title), many ? " many" : "", item.picture);
    for (const DemoAnswer& answer : item.answers)
      html += fmt::format(
          "<tr><td>{}</td><td class=\"before\">{}</td><td class=\"{}\">{}{}</td></tr>",
          text::escape_html(answer.question), text::escape_html(answer.before), answer.is_right() ? "right" : "wrong",
          text::escape_html(answer.after),
          answer.is_right() ? " ✓" : fmt::format(" (right: {})", text::escape_html(answer.right)));
    html += "</table></div>\n";
  }
  html += family.empty() ? "</body></html>\n" : "</div>\n</body></html>\n";
  write_file(file, html);
}

}  // namespace isthmus::cli
