#include "training/stage_run.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string_view>
#include <thread>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <torch/utils.h>

#include "isthmus/error.h"
#include "training/data_sets.h"
#include "training/stage_setup.h"

namespace isthmus::training {
namespace {

using nlohmann::ordered_json;
using recipe::Combine;
using samples::Mixture;

// The loss of a micro-batch was no number.
struct NonFinite {
  std::string what;
};

// Of all processes, by name; each is asked for its own in turn.
std::vector<std::pair<std::string, Tensor>> gathered(
    Processes& processes, const std::vector<std::pair<std::string, Tensor>>& own) {
  if (processes.world() == 1) return own;
  ordered_json names = ordered_json::array();
  for (const auto& [name, tensor] : own) names.push_back({name, tensor.sizes().vec()});
  const auto lists = processes.gather(names.dump());
  std::vector<std::pair<std::string, Tensor>> all;
  for (int64_t rank = 0; rank < processes.world(); ++rank) {
    std::vector<Tensor> tensors;
    const auto list = ordered_json::parse(lists[static_cast<size_t>(rank)]);
    for (size_t i = 0; i < list.size(); ++i)
      tensors.push_back(rank == processes.rank()
                            ? own[i].second
                            : torch::zeros(list[i][1].get<std::vector<int64_t>>()));
    processes.hand_out(tensors, rank);
    for (size_t i = 0; i < list.size() && processes.is_first(); ++i)
      all.emplace_back(list[i][0].get<std::string>(), tensors[i]);
  }
  return all;
}

}  // namespace

samples::Share StageRun::share() const {
  return {static_cast<uint64_t>(processes_->rank()), static_cast<uint64_t>(processes_->world())};
}

StageRun::StageRun(families::Family& family, const recipe::Recipe& recipe, size_t stage,
                   std::shared_ptr<Processes> processes)
    : family_(family),
      recipe_(recipe),
      stage_(recipe.stages.at(stage)),
      processes_(std::move(processes)) {
  data_ = open_mixture(stage_, share());
  auto trainables = open_weights(family.modules(), stage_);
  const auto owners = owners_of(trainables, processes_->world());
  std::vector<bool> mine;
  for (const int64_t owner : owners) mine.push_back(owner == processes_->rank());
  auto optimizers = make_optimizers(stage_, trainables, mine);
  if (stage_.ema > 0)
    for (const Trainable& trainable : trainables)
      means_.push_back(trainable.value.detach().clone());
  learner_ = std::make_unique<Learner>(
      family, std::move(optimizers), std::move(trainables),
      LearnerOptions{stage_.clip_norm, stage_.clip_every_micro_step, stage_.gradient_checkpointing},
      processes_);

  if (stage_.cache_mb > 0 || !stage_.cache_folder.empty()) {
    const auto folder = processes_->is_first() ? stage_.cache_folder : std::filesystem::path();
    cache_ = std::make_unique<FeatureCache>(
        family, FeatureCacheOptions{static_cast<size_t>(stage_.cache_mb) << 20, folder});
    learner_->set_feature_cache(cache_.get());
  }
  position_ = data_->position();

  steps_ = stage_.steps;
  if (steps_ == 0) {
    const double samples = static_cast<double>(data_->entry(0).data->size()) * stage_.epochs;
    const auto per_step = static_cast<double>(stage_.batch * stage_.accumulation);
    steps_ = std::max<int64_t>(1, std::llround(std::ceil(samples / per_step)));
  }
  schedule_ = make_schedule(stage_, steps_);
}

int64_t StageRun::trainable_count() const {
  int64_t count = 0;
  for (const Trainable& trainable : learner_->trainables()) count += trainable.count();
  return count;
}

std::vector<Shown> StageRun::preview() { return survey(family_, stage_, *data_); }

MemoryEstimate StageRun::memory(const std::vector<Shown>& shown, int64_t program) const {
  return memory_of(family_, stage_, trainables(),
                   layer_costs(family_, trainables(), stage_.gradient_checkpointing), shown,
                   processes_->world(), program);
}

double StageRun::seconds_of_step(const std::vector<Shown>& shown) const {
  const auto layers = layer_costs(family_, trainables(), stage_.gradient_checkpointing);
  double rows = 0;
  for (const Shown& entry : shown) {
    const BatchShape batch = batch_shape(entry, stage_.batch / processes_->world());
    rows = std::max(rows, batch.sequences * batch.rows);
  }
  const double computing = measure_speed(family_, static_cast<int64_t>(rows))
                               .seconds(work_of_step(stage_, layers, shown, processes_->world()));
  return training::seconds_of_step(
      computing, feeding_of_step(stage_, shown, processes_->world()), at::get_num_threads(),
      static_cast<int>(std::max(1u, std::thread::hardware_concurrency())));
}

void StageRun::micro_step(double scale, StepReport& report) {
  const MicroBatch micro = feed_->next();
  ++taken_;
  position_ = micro.position;
  bad_samples_ = micro.bad_samples;
  for (const std::string& note : micro.notes) callbacks_->on_note(note);
  if (stage_.combine == Combine::kTogether) scale *= stage_.data[micro.entry].loss_multiplier;
  const MicroStep found = learner_->accumulate(micro.examples, scale);
  if (found.num_targets == 0) return;
  if (!std::isfinite(found.loss))
    throw NonFinite{fmt::format("the loss is {}; the samples were {}", found.loss,
                                fmt::join(micro.names, ", "))};
  sums_[micro.entry] += found.loss;
  ++counts_[micro.entry];
  report.targets += found.num_targets;
}

int64_t StageRun::batches_of_step() const {
  const bool together = stage_.combine == Combine::kTogether;
  return stage_.accumulation * (together ? static_cast<int64_t>(data_->size()) : 1);
}

void StageRun::learn(int64_t at, StepReport& report) {
  const double share = 1 / static_cast<double>(stage_.accumulation);
  for (int64_t a = 0; a < stage_.accumulation; ++a) {
    for (int64_t m = 0; m < batches_of_step() / stage_.accumulation; ++m) micro_step(share, report);
    report.gradient_norm = learner_->finish_micro_step();
  }
  // The least rate is one number for all groups, not a share of each.
  std::vector<double> rates;
  for (const auto& optimizer : learner_->optimizers())
    for (const ParameterGroup& group : optimizer->groups())
      rates.push_back(learning_rate(schedule_, group.rate, static_cast<double>(at)));
  gauge(report);
  const double norm = learner_->step(rates);
  if (!std::isfinite(norm)) throw NonFinite{"the gradients are no numbers"};
  if (at == 0 && norm == 0 && report.targets > 0)
    throw UsageError(
        fmt::format("stage {}: {} tokens carry loss, but no gradient reaches what learns ({}, …): "
                    "it has no part "
                    "in these samples",
                    stage_.name, report.targets, learner_->trainables().front().name));
  if (!stage_.clip_every_micro_step) report.gradient_norm = norm;
  report.rate = rates.empty() ? 0 : rates.front();
}

void StageRun::gauge(StepReport& report) const {
  const torch::NoGradGuard no_gradient;
  if (stage_.groups.size() > 1 && processes_->world() == 1) {
    std::vector<double> squares(stage_.groups.size(), 0);
    for (const auto& optimizer : learner_->optimizers())
      for (size_t g = 0; g < optimizer->groups().size(); ++g) {
        const double norm = gradient_norm(optimizer->groups()[g].members);
        squares[g] += norm * norm;
      }
    for (size_t g = 0; g < squares.size(); ++g)
      report.gauges.emplace_back("gradient_norms/" + stage_.groups[g].match, std::sqrt(squares[g]));
  }
  for (const Trainable& trainable : learner_->trainables())
    if (trainable.name.ends_with("_gate")) {
      const size_t block = std::string_view("aligner.cross_attention.").size();
      report.gauges.emplace_back("gates/" + trainable.name.substr(block),
                                 std::tanh(trainable.value.item<double>()));
    }
}

StepReport StageRun::step(int64_t at) {
  StepReport report;
  report.step = at + 1;
  report.steps = steps_;
  sums_.assign(data_->size(), 0);
  counts_.assign(data_->size(), 0);
  // Dropout asks the global generator: the same numbers whether the run was interrupted or not.
  if (stage_.lora.dropout > 0)
    torch::manual_seed(stage_.seed + static_cast<uint64_t>(at * processes_->world()) +
                       static_cast<uint64_t>(processes_->rank()));
  taken_ = 0;
  try {
    learn(at, report);
    average();
  } catch (const NonFinite& found) {
    learner_->drop_gradients();
    // What is left of the step's batches goes with it.
    for (; taken_ < batches_of_step(); ++taken_) {
      const MicroBatch passed = feed_->next();
      position_ = passed.position;
      bad_samples_ = passed.bad_samples;
    }
    const std::string what = fmt::format("step {}: {}", report.step, found.what);
    if (!stage_.skips_non_finite)
      throw ModelError(what + "; \"non_finite: skip\" in the stage leaves such steps out");
    if (callbacks_ != nullptr) callbacks_->on_note("left out: " + what);
    report.skipped = true;
  }
  for (size_t e = 0; e < sums_.size(); ++e)
    report.losses.push_back(counts_[e] > 0 && !report.skipped
                                ? sums_[e] / static_cast<double>(counts_[e])
                                : std::numeric_limits<double>::quiet_NaN());
  return report;
}

void StageRun::average() {
  const torch::NoGradGuard no_gradient;
  for (size_t i = 0; i < means_.size(); ++i)
    means_[i].lerp_(learner_->trainables()[i].value.detach(), 1 - stage_.ema);
}

TrainingState StageRun::state(int64_t step) {
  TrainingState state;
  state.step = step;
  ordered_json prints = ordered_json::array();
  for (size_t e = 0; e < data_->size(); ++e) prints.push_back(data_->entry(e).data->fingerprint());
  const ordered_json place = {
      {"drawn", position_.drawn}, {"places", position_.places}, {"bad_samples", bad_samples_}};
  ordered_json places = ordered_json::array();
  for (const std::string& text : processes_->gather(place.dump()))
    places.push_back(ordered_json::parse(text));
  state.place = {{"stage", stage_.name},
                 {"recipe", recipe_.text},
                 {"data", std::move(prints)},
                 {"processes", std::move(places)}};
  const auto& trainables = learner_->trainables();
  for (const Trainable& trainable : trainables)
    state.tensors.emplace_back("weight." + trainable.name, trainable.value.detach());
  for (size_t i = 0; i < means_.size(); ++i)
    state.tensors.emplace_back("mean." + trainables[i].name, means_[i]);
  std::vector<std::pair<std::string, Tensor>> own;
  for (size_t o = 0; o < learner_->optimizers().size(); ++o)
    for (const auto& [name, tensor] : learner_->optimizers()[o]->state())
      own.emplace_back(fmt::format("optimiser.{}.{}", o, name), tensor);
  for (auto& entry : gathered(*processes_, own)) state.tensors.push_back(std::move(entry));
  return state;
}

void StageRun::check_same_run(const TrainingState& saved) const {
  const auto refuse = [](const std::string& what) {
    throw UsageError("the checkpoint was written by a run with " + what +
                     "; train into another folder, or remove its checkpoints");
  };
  const auto text = saved.place.at("recipe").get<std::string>();
  if (text != recipe_.text)
    refuse(fmt::format("another recipe: {}",
                       fmt::join(recipe::differences(text, recipe_.text), "; ")));
  if (saved.place.at("stage") != stage_.name)
    refuse("stage \"" + saved.place.at("stage").get<std::string>() + "\"");
  std::vector<std::string> changed;
  for (size_t e = 0; e < data_->size(); ++e)
    if (saved.place.at("data").at(e) != data_->entry(e).data->fingerprint())
      changed.push_back(stage_.data[e].path.string());
  if (!changed.empty()) refuse(fmt::format("other data: {} changed", fmt::join(changed, ", ")));
}

void StageRun::restore(const TrainingState& saved) {
  check_same_run(saved);
  const torch::NoGradGuard no_gradient;
  const auto& trainables = learner_->trainables();
  std::vector<std::vector<std::pair<std::string, Tensor>>> states(learner_->optimizers().size());
  const auto belongs = [&](size_t optimizer, const std::string& name) {
    const std::string weight = name.substr(name.find('.') + 1);
    const auto own = learner_->optimizers()[optimizer]->trainables();
    return std::ranges::find(own, weight, &Trainable::name) != own.end();
  };
  for (const auto& [name, tensor] : saved.tensors) {
    if (name.starts_with("optimiser.")) {
      const size_t begin = std::string_view("optimiser.").size(), dot = name.find('.', begin);
      const size_t optimizer = std::stoul(name.substr(begin, dot - begin));
      const std::string rest = name.substr(dot + 1);
      if (belongs(optimizer, rest)) states.at(optimizer).emplace_back(rest, tensor);
      continue;
    }
    const bool is_mean = name.starts_with("mean.");
    const std::string weight = name.substr(name.find('.') + 1);
    const auto found = std::ranges::find(trainables, weight, &Trainable::name);
    if (found == trainables.end()) continue;
    if (!is_mean)
      Tensor(found->value).copy_(tensor);
    else if (!means_.empty())
      means_[static_cast<size_t>(found - trainables.begin())].copy_(tensor);
  }
  for (size_t o = 0; o < states.size(); ++o) learner_->optimizers()[o]->load_state(states[o]);

  // With another number of processes: behind what any of them has seen.
  const ordered_json& places = saved.place.at("processes");
  const bool same = std::ssize(places) == processes_->world();
  samples::MixturePosition position;
  bad_samples_ = 0;
  for (size_t rank = 0; rank < places.size(); ++rank) {
    if (same && static_cast<int64_t>(rank) != processes_->rank()) continue;
    const auto found = places[rank].at("places").get<std::vector<uint64_t>>();
    position.places.resize(found.size());
    for (size_t e = 0; e < found.size(); ++e)
      position.places[e] = std::max(position.places[e], found[e]);
    position.drawn = std::max(position.drawn, places[rank].at("drawn").get<uint64_t>());
    bad_samples_ += places[rank].at("bad_samples").get<int64_t>();
  }
  data_->go_to(position);
  position_ = position;
}

bool StageRun::run(const std::filesystem::path& checkpoints, const StageCallbacks& callbacks) {
  callbacks_ = &callbacks;
  const StateFolder folder(checkpoints, stage_.keep);
  int64_t at = 0;
  if (const auto saved = folder.newest([&](const std::string& problem) {
        callbacks.on_note("a checkpoint cannot be used: " + problem);
      })) {
    restore(*saved);
    at = saved->step;
    if (at > 0) callbacks.on_note(fmt::format("going on after step {} of {}", at, steps_));
  }
  int64_t saved_at = at;
  const auto save = [&] {
    if (saved_at == at) return;
    const TrainingState now = state(at);
    if (processes_->is_first()) folder.save(now);
    saved_at = at;
  };
  const auto cancelled = [&] {
    const bool own = callbacks.cancelled();
    return processes_->world() == 1 ? own : processes_->any(own);
  };
  if (processes_->is_first()) callbacks.on_begin(at);
  feed_ = std::make_unique<Feed>(family_, stage_, *data_, share(), bad_samples_);
  while (at < steps_ && !cancelled()) {
    const StepReport report = step(at);
    if (processes_->is_first()) callbacks.on_step(report);
    ++at;
    if (stage_.save_every > 0 && at % stage_.save_every == 0) save();
  }
  feed_.reset();
  save();
  processes_->wait();
  callbacks_ = nullptr;
  if (at < steps_) return false;
  const torch::NoGradGuard no_gradient;
  for (size_t i = 0; i < means_.size(); ++i)
    Tensor(learner_->trainables()[i].value).copy_(means_[i]);
  return true;
}

}  // namespace isthmus::training
