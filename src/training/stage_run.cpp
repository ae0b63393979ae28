#include "training/stage_run.h"

#include <cmath>
#include <limits>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/content_hash.h"
#include "isthmus/error.h"
#include "samples/caption_folder.h"
#include "samples/conversations.h"
#include "weights/storage_policy.h"

namespace isthmus::training {
namespace {

using nlohmann::ordered_json;
using recipe::Combine;
using samples::Mixture;

std::shared_ptr<const samples::DataSet> open(const recipe::DataEntry& entry) {
  if (entry.type == "captions") return samples::open_caption_folder(entry.path);
  return samples::open_conversations(entry.path, {entry.media});
}

Decay decay_of(const std::string& word) {
  return word == "cosine" ? Decay::kCosine : word == "linear" ? Decay::kLinear : Decay::kConstant;
}

// Each weight in the first group that names it.
std::vector<ParameterGroup> groups_of(const recipe::Stage& stage,
                                      const std::vector<Trainable>& trainables) {
  std::vector<ParameterGroup> groups;
  for (const recipe::Group& group : stage.groups)
    groups.push_back({group.match, {}, group.rate, group.weight_decay});
  std::vector<std::string> left;
  for (const Trainable& trainable : trainables) {
    size_t g = 0;
    while (g < groups.size() && !weights::matches_glob(stage.groups[g].match, trainable.name)) ++g;
    if (g == groups.size())
      left.push_back(trainable.name);
    else
      groups[g].members.push_back(trainable);
  }
  if (!left.empty())
    throw UsageError(fmt::format("stage {}: no group takes {} (of {} weights that learn)",
                                 stage.name, left.front(), left.size()));
  return groups;
}

std::vector<std::unique_ptr<Optimizer>> optimizers_of(const recipe::Stage& stage,
                                                      std::vector<ParameterGroup> groups) {
  const recipe::OptimizerChoice& choice = stage.optimizer;
  std::vector<std::unique_ptr<Optimizer>> optimizers;
  if (choice.kind == "adamw") {
    optimizers.push_back(make_adamw(std::move(groups), {choice.beta1, choice.beta2, choice.eps}));
    return optimizers;
  }
  // Muon moves matrices; everything else goes by AdamW, at the same rates.
  std::vector<ParameterGroup> matrices = groups, others = groups;
  for (size_t g = 0; g < groups.size(); ++g) {
    std::erase_if(matrices[g].members, [](const Trainable& t) { return t.value.dim() != 2; });
    std::erase_if(others[g].members, [](const Trainable& t) { return t.value.dim() == 2; });
  }
  optimizers.push_back(make_muon(std::move(matrices), {choice.momentum}));
  optimizers.push_back(make_adamw(std::move(others), {choice.beta1, choice.beta2, choice.eps}));
  return optimizers;
}

}  // namespace

StageRun::StageRun(families::Family& family, const recipe::Recipe& recipe, size_t stage)
    : family_(family), recipe_(recipe), stage_(recipe.stages.at(stage)) {
  std::vector<samples::MixtureEntry> entries;
  for (const recipe::DataEntry& entry : stage_.data)
    entries.push_back({entry.path.filename().string(), open(entry), entry.weight, entry.order,
                       static_cast<size_t>(entry.batch > 0 ? entry.batch : stage_.batch),
                       static_cast<size_t>(stage_.accumulation)});
  data_ = std::make_unique<Mixture>(std::move(entries), stage_.seed);

  std::vector<TrainablePattern> patterns;
  for (const recipe::Pattern& pattern : stage_.trainable)
    patterns.push_back({pattern.match, pattern.rows});
  const auto trainables = make_trainable(family.modules(), patterns);
  learner_ =
      std::make_unique<Learner>(family, optimizers_of(stage_, groups_of(stage_, trainables)),
                                LearnerOptions{stage_.clip_norm, stage_.clip_every_micro_step});

  steps_ = stage_.steps;
  if (steps_ == 0) {
    const double samples = static_cast<double>(data_->entry(0).data->size()) * stage_.epochs;
    const auto per_step = static_cast<double>(stage_.batch * stage_.accumulation);
    steps_ = std::max<int64_t>(1, std::llround(std::ceil(samples / per_step)));
  }
  const auto count = static_cast<double>(steps_);
  const recipe::ScheduleChoice& choice = stage_.schedule;
  schedule_ = {
      decay_of(choice.decay),
      choice.warmup_ratio > 0 ? std::ceil(count * choice.warmup_ratio) : choice.warmup_steps, count,
      choice.min_rate};
}

int64_t StageRun::trainable_count() const {
  int64_t count = 0;
  for (const Trainable& trainable : learner_->trainables()) count += trainable.count();
  return count;
}

families::Example StageRun::use(const Mixture::Drawn& drawn, std::string& name) {
  const recipe::DataEntry& entry = stage_.data[drawn.entry];
  const samples::Sample sample = data_->entry(drawn.entry).data->at(drawn.index);
  name = sample.name;
  families::ExampleOptions options;
  options.conversation_template = entry.conversation_template;
  options.max_length = entry.max_length;
  return family_.example(sample, options);
}

std::vector<Shown> StageRun::preview() {
  constexpr int kTries = 20;
  std::vector<Shown> shown;
  const samples::MixturePosition start = data_->position();
  for (size_t e = 0; e < data_->size(); ++e) {
    std::string problem = "no token carries loss";
    Shown found;
    for (int i = 0; i < kTries && found.sample.empty(); ++i) {
      try {
        std::string name;
        families::Example example = use(data_->next_of(e), name);
        for (const families::Segment& segment : example.segments)
          if (const auto* text = std::get_if<families::TextSegment>(&segment);
              text != nullptr && text->is_target && !text->ids.empty())
            found.sample = name;
        if (!found.sample.empty()) found.example = std::move(example);
      } catch (const samples::BadSample& error) {
        problem = error.what();
      }
    }
    found.entry = data_->entry(e).name;
    if (found.sample.empty())
      throw InputError(fmt::format("{}: none of {} samples can be learnt from: {}", found.entry,
                                   kTries, problem));
    shown.push_back(std::move(found));
  }
  data_->go_to(start);
  return shown;
}

StageRun::Micro StageRun::next_batch(size_t entry, bool mixes) {
  const int64_t own = mixes ? 0 : stage_.data[entry].batch;
  const int64_t size = own > 0 ? own : stage_.batch;
  Micro micro{entry, {}, {}};
  while (static_cast<int64_t>(micro.examples.size()) < size) {
    std::string name;
    try {
      micro.examples.push_back(use(mixes ? data_->next() : data_->next_of(entry), name));
      micro.names.push_back(name);
    } catch (const samples::BadSample& error) {
      if (callbacks_ != nullptr) callbacks_->on_note(fmt::format("left out: {}", error.what()));
      if (++bad_samples_ > stage_.bad_samples)
        throw InputError(
            fmt::format("stage {}: {} samples could not be used, more than the {} "
                        "that bad_samples allows; the last: {}",
                        stage_.name, bad_samples_, stage_.bad_samples, error.what()));
    }
  }
  return micro;
}

void StageRun::micro_step(const Micro& micro, double scale, StepReport& report) {
  const MicroStep found = learner_->accumulate(micro.examples, scale);
  if (found.num_targets == 0) return;
  if (!std::isfinite(found.loss)) {
    learner_->drop_gradients();
    throw ModelError(fmt::format("step {}: the loss is {}; the samples were {}", report.step,
                                 found.loss, fmt::join(micro.names, ", ")));
  }
  sums_[micro.entry] += found.loss;
  ++counts_[micro.entry];
  report.targets += found.num_targets;
}

StepReport StageRun::step(int64_t at) {
  StepReport report;
  report.step = at + 1;
  report.steps = steps_;
  sums_.assign(data_->size(), 0);
  counts_.assign(data_->size(), 0);
  const double share = 1 / static_cast<double>(stage_.accumulation);
  for (int64_t a = 0; a < stage_.accumulation; ++a) {
    if (stage_.combine == Combine::kTogether) {
      for (size_t e = 0; e < data_->size(); ++e)
        micro_step(next_batch(e, false), share * stage_.data[e].loss_multiplier, report);
    } else {
      const bool mixes = stage_.combine == Combine::kSamples;
      micro_step(next_batch(mixes ? 0 : data_->turn(), mixes), share, report);
    }
    report.gradient_norm = learner_->finish_micro_step();
  }
  // The least rate is one number for all groups, not a share of each.
  std::vector<double> rates;
  for (const auto& optimizer : learner_->optimizers())
    for (const ParameterGroup& group : optimizer->groups())
      rates.push_back(learning_rate(schedule_, group.rate, static_cast<double>(at)));
  if (!std::isfinite(report.gradient_norm)) {
    learner_->drop_gradients();
    throw ModelError(fmt::format("step {}: the gradients are no numbers", report.step));
  }
  const double norm = learner_->step(rates);
  if (!stage_.clip_every_micro_step) report.gradient_norm = norm;
  report.rate = rates.empty() ? 0 : rates.front();
  for (size_t e = 0; e < sums_.size(); ++e)
    report.losses.push_back(counts_[e] > 0 ? sums_[e] / static_cast<double>(counts_[e])
                                           : std::numeric_limits<double>::quiet_NaN());
  return report;
}

TrainingState StageRun::state(int64_t step) const {
  TrainingState state;
  state.step = step;
  ordered_json prints = ordered_json::array();
  for (size_t e = 0; e < data_->size(); ++e) prints.push_back(data_->entry(e).data->fingerprint());
  state.place = {{"stage", stage_.name},
                 {"recipe", recipe_.text},
                 {"data", std::move(prints)},
                 {"drawn", data_->position().drawn},
                 {"places", data_->position().places},
                 {"bad_samples", bad_samples_}};
  for (const Trainable& trainable : learner_->trainables())
    state.tensors.emplace_back("weight." + trainable.name, trainable.value.detach());
  for (size_t o = 0; o < learner_->optimizers().size(); ++o)
    for (const auto& [name, tensor] : learner_->optimizers()[o]->state())
      state.tensors.emplace_back(fmt::format("optimiser.{}.{}", o, name), tensor);
  return state;
}

int64_t StageRun::restore(const TrainingState& saved) {
  const TrainingState own = state(0);
  const auto refuse = [](const std::string& what) {
    throw UsageError("the checkpoint was written by a run with " + what +
                     "; train into another folder, or remove its checkpoints");
  };
  if (saved.place.at("recipe") != own.place.at("recipe")) refuse("another recipe");
  if (saved.place.at("stage") != own.place.at("stage"))
    refuse("stage \"" + saved.place.at("stage").get<std::string>() + "\"");
  if (saved.place.at("data") != own.place.at("data")) refuse("other data");
  const torch::NoGradGuard no_gradient;
  std::vector<std::vector<std::pair<std::string, Tensor>>> states(learner_->optimizers().size());
  for (const auto& [name, tensor] : saved.tensors) {
    if (name.starts_with("weight.")) {
      for (const Trainable& trainable : learner_->trainables())
        if (name.substr(7) == trainable.name) Tensor(trainable.value).copy_(tensor);
    } else {
      const size_t begin = std::string_view("optimiser.").size(), dot = name.find('.', begin);
      states.at(std::stoul(name.substr(begin, dot - begin)))
          .emplace_back(name.substr(dot + 1), tensor);
    }
  }
  for (size_t o = 0; o < states.size(); ++o) learner_->optimizers()[o]->load_state(states[o]);
  data_->go_to({saved.place.at("drawn").get<uint64_t>(),
                saved.place.at("places").get<std::vector<uint64_t>>()});
  bad_samples_ = saved.place.at("bad_samples").get<int64_t>();
  return saved.step;
}

bool StageRun::run(const std::filesystem::path& checkpoints, const StageCallbacks& callbacks) {
  callbacks_ = &callbacks;
  const StateFolder folder(checkpoints, stage_.keep);
  int64_t at = 0;
  if (const auto saved = folder.newest([&](const std::string& problem) {
        callbacks.on_note("a checkpoint cannot be used: " + problem);
      })) {
    at = restore(*saved);
    if (at > 0) callbacks.on_note(fmt::format("going on after step {} of {}", at, steps_));
  }
  int64_t saved_at = at;
  const auto save = [&] {
    if (saved_at != at) folder.save(state(at));
    saved_at = at;
  };
  while (at < steps_ && !callbacks.cancelled()) {
    callbacks.on_step(step(at));
    ++at;
    if (stage_.save_every > 0 && at % stage_.save_every == 0) save();
  }
  save();
  callbacks_ = nullptr;
  return at == steps_;
}

}  // namespace isthmus::training
