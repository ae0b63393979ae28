#include "training/watcher.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "training/data_sets.h"
#include "training/forward.h"
#include "training/measurements.h"

namespace isthmus::training {
namespace {

using nlohmann::ordered_json;

// Every number in it, as NAME/KEY/….
void add_scalars(watch::EventFile& events, const std::string& name, const ordered_json& json,
                 int64_t step) {
  if (json.is_number()) {
    events.add_scalar(name, step, json.get<double>());
  } else if (json.is_object()) {
    for (const auto& [key, value] : json.items())
      add_scalars(events, name.empty() ? key : name + "/" + key, value, step);
  } else if (json.is_array()) {
    for (size_t i = 0; i < json.size(); ++i)
      add_scalars(events, fmt::format("{}/{}", name, i), json[i], step);
  }
}

// The text between the targets, and the targets.
struct Spoken {
  std::string question, answer;
};

Spoken last_exchange(const families::Example& example, const text::Tokenizer& tokenizer) {
  Spoken spoken;
  for (const families::Segment& segment : example.segments) {
    const auto* text = std::get_if<families::TextSegment>(&segment);
    if (text == nullptr) continue;
    const std::string words = tokenizer.decode(text->ids, true);
    if (!text->is_target) {
      spoken.question = words;
      spoken.answer.clear();
    } else {
      spoken.answer += words;
    }
  }
  return spoken;
}

}  // namespace

Watcher::Watcher(families::Family& family, const recipe::Recipe& recipe, const recipe::Stage& stage,
                 const std::filesystem::path& folder)
    : family_(family), stage_(stage), folder_(folder), title_(recipe.name + ": " + stage.name) {
  if (!stage.held_out.data.empty())
    held_out_ = std::make_unique<HeldOut>(family, stage.held_out, held_out_cache_bytes(stage));
}

Watcher::~Watcher() = default;

void Watcher::begin(int64_t step, int64_t steps) {
  metrics_.emplace(folder_ / "metrics.jsonl", step);
  // What is measured before the first step and behind the last is measured again.
  const bool again = step == 0 || step == steps;
  if (held_out_) held_out_log_.emplace(folder_ / "held_out.jsonl", again ? step - 1 : step);
  events_.emplace(folder_ / "tensorboard");
  events_->resumed_after(step);
  watch::LivePageOptions options;
  options.title = title_;
  options.steps = steps;
  for (const recipe::DataEntry& entry : stage_.data)
    options.series["loss"].push_back(entry.label());
  for (const recipe::Group& group : stage_.groups)
    options.series["gradient_norms"].push_back(group.match);
  page_.emplace(
      folder_ / "live.html",
      std::vector<std::filesystem::path>{folder_ / "metrics.jsonl", folder_ / "held_out.jsonl"},
      std::move(options));
}

void Watcher::add(const StepReport& report) {
  metrics_->add(report);
  constexpr int64_t kEventsEvery = 10, kPageEvery = 25;
  if (report.step % kEventsEvery == 0 || report.step == report.steps) {
    for (size_t e = 0; e < report.losses.size(); ++e)
      if (std::isfinite(report.losses[e]))
        events_->add_scalar("loss/" + stage_.data[e].label(), report.step, report.losses[e]);
    events_->add_scalar("gradient_norm", report.step, report.gradient_norm);
    events_->add_scalar("rate", report.step, report.rate);
    for (const auto& [name, value] : report.gauges) events_->add_scalar(name, report.step, value);
  }
  if (report.step % kPageEvery == 0 || report.step == report.steps) page_->write();
}

bool Watcher::is_due(int64_t step) const {
  return held_out_ && stage_.held_out.every > 0 && step % stage_.held_out.every == 0;
}

std::vector<std::string> Watcher::measure(int64_t step) {
  std::vector<std::string> lines;
  if (!held_out_) return lines;
  ordered_json line = {{"step", step}};
  for (size_t e = 0; e < held_out_->size(); ++e) {
    const std::string& name = held_out_->name(e);
    const ordered_json found = training::measure(family_, *held_out_, e);
    add_scalars(*events_, "held_out/" + name, found, step);
    const ordered_json& answers = found.at("answers");
    line["exact"][name] = answers.at("exact");
    line["held_out_loss"][name] = found.at("loss");
    if (answers.contains("exact_shuffled")) {
      line["exact_shuffled"][name] = answers.at("exact_shuffled");
      line["exact_blank"][name] = answers.at("exact_blank");
    }
    if (answers.contains("by_tag")) line["answers"][name] = answers.at("by_tag");
    if (found.contains("dependence")) line["dependence"][name] = found.at("dependence");
    if (found.contains("layers")) {
      line["alignment"][name] = {{"layers", found.at("layers")},
                                 {"retrieval", found.at("retrieval")}};
    }
    if (found.contains("routing")) line["routing"].update(found.at("routing"));
    std::string text = fmt::format("step {}: {}: {:.1f} % of answers exact", step, name,
                                   100 * answers.at("exact").get<double>());
    if (answers.contains("exact_shuffled"))
      text += fmt::format(" (with other media {:.1f} %, with blank ones {:.1f} %)",
                          100 * answers.at("exact_shuffled").get<double>(),
                          100 * answers.at("exact_blank").get<double>());
    lines.push_back(std::move(text));
  }
  held_out_log_->add_line(line);
  show_answers(step);
  page_->write();
  return lines;
}

void Watcher::show_answers(int64_t step) {
  constexpr size_t kShown = 3;
  const torch::NoGradGuard no_gradient;
  std::vector<watch::SampleAnswer> shown;
  for (size_t e = 0; e < held_out_->size(); ++e) {
    const auto& examples = held_out_->examples(e);
    for (size_t i = 0; i < std::min(kShown, examples.size()); ++i) {
      const auto one = std::span(examples).subspan(i, 1);
      const Forwarded found = forward(family_, one, encode(family_, one, held_out_->features()));
      // What greedy decoding would say, word by word, behind the right words before.
      const Tensor labels = found.labels[0];
      const Tensor places = labels.ge(0).nonzero().squeeze(1);
      if (places.size(0) == 0) continue;
      const Tensor said =
          family_.language_model().logits(found.hidden[0].index_select(0, places - 1)).argmax(-1);
      const auto text = [&](const Tensor& ids) {
        const Tensor dense = ids.to(torch::kInt64).contiguous();
        return family_.tokenizer()->decode(
            std::span(dense.data_ptr<int64_t>(), static_cast<size_t>(dense.numel())), true);
      };
      watch::SampleAnswer answer;
      answer.step = step;
      answer.question =
          held_out_->name(e) + ": " + last_exchange(examples[i], *family_.tokenizer()).question;
      answer.answer = text(said);
      answer.reference = text(labels.index_select(0, places));
      answer.picture = held_out_->picture(e, i);
      shown.push_back(std::move(answer));
    }
  }
  page_->show(std::move(shown));
}

void Watcher::finish() {
  if (page_) page_->write(/*is_finished=*/true);
}

}  // namespace isthmus::training
