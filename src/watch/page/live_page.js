"use strict";
// Draws what #data holds. The page is one file: everything it needs stands in it.

const data = JSON.parse(document.getElementById("data").textContent);
const main = document.querySelector("main");

// What is known of a chart by its name; others are shown under the name they have.
const CHARTS = {
  loss: ["Loss", "mean over the targets, nats; one line per data set", { log: true, smooth: true }],
  gradient_norm: ["Gradient norm", "before clipping", { log: true, smooth: true }],
  rate: ["Learning rate", "of the first group", {}],
  targets: ["Targets", "tokens that carried loss", { smooth: true }],
  "alignment/log2_ratio_median": ["Scale of soft tokens", "log₂ of media norm over text norm; 0 is the same scale", {}],
  "alignment/gap_unit": ["Modality gap", "between the mean unit rows of media and text", {}],
  "alignment/energy_coefficient_unbiased": ["Energy coefficient", "0: media rows and text rows are alike", {}],
  "alignment/cka_debiased": ["CKA, debiased", "1: media and text order the items alike", {}],
  "alignment/effective_rank": ["Effective rank", "below 2: every input looks the same", {}],
  "alignment/anisotropy": ["Anisotropy", "near 1: all rows point one way", {}],
  "alignment/gain_swapped_per_token": ["Gain by the own media", "nats a token against other items' media; 0: media say nothing", {}],
  "alignment/win_rate_swapped": ["Win rate", "own media against others'; 0.5 is chance", {}],
  "alignment/mir": ["MIR", "lower is better, within one language model", {}],
  "alignment/hub_share": ["Hub share", "of the commonest nearest word; above 0.5 is a collapse", {}],
};
const GROUPS = [["Inside the aligner", ["gates", "router"]], ["Alignment", ["alignment"]]];
const FIRST = ["loss", "gradient_norm", "rate", "targets"];
const GROUPED = GROUPS.flatMap(([, tops]) => tops);
const top_of = (name) => name.split("/")[0];

function element(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

function drawing(name, attributes = {}, text = "") {
  const node = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (text !== "") node.textContent = text;
  return node;
}

// Settings outlive the reload; a browser that keeps none for local files shows the defaults.
const settings = {
  get(key, fallback) {
    try { return JSON.parse(localStorage.getItem("isthmus." + key)) ?? fallback; } catch { return fallback; }
  },
  set(key, value) {
    try { localStorage.setItem("isthmus." + key, JSON.stringify(value)); } catch { /* not kept */ }
  },
};

function short(value) {
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1e6 || size < 1e-3) return value.toExponential(2).replace("e+", "e");
  if (Number.isInteger(value)) return value.toLocaleString("en");
  return String(Number(value.toPrecision(size >= 100 ? 5 : 4)));
}

function duration(seconds) {
  if (seconds < 90) return Math.round(seconds) + " s";
  if (seconds < 5400) return Math.round(seconds / 60) + " min";
  if (seconds < 172800) return (seconds / 3600).toFixed(1) + " h";
  return (seconds / 86400).toFixed(1) + " days";
}

function title(name) {
  if (CHARTS[name]) return CHARTS[name][0];
  const text = name.replace(/^alignment\//, "").replaceAll("_", " ").replaceAll("/", " · ");
  return text.charAt(0).toUpperCase() + text.slice(1);
}

// Eight colours to tell apart; more lines are layers, and go from blue to red.
function colour(index, count) {
  return count <= 8 ? `var(--c${index})` : `hsl(${225 - (225 * index) / (count - 1)} 65% 52%)`;
}

// ---- scales -----------------------------------------------------------------------------------

function round_step(span, ticks) {
  const rough = span / ticks, power = 10 ** Math.floor(Math.log10(rough));
  return power * [1, 2, 2.5, 5, 10].find((factor) => factor * power >= rough * 0.999);
}

function linear_ticks(low, high, count) {
  const step = round_step(high - low, count), ticks = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; ++i) ticks.push(i * step);
  return ticks.map((tick) => Number(tick.toPrecision(12)));
}

function log_ticks(low, high) {
  const ticks = [], first = Math.floor(Math.log10(low)), last = Math.ceil(Math.log10(high));
  const factors = last - first <= 2 ? [1, 2, 5] : [1];
  for (let power = first; power <= last; ++power)
    for (const factor of factors) {
      const tick = Number((factor * 10 ** power).toPrecision(6));
      if (tick >= low && tick <= high) ticks.push(tick);
    }
  return ticks.length >= 2 ? ticks : linear_ticks(low, high, 4);
}

// A running mean that starts without a bias (Kingma & Ba 2015, §3).
function smoothed(values, strength) {
  let sum = 0, weight = 0;
  return values.map((value) => {
    sum = strength * sum + (1 - strength) * value;
    weight = strength * weight + (1 - strength);
    return sum / weight;
  });
}

// ---- a chart ----------------------------------------------------------------------------------

class Chart {
  constructor(chart) {
    this.chart = chart;
    [, this.hint, this.options] = CHARTS[chart.name] ?? ["", "", {}];
    this.hidden = new Set(settings.get("hidden." + chart.name, []));
    this.can_log = this.options.log && chart.series.every((s) => s.values.every((v) => v > 0));
    this.is_log = this.can_log && settings.get("log." + chart.name, false);
    this.svg = drawing("svg", { role: "img", tabindex: "0", "aria-label": this.description() });
    this.tip = element("div", { class: "tip", hidden: "" });
    this.node = element("div", { class: "card chart" }, this.head(), element("div", { class: "hint" }, this.hint),
      element("div", { class: "plot" }, this.svg, this.tip));
    if (chart.series.length > 1) this.node.append(this.legend());
    this.svg.addEventListener("pointermove", (event) => this.point_at(event.offsetX));
    this.svg.addEventListener("pointerleave", () => this.point_at(null));
    this.svg.addEventListener("keydown", (event) => this.step_with(event));
    this.svg.addEventListener("blur", () => this.point_at(null));
    new ResizeObserver(() => this.draw()).observe(this.svg);
  }

  description() {
    return title(this.chart.name) + ": " + this.chart.series
      .map((s) => `${s.name} ${short(s.last)} at step ${s.steps.at(-1)}`.trim()).join(", ");
  }

  head() {
    const head = element("div", { class: "head" }, element("h3", {}, title(this.chart.name)));
    if (this.can_log) {
      const button = element("button", { "aria-pressed": this.is_log }, "log");
      button.addEventListener("click", () => {
        this.is_log = !this.is_log;
        button.setAttribute("aria-pressed", this.is_log);
        settings.set("log." + this.chart.name, this.is_log);
        this.draw();
      });
      head.append(button);
    }
    return head;
  }

  legend() {
    const legend = element("div", { class: "legend" });
    this.chart.series.forEach((series, index) => {
      const mark = element("i");
      mark.style.background = colour(index, this.chart.series.length);
      const button = element("button", { "aria-pressed": !this.hidden.has(series.name) }, mark, series.name);
      button.addEventListener("click", () => {
        if (!this.hidden.delete(series.name)) this.hidden.add(series.name);
        button.setAttribute("aria-pressed", !this.hidden.has(series.name));
        settings.set("hidden." + this.chart.name, [...this.hidden]);
        this.draw();
      });
      legend.append(button);
    });
    return legend;
  }

  shown() {
    return this.chart.series.map((series, index) => ({ ...series, index })).filter((s) => !this.hidden.has(s.name));
  }

  draw() {
    const width = this.svg.clientWidth, height = this.svg.clientHeight;
    if (width === 0) return;
    this.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.svg.replaceChildren();
    this.point_at(null);
    const lines = this.shown();
    if (lines.length === 0) return;
    const steps = lines.flatMap((s) => [s.steps[0], s.steps.at(-1)]);
    const values = lines.flatMap((s) => [...(s.low ?? s.values), ...(s.high ?? s.values)]);
    let first = Math.min(...steps), last = Math.max(...steps);
    if (first === last) { first -= 1; last += 1; }
    let [low, high] = this.limits(values);
    const left = 52, right = width - 10, top = 8, bottom = height - 24;
    const on = this.is_log ? Math.log10 : (v) => v;
    this.x = (step) => left + ((step - first) / (last - first)) * (right - left);
    this.y = (value) => bottom - ((on(value) - on(low)) / (on(high) - on(low))) * (bottom - top);
    for (const tick of this.is_log ? log_ticks(low, high) : linear_ticks(low, high, 5)) {
      const y = this.y(tick);
      this.svg.append(drawing("line", { class: "grid", x1: left, x2: right, y1: y, y2: y }),
        drawing("text", { x: left - 7, y: y + 4, "text-anchor": "end" }, short(tick)));
    }
    for (const tick of linear_ticks(first, last, Math.max(2, width / 110)))
      if (Number.isInteger(tick) && tick >= 0)
        this.svg.append(drawing("text", { x: this.x(tick), y: height - 6, "text-anchor": "middle" }, tick.toLocaleString("en")));
    for (const series of lines) this.draw_line(series);
    this.cross = drawing("line", { class: "cross", y1: top, y2: bottom, visibility: "hidden" });
    this.svg.append(this.cross);
  }

  limits(values) {
    let low = values[0], high = values[0];
    for (const value of values) { low = Math.min(low, value); high = Math.max(high, value); }
    if (this.is_log) return low === high ? [low / 2, high * 2] : [low / 1.05, high * 1.05];
    const margin = low === high ? Math.abs(low) * 0.1 || 1 : (high - low) * 0.06;
    return [low >= 0 && low - margin < 0 ? 0 : low - margin, high + margin];
  }

  draw_line(series) {
    const stroke = colour(series.index, this.chart.series.length);
    const path = (values) => values.map((v, i) => `${i ? "L" : "M"}${this.x(series.steps[i]).toFixed(1)} ${this.y(v).toFixed(1)}`).join("");
    if (series.low) {
      const back = series.steps.map((s, i) => `L${this.x(s).toFixed(1)} ${this.y(series.low[i]).toFixed(1)}`).reverse().join("");
      this.svg.append(drawing("path", { class: "spread", d: path(series.high) + back + "Z", fill: stroke }));
    }
    const strength = this.options.smooth ? Number(smoothing.value) : 0;
    if (series.values.length === 1) {
      this.svg.append(drawing("circle", { cx: this.x(series.steps[0]), cy: this.y(series.values[0]), r: 3, fill: stroke }));
      return;
    }
    if (strength > 0) this.svg.append(drawing("path", { class: "line raw", d: path(series.values), stroke }));
    this.svg.append(drawing("path", { class: "line", d: path(strength > 0 ? smoothed(series.values, strength) : series.values), stroke }));
  }

  // The step nearest to a place, over all lines that are shown.
  point_at(place) {
    const lines = this.shown();
    this.is_read = place !== null && lines.length > 0;
    if (!this.is_read) {
      this.tip.hidden = true;
      this.cross?.setAttribute("visibility", "hidden");
      return;
    }
    let at = null;
    for (const series of lines)
      for (const step of series.steps)
        if (at === null || Math.abs(this.x(step) - place) < Math.abs(this.x(at) - place)) at = step;
    this.tell(at, lines);
  }

  tell(step, lines) {
    this.at = step;
    const x = this.x(step);
    this.cross.setAttribute("x1", x);
    this.cross.setAttribute("x2", x);
    this.cross.setAttribute("visibility", "visible");
    this.tip.replaceChildren(element("div", { class: "soft" }, "step " + step.toLocaleString("en")));
    for (const series of lines.slice(0, 16)) {
      const index = series.steps.indexOf(step);
      if (index < 0) continue;
      const mark = element("i");
      mark.style.background = colour(series.index, this.chart.series.length);
      this.tip.append(element("div", {}, mark, `${series.name} ${short(series.values[index])}`.trim()));
    }
    this.tip.hidden = false;
    const width = this.tip.offsetWidth;
    this.tip.style.left = (x + 14 + width > this.svg.clientWidth ? Math.max(0, x - width - 14) : x + 14) + "px";
  }

  step_with(event) {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key], lines = this.shown();
    if (!by || lines.length === 0) return;
    event.preventDefault();
    const steps = lines[0].steps, now = steps.indexOf(this.at);
    this.is_read = true;
    this.tell(steps[now < 0 ? steps.length - 1 : Math.min(steps.length - 1, Math.max(0, now + by))], lines);
  }
}

// ---- the page ---------------------------------------------------------------------------------

const smoothing = element("input", { type: "range", min: 0, max: 0.98, step: 0.02, value: settings.get("smoothing", 0.6) });
const charts = data.charts.map((chart) => new Chart(chart));
smoothing.addEventListener("input", () => {
  settings.set("smoothing", Number(smoothing.value));
  for (const chart of charts) chart.draw();
});

let is_paused = settings.get("paused", false);
const status = element("span");
function say_status() {
  const age = Math.max(0, Date.now() / 1000 - data.written);
  const is_late = !data.finished && age > 6 * data.refresh + 60;
  const parts = ["step " + data.step.toLocaleString("en") + (data.steps ? " of " + data.steps.toLocaleString("en") : "")];
  if (data.seconds_per_step && !data.finished) {
    parts.push(duration(data.seconds_per_step) === "0 s" ? (1 / data.seconds_per_step).toFixed(1) + " steps a second"
                                                         : data.seconds_per_step.toFixed(1) + " s a step");
    if (data.steps > data.step) parts.push("about " + duration(data.seconds_per_step * (data.steps - data.step)) + " left");
  }
  parts.push(data.finished ? "finished" : "written " + duration(age) + " ago");
  status.replaceChildren(element("span", { class: "dot " + (data.finished ? "" : is_late ? "late" : "live") }), parts.join(" · "));
}

function header() {
  const bar = element("div", { class: "bar soft" }, status);
  if (charts.some((chart) => chart.options.smooth)) bar.append(element("label", {}, "smoothing", smoothing));
  if (data.refresh > 0) {
    const button = element("button", { "aria-pressed": is_paused }, "pause");
    button.addEventListener("click", () => {
      is_paused = !is_paused;
      button.setAttribute("aria-pressed", is_paused);
      settings.set("paused", is_paused);
    });
    bar.append(button);
  }
  main.append(bar);
  if (data.steps > 0) {
    const filled = element("div");
    filled.style.width = Math.min(100, (100 * data.step) / data.steps) + "%";
    main.append(element("div", { class: "progress", role: "progressbar", "aria-valuenow": data.step, "aria-valuemax": data.steps,
                                 "aria-label": "steps done" }, filled));
  }
  for (const alarm of data.alarms) main.append(element("div", { class: "alarm", role: "alert" }, alarm));
}

// What everybody asks for first comes first, then as in the metrics.
function in_order(list) {
  const place = (chart) => {
    const at = FIRST.indexOf(chart.name);
    return at < 0 ? FIRST.length : at;
  };
  return [...list].sort((a, b) => place(a) - place(b));
}

// The last value of what has few lines, beside what it was a tenth of the run before.
function tiles() {
  const node = element("div", { class: "tiles" });
  for (const chart of in_order(data.charts)) {
    if (chart.series.length > 2 || chart.name === "targets" || node.childElementCount >= 12) continue;
    for (const series of chart.series) {
      const back = Math.max(1, Math.floor(series.values.length / 10));
      const before = series.values.at(-1 - back);
      const name = title(chart.name) + (chart.series.length > 1 ? " " + series.name : "");
      const tile = element("div", { class: "card tile" }, element("div", { class: "name" }, name),
        element("div", { class: "number" }, short(series.last)));
      if (before !== undefined && series.last !== before) {
        const arrow = series.last > before ? "▲ " : "▼ ";
        tile.append(element("div", { class: "change" }, arrow + short(Number(Math.abs(series.last - before).toPrecision(3))) +
          ` since ${series.steps.at(-1 - back).toLocaleString("en")}`));
      }
      node.append(tile);
    }
  }
  if (node.childElementCount > 0) main.append(node);
}

function chart_group(name, belongs) {
  const nodes = in_order(data.charts).filter((chart) => belongs(top_of(chart.name))).map((chart) => charts[data.charts.indexOf(chart)].node);
  if (nodes.length > 0) main.append(element("h2", {}, name), element("div", { class: "charts" }, ...nodes));
}

function answers() {
  if (data.answers.length === 0) return;
  const cards = data.answers.map((answer) => {
    const text = element("div", {}, element("p", { class: "soft" }, answer.question), element("p", { class: "said" }, answer.answer));
    if (answer.reference) text.append(element("p", { class: "soft" }, "in the data: " + answer.reference));
    if (answer.left_out) text.append(element("p", { class: "soft" }, "(its picture is too large for this page, or of another kind)"));
    text.append(element("p", { class: "soft" }, "step " + answer.step.toLocaleString("en")));
    const card = element("div", { class: "card answer" });
    if (answer.picture) card.append(element("img", { src: answer.picture, alt: "the picture of this question" }));
    card.append(text);
    return card;
  });
  main.append(element("h2", {}, "What it says now"), element("div", { class: "answers" }, ...cards));
}

header();
tiles();
chart_group("Training", (top) => !GROUPED.includes(top));
answers();
for (const [name, tops] of GROUPS) chart_group(name, (top) => tops.includes(top));
if (charts.length === 0) main.append(element("p", { class: "soft" }, "No step is done yet."));
say_status();
setInterval(say_status, 1000);

// Somebody who reads a chart, or looks elsewhere, is not interrupted; where the page stood is kept.
if (data.refresh > 0) {
  const opened = Date.now();
  setInterval(() => {
    const is_due = Date.now() - opened > 1000 * data.refresh;
    if (!is_due || is_paused || document.hidden || charts.some((chart) => chart.is_read)) return;
    settings.set("scroll", scrollY);
    location.reload();
  }, 500);
  const before = settings.get("scroll", null);
  if (before !== null) {
    settings.set("scroll", null);
    requestAnimationFrame(() => scrollTo(0, before));
  }
}
