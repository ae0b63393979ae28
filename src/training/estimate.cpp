#include "training/estimate.h"

#include <algorithm>
#include <cctype>
#include <chrono>
#include <cmath>
#include <limits>
#include <map>
#include <memory>
#include <tuple>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "nn/slots.h"
#include "training/feed.h"
#include "training/held_out.h"
#include "training/stage_setup.h"

namespace isthmus::training {
namespace {

constexpr double kFloat = sizeof(float);

bool is_number(std::string_view word) {
  return !word.empty() &&
         std::ranges::all_of(word, [](unsigned char c) { return std::isdigit(c); });
}

std::vector<std::string> words_of(const std::string& name) {
  std::vector<std::string> words;
  for (size_t begin = 0;;) {
    const size_t dot = name.find('.', begin);
    words.push_back(name.substr(begin, dot - begin));
    if (dot == std::string::npos) return words;
    begin = dot + 1;
  }
}

// "decoder.layers.3" of "decoder.layers.3.mlp.up_proj.weight"; of what is in no block, two words.
std::string block_of(const std::string& name) {
  const auto words = words_of(name);
  size_t count = std::min<size_t>(2, words.size());
  for (size_t i = 0; i < words.size(); ++i)
    if (is_number(words[i])) {
      count = i + 1;
      break;
    }
  return fmt::format(
      "{}", fmt::join(words.begin(), words.begin() + static_cast<std::ptrdiff_t>(count), "."));
}

bool has(std::string_view name, std::string_view part) {
  return name.find(part) != std::string_view::npos;
}

// Rows of tables are looked up, not multiplied.
bool is_table(std::string_view name) {
  return has(name, "embed_tokens") || has(name, ".wte.") || has(name, "embed_in") ||
         has(name, "embed_positions") || has(name, "position_embedding");
}
bool is_head(std::string_view name) {
  return has(name, "lm_head") || has(name, "embed_out") || has(name, "decoder.output.");
}
bool is_gated_block(std::string_view name) {
  return name.starts_with("aligner.") && has(name, "cross_attention");
}

// Before what a block stands: the parts one after the other, gated blocks before the decoder's own
// of the same number.
std::tuple<int, int64_t, int> place_of(const std::string& name) {
  const std::string block = block_of(name);
  const std::string last = block.substr(block.rfind('.') + 1);
  const int64_t number = is_number(last) ? std::stoll(last) : 0;
  if (name.starts_with("encoder.")) return {0, is_number(last) ? number + 1 : 0, 0};
  if (is_gated_block(name)) return {3, number, 0};
  if (name.starts_with("aligner.")) return {1, 0, 0};
  if (is_head(name)) return {5, 0, 0};
  if (is_table(name)) return {2, 0, 0};
  return is_number(last) ? std::tuple{3, number, 1} : std::tuple{4, int64_t{0}, 0};
}

// What a block keeps of a row for the way back. Attention computes its weights again.
double kept_of_row(const LayerCost& layer) {
  return static_cast<double>(layer.outputs + layer.widest + 2 * layer.width) +
         static_cast<double>(layer.inputs) / 2;
}

double rows_of(const LayerCost& layer, const BatchShape& batch) {
  switch (layer.rows) {
    case LayerCost::Rows::kFeatures: return batch.features;
    case LayerCost::Rows::kSequence: return batch.sequences * batch.rows;
    case LayerCost::Rows::kTargets: break;
  }
  return batch.targets;
}

double keys_of(const LayerCost& layer, const BatchShape& batch) {
  if (layer.heads == 0) return 0;
  return layer.rows == LayerCost::Rows::kFeatures ? batch.keys : batch.rows;
}

int64_t own_count(const recipe::Stage& stage, size_t entry, int64_t processes) {
  const int64_t own = stage.combine == recipe::Combine::kSamples ? 0 : stage.data[entry].batch;
  return std::max<int64_t>((own > 0 ? own : stage.batch) / processes, 1);
}

// The sum over the micro-batches of a step of what `of_entry` gives for an entry.
template <typename Amount, typename OfEntry>
Amount of_step(const recipe::Stage& stage, size_t entries, const OfEntry& of_entry) {
  Amount sum{};
  double weights = 0;
  const bool together = stage.combine == recipe::Combine::kTogether;
  for (size_t e = 0; e < entries; ++e) {
    const double weight = together ? 1 : stage.data[e].weight;
    weights += weight;
    sum += of_entry(e) * weight;
  }
  return sum * (static_cast<double>(stage.accumulation) / (together ? 1 : weights));
}

// Numbers of state that the optimiser keeps of a weight.
int64_t state_of(const recipe::Stage& stage, const Trainable& trainable) {
  const bool by_muon = stage.optimizer.kind == "muon" && moved_by_muon(trainable);
  return trainable.value.numel() * (by_muon ? 1 : 2);
}

// Repeats `work` for a tenth of a second; returns how often it is done in a second, by the median,
// to which other programs that take the processor now and then do not matter.
template <typename Action>
double per_second(const Action& work) {
  using Clock = std::chrono::steady_clock;
  constexpr double kLong = 0.1;
  work();  // what is made on first use
  std::vector<double> times;
  double passed = 0;
  while (passed < kLong) {
    const auto start = Clock::now();
    work();
    times.push_back(std::chrono::duration<double>(Clock::now() - start).count());
    passed += times.back();
  }
  const auto middle = times.begin() + std::ssize(times) / 2;
  std::ranges::nth_element(times, middle);
  return 1 / std::max(*middle, std::numeric_limits<double>::min());
}

}  // namespace

std::vector<LayerCost> layer_costs(families::Family& family,
                                   const std::vector<Trainable>& trainables,
                                   bool gradient_checkpointing) {
  const auto learns = [&](const std::string& name) {
    return std::ranges::find(trainables, name, &Trainable::name) != trainables.end();
  };
  std::vector<std::string> order;
  std::map<std::string, LayerCost> layers;
  std::map<std::string, bool> has_learning;
  const int64_t head_dim = family.language_model().cache_geometry().head_dim;
  for (const nn::Slot& slot : nn::slots_of(family.modules())) {
    const std::string block = block_of(slot.name);
    LayerCost& layer = layers[block];
    if (layer.name.empty()) {
      layer.name = block;
      order.push_back(slot.name);
      layer.rows = is_head(slot.name) ? LayerCost::Rows::kTargets
                   : slot.name.starts_with("encoder.") ||
                           (slot.name.starts_with("aligner.") && !is_gated_block(slot.name))
                       ? LayerCost::Rows::kFeatures
                       : LayerCost::Rows::kSequence;
    }
    has_learning[block] = has_learning[block] || learns(slot.name);
    if (!slot.is_matrix() || is_table(slot.name) || slot.shape.size() < 2) continue;
    const int64_t out = slot.shape.front();
    int64_t in = 1;
    for (size_t d = 1; d < slot.shape.size(); ++d) in *= slot.shape[d];
    layer.products += in * out;
    layer.outputs += out;
    layer.widest = std::max(layer.widest, out);
    if (layer.width == 0) layer.width = in;
    if (learns(slot.name)) layer.learning += in * out, layer.inputs += in;
    // Blocks of encoder and decoder attend to all rows; others to few.
    const bool is_block = is_number(block.substr(block.rfind('.') + 1));
    if (is_block && !slot.name.starts_with("aligner."))
      layer.heads = std::max<int64_t>(layer.width / head_dim, 1);
  }
  std::ranges::stable_sort(order, {}, place_of);
  std::vector<LayerCost> sorted;
  bool records = false, has_head = false;
  for (const std::string& name : order) {
    LayerCost layer = layers.at(block_of(name));
    records = records || has_learning.at(layer.name);
    layer.records = records;
    has_head = has_head || layer.rows == LayerCost::Rows::kTargets;
    sorted.push_back(std::move(layer));
  }
  if (!has_head) {  // the table of embeddings is the head, too
    const int64_t vocabulary = family.language_model().vocab_size(),
                  width = family.language_model().hidden_size();
    LayerCost head{.name = "decoder.head", .rows = LayerCost::Rows::kTargets};
    head.products = vocabulary * width;
    head.outputs = head.widest = vocabulary;
    head.width = width;
    head.records = records;
    const bool learns_table = std::ranges::any_of(
        trainables, [](const Trainable& t) { return is_table(t.name) && t.value.dim() == 2; });
    if (learns_table) head.learning = head.products, head.inputs = width;
    sorted.push_back(std::move(head));
  }
  const auto is_block = [](const LayerCost& layer) {
    return layer.name.starts_with("decoder.") && is_number(words_of(layer.name).back());
  };
  const auto last = std::ranges::find_if(sorted.rbegin(), sorted.rend(), is_block);
  for (LayerCost& layer : sorted)
    layer.recomputed = gradient_checkpointing && layer.records && is_block(layer) &&
                       (last == sorted.rend() || &layer != &*last);
  return sorted;
}

BatchShape batch_shape(const Shown& shown, int64_t count) {
  BatchShape batch;
  batch.sequences = static_cast<double>(count);
  std::vector<int64_t> lengths;
  double features = 0, media = 0;
  for (const SampleSize& size : shown.sizes) {
    lengths.push_back(size.rows);
    batch.targets += static_cast<double>(size.targets);
    features += static_cast<double>(size.features);
    media += static_cast<double>(size.media);
  }
  std::ranges::sort(lengths);
  const auto known = static_cast<double>(lengths.size());
  for (size_t k = 0; k < lengths.size(); ++k) {
    const double at_most = std::pow(static_cast<double>(k + 1) / known, batch.sequences),
                 less = std::pow(static_cast<double>(k) / known, batch.sequences);
    batch.rows += static_cast<double>(lengths[k]) * (at_most - less);
  }
  const double share = batch.sequences / known;
  batch.targets *= share;
  batch.features = features * share;
  for (const MediumRows& medium : shown.media) {
    batch.keys = std::max(batch.keys, static_cast<double>(medium.features) /
                                          static_cast<double>(std::max<int64_t>(medium.tiles, 1)));
    batch.feature_width = std::max(batch.feature_width, static_cast<double>(medium.width));
    batch.medium_values =
        std::max(batch.medium_values, static_cast<double>(medium.values) * media * share);
  }
  return batch;
}

Work& Work::operator+=(const Work& other) {
  forward += other.forward;
  backward += other.backward;
  learning += other.learning;
  moved += other.moved;
  return *this;
}

Work Work::operator*(double factor) const {
  return {forward * factor, backward * factor, learning * factor, moved * factor};
}

Work work_of(const std::vector<LayerCost>& layers, const BatchShape& batch) {
  Work work;
  for (const LayerCost& layer : layers) {
    const double rows = rows_of(layer, batch), keys = keys_of(layer, batch);
    const double attention = static_cast<double>(layer.width) * keys,
                 frozen = static_cast<double>(layer.products - layer.learning);
    work.forward += rows * (frozen + 2 * attention);
    work.learning += rows * 3 * static_cast<double>(layer.learning);
    if (layer.records) work.backward += rows * (frozen + 4 * attention);
    if (layer.recomputed)
      work.forward += rows * (static_cast<double>(layer.products) + 2 * attention);
    work.moved +=
        rows * (layer.records ? 6 * kept_of_row(layer) : 2 * static_cast<double>(layer.outputs));
  }
  return work;
}

double activation_numbers(const std::vector<LayerCost>& layers, const BatchShape& batch,
                          int64_t vocab_size) {
  double kept = 0, beside = 0;
  for (const LayerCost& layer : layers) {
    const double rows = rows_of(layer, batch);
    if (layer.rows == LayerCost::Rows::kTargets) continue;  // its logits are counted below
    const double all = rows * kept_of_row(layer);
    if (layer.recomputed)
      kept += rows * static_cast<double>(layer.width);
    else if (layer.records)
      kept += all;
    beside = std::max(beside,
                      rows * 3 * static_cast<double>(layer.widest) + (layer.recomputed ? all : 0));
  }
  return kept + beside + 3 * batch.targets * static_cast<double>(vocab_size) +
         batch.features * batch.feature_width + 2 * batch.medium_values;
}

Work work_of_step(const recipe::Stage& stage, const std::vector<LayerCost>& layers,
                  const std::vector<Shown>& shown, int64_t processes) {
  return of_step<Work>(stage, shown.size(), [&](size_t e) {
    return work_of(layers, batch_shape(shown[e], own_count(stage, e, processes)));
  });
}

double feeding_of_step(const recipe::Stage& stage, const std::vector<Shown>& shown,
                       int64_t processes) {
  return of_step<double>(stage, shown.size(), [&](size_t e) {
    return shown[e].seconds * static_cast<double>(own_count(stage, e, processes));
  });
}

double seconds_of_step(double computing, double feeding, int threads, int processors) {
  // With a processor to itself feeding costs nothing until it is the slower of the two; without one
  // all processors share the sum.
  const double shared = threads < processors ? computing : computing + feeding / processors;
  return std::max(shared, feeding);
}

int64_t MemoryEstimate::total() const {
  return program + weights + gradients + optimizer + average + activations + features + batches;
}

std::string MemoryEstimate::text() const {
  std::vector<std::pair<int64_t, const char*>> parts = {
      {program, "the program"},     {weights, "weights"},          {gradients, "gradients"},
      {optimizer, "the optimiser"}, {average, "the running mean"}, {activations, "activations"},
      {features, "kept features"},  {batches, "batches ahead"}};
  std::ranges::stable_sort(parts, std::greater(), &std::pair<int64_t, const char*>::first);
  std::vector<std::string> words;
  for (const auto& [bytes, name] : parts)
    if (bytes >= 1'000'000) words.push_back(fmt::format("{} {}", name, bytes_in_words(bytes)));
  return fmt::format("{}: {}", bytes_in_words(total()), fmt::join(words, ", "));
}

MemoryEstimate memory_of(families::Family& family, const recipe::Stage& stage,
                         const std::vector<Trainable>& trainables,
                         const std::vector<LayerCost>& layers, const std::vector<Shown>& shown,
                         int64_t processes, int64_t program) {
  MemoryEstimate memory;
  memory.program = program;
  std::vector<const void*> counted;  // a matrix may stand in two places
  for (const nn::Slot& slot : nn::slots_of(family.modules())) {
    const auto matrix = slot.matrix();
    if (matrix != nullptr && std::ranges::find(counted, matrix.get()) == counted.end()) {
      counted.push_back(matrix.get());
      memory.weights += static_cast<int64_t>(matrix->bytes());
    }
  }
  for (const Tensor& parameter : family.modules().parameters())
    memory.weights += static_cast<int64_t>(parameter.nbytes());
  constexpr auto kBytes = static_cast<int64_t>(sizeof(float));
  for (const Trainable& trainable : trainables) {
    memory.gradients += trainable.value.numel() * kBytes;
    memory.optimizer += state_of(stage, trainable) * kBytes;
    if (stage.ema > 0) memory.average += trainable.value.numel() * kBytes;
  }
  memory.optimizer /= processes;
  const int64_t vocabulary = family.language_model().vocab_size();
  bool has_media = false;
  for (size_t e = 0; e < shown.size(); ++e) {
    const BatchShape batch = batch_shape(shown[e], own_count(stage, e, processes));
    has_media = has_media || batch.features > 0;
    memory.activations =
        std::max(memory.activations,
                 static_cast<int64_t>(kFloat * activation_numbers(layers, batch, vocabulary)));
    memory.batches = std::max(memory.batches,
                              static_cast<int64_t>(kFloat * batch.medium_values * kBatchesAhead));
  }
  memory.features =
      (stage.cache_mb << 20) + (has_media && !stage.held_out.data.empty()
                                    ? static_cast<int64_t>(held_out_cache_bytes(stage))
                                    : 0);
  return memory;
}

double Speed::seconds(const Work& work) const {
  const auto part = [](double amount, double rate) { return amount > 0 ? amount / rate : 0.0; };
  return part(work.forward, forward) + part(work.backward, backward) +
         part(work.learning, learning) + part(work.moved, moved);
}

Speed measure_speed(families::Family& family, int64_t rows) {
  // The widest frozen matrix of a block stands for all; where none is frozen, one as large as those
  // that learn.
  std::shared_ptr<const nn::WeightMatrix> widest;
  int64_t out = 1, in = 1;
  for (const nn::Slot& slot : nn::slots_of(family.modules())) {
    if (!slot.is_matrix() || slot.shape.size() != 2 || is_table(slot.name) || is_head(slot.name))
      continue;
    const auto matrix = slot.matrix();
    const int64_t size = slot.shape[0] * slot.shape[1];
    if (size <= out * in || (widest != nullptr && matrix == nullptr)) continue;
    widest = matrix;
    out = slot.shape[0], in = slot.shape[1];
  }
  const torch::NoGradGuard no_gradient;
  constexpr int64_t kMostRows = 2048;
  const int64_t count = std::clamp<int64_t>(rows, 1, kMostRows);
  const Tensor x = torch::full({count, in}, 0.5), dy = torch::full({count, out}, 0.5),
               dense = torch::full({out, in}, 0.5);
  const double products = static_cast<double>(count) * static_cast<double>(out * in);
  Speed speed;
  speed.learning = products * per_second([&] { torch::mm(x, dense.t()); });
  speed.forward = speed.backward = speed.learning;
  if (widest != nullptr) {
    speed.forward = products * per_second([&] { widest->apply_exactly(x); });
    speed.backward = products * per_second([&] { widest->apply_transposed(dy); });
  }
  speed.moved = 2 * static_cast<double>(x.numel()) * per_second([&] { x * 2; });
  return speed;
}

std::string bytes_in_words(int64_t bytes) {
  const auto count = static_cast<double>(bytes);
  if (count >= 1e10) return fmt::format("{:.0f} GB", count / 1e9);
  if (count >= 1e9) return fmt::format("{:.1f} GB", count / 1e9);
  return fmt::format("{:.{}f} MB", count / 1e6, count < 1e7 ? 1 : 0);
}

std::string seconds_in_words(double seconds) {
  constexpr double kMinute = 60, kHour = 3600, kDay = 24 * kHour;
  if (!std::isfinite(seconds)) return "an unknown time";
  if (seconds < 2 * kMinute) return fmt::format("{:.0f} s", seconds);
  if (seconds < 2 * kHour) return fmt::format("{:.0f} min", seconds / kMinute);
  if (seconds < 2 * kDay) return fmt::format("{:.1f} h", seconds / kHour);
  return fmt::format("{:.1f} days", seconds / kDay);
}

}  // namespace isthmus::training
