// The style sheet of the report.
#pragma once

#include <string_view>

namespace isthmus::eval {

inline constexpr std::string_view kReportStyle = R"css(
:root {
  color-scheme: light dark;
  --page: #f6f7f9; --card: #ffffff; --text: #1c2430; --soft: #5d6878; --rule: #e3e7ed;
  --line: #2563c9; --band: #2563c926; --grid: #e6eaf0; --good: #1c7c4a; --bad: #b3382c;
  --mark: #fff4d6;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #11151b; --card: #1a2029; --text: #e5e9f0; --soft: #98a4b5; --rule: #2b3440;
    --line: #7fb0ff; --band: #7fb0ff2e; --grid: #29323e; --good: #6fcf97; --bad: #ff9488;
    --mark: #3a3216;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--page); color: var(--text); line-height: 1.5;
  font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", "Noto Sans", sans-serif;
}
main { max-width: 64rem; margin: 0 auto; padding: 2.2rem 1rem 3rem; }
h1 {
  font-size: 1.7rem; line-height: 1.25; margin: 0 0 .3rem; letter-spacing: -.01em;
  overflow-wrap: anywhere;
}
h2 { font-size: 1.25rem; margin: 0; }
h3 { font-size: 1rem; margin: 1.8rem 0 .7rem; }
p { margin: .3rem 0; }
.soft { color: var(--soft); font-size: .92rem; overflow-wrap: anywhere; }
.note {
  background: var(--mark); border-radius: .5rem; padding: .6rem .9rem; margin: .9rem 0;
  overflow-wrap: anywhere;
}
section {
  background: var(--card); border: 1px solid var(--rule); border-radius: .8rem;
  padding: 1.2rem 1.3rem 1.3rem; margin-top: 1.3rem;
}
.wide { overflow-x: auto; margin-top: .8rem; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td {
  text-align: right; padding: .45rem .7rem; border-bottom: 1px solid var(--rule);
  white-space: nowrap;
}
th { font-weight: 600; color: var(--soft); font-size: .86rem; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
tr:last-child td { border-bottom: 0; }
td small { display: block; color: var(--soft); font-size: .76rem; }
td.best { font-weight: 650; color: var(--line); }
td small { font-weight: 400; }
a { color: var(--line); }
.chart { display: block; width: 100%; max-width: 38rem; margin: .8rem auto 0; }
.chart text { fill: var(--soft); font-size: 12.5px; font-family: inherit; }
.chart .grid { stroke: var(--grid); stroke-width: 1; }
.chart .band { fill: var(--band); }
.chart .whisker { stroke: var(--line); stroke-opacity: .45; stroke-width: 1.5; }
.chart .curve { fill: none; stroke: var(--line); stroke-width: 2.5; stroke-linejoin: round; }
.chart .point { fill: var(--card); stroke: var(--line); stroke-width: 2.5; }
.chart .seed { fill: var(--line); fill-opacity: .5; }
.examples {
  display: grid; grid-template-columns: repeat(auto-fill, minmax(min(17rem, 100%), 1fr));
  gap: 1rem;
}
.example { border: 1px solid var(--rule); border-radius: .6rem; overflow: hidden; }
.example img {
  display: block; width: 100%; height: 11rem; object-fit: contain; background: var(--page);
}
.example div { padding: .7rem .85rem .8rem; font-size: .92rem; overflow-wrap: anywhere; }
.example .score {
  float: right; margin-left: .6rem; color: var(--soft); font-variant-numeric: tabular-nums;
}
.example .answer { font-weight: 600; }
.example ul { margin: .35rem 0 0; padding: 0; list-style: none; color: var(--soft); }
.example li { margin-top: .12rem; }
.example .ask { color: var(--soft); }
.example .id { font-size: .78rem; color: var(--soft); margin-top: .45rem; }
details { margin-top: 1.1rem; }
summary { cursor: pointer; color: var(--soft); }
pre {
  overflow-x: auto; font-size: .82rem; background: var(--page); padding: .8rem;
  border-radius: .5rem;
}
footer { color: var(--soft); font-size: .85rem; margin-top: 1.6rem; text-align: center; }
@media (max-width: 34rem) {
  main { padding: 1.2rem .7rem 2rem; }
  section { padding: 1rem .9rem; border-radius: .6rem; }
  h1 { font-size: 1.4rem; }
}
)css";

}  // namespace isthmus::eval
