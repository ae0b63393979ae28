#include "bench_parts.h"

#include <algorithm>
#include <chrono>

#include <c10/core/InferenceMode.h>
#include <fmt/format.h>

#include "alignment/quantiles.h"
#include "engine/media_loader.h"

namespace isthmus::cli {
namespace {

double arithmetic_seconds(const nn::Work& work, const MachinePeaks& peaks) {
  return work.int8_products / peaks.int8 + (work.float_products + work.attention) / peaks.float32;
}

double memory_seconds(const nn::Work& work, const MachinePeaks& peaks) {
  return work.bytes() / peaks.memory;
}

nn::Work divided(const nn::Work& a, double count) {
  return {a.int8_products / count, a.float_products / count, a.attention / count,
          a.weight_bytes / count, a.cache_bytes / count};
}

// Of an answer that begins with nothing known and guesses nothing.
nn::Work work_of(engine::Engine& engine, Request request, int64_t new_tokens) {
  request.generate.max_new_tokens = request.generate.min_new_tokens = new_tokens;
  request.generate.prompt_lookup_num_tokens = request.generate.num_assistant_tokens = 0;
  engine.forget();
  const nn::WorkCounter counter;
  engine.generate(request, {});
  return counter.work();
}

}  // namespace

nn::Work minus(const nn::Work& a, const nn::Work& b) {
  return {a.int8_products - b.int8_products, a.float_products - b.float_products,
          a.attention - b.attention, a.weight_bytes - b.weight_bytes,
          a.cache_bytes - b.cache_bytes};
}

double PartTime::least_seconds(const MachinePeaks& peaks) const {
  return std::max(arithmetic_seconds(work, peaks), memory_seconds(work, peaks));
}

bool PartTime::bound_by_memory(const MachinePeaks& peaks) const {
  return memory_seconds(work, peaks) > arithmetic_seconds(work, peaks);
}

std::vector<PartTime> time_media(engine::Engine& engine, const Request& request,
                                 int64_t repetitions) {
  const auto sources = engine::media_sources(request);
  if (sources.empty()) return {};
  const c10::InferenceMode inference;
  families::Family& family = engine.family();
  std::vector<PartTime> parts = {{"prepare", 0, {}}, {"encoder", 0, {}}, {"aligner", 0, {}}};
  std::vector<double> seconds[3];
  for (int64_t i = 0; i <= repetitions; ++i) {
    auto last = std::chrono::steady_clock::now();
    const auto done = [&](size_t part, const nn::Work& work) {
      const auto now = std::chrono::steady_clock::now();
      if (i > 0) seconds[part].push_back(std::chrono::duration<double>(now - last).count());
      parts[part].work = work;
      last = std::chrono::steady_clock::now();
    };
    std::vector<modalities::Prepared> prepared;
    for (const auto& source : sources) prepared.push_back(family.prepare(source));
    done(0, {});
    const nn::WorkCounter of_encoder;
    const auto features = family.features(prepared);
    done(1, of_encoder.work());
    const nn::WorkCounter of_aligner;
    family.align(features);
    done(2, of_aligner.work());
  }
  for (size_t part = 0; part < parts.size(); ++part)
    parts[part].seconds = alignment::median(seconds[part]);
  return parts;
}

AnswerWork answer_work(engine::Engine& engine, const Request& request) {
  constexpr int64_t kSteps = 4;
  const nn::Work one = work_of(engine, request, 1), more = work_of(engine, request, 1 + kSteps);
  return {one, divided(minus(more, one), kSteps)};
}

nlohmann::ordered_json to_json(const PartTime& part, const MachinePeaks& peaks) {
  nlohmann::ordered_json json{{"name", part.name}, {"seconds", part.seconds}};
  if (part.work.operations() == 0) return json;
  json["int8_operations"] = part.work.int8_products;
  json["float32_operations"] = part.work.float_products + part.work.attention;
  json["bytes"] = part.work.bytes();
  json["bound_by"] = part.bound_by_memory(peaks) ? "memory" : "arithmetic";
  json["share_of_peak"] = part.least_seconds(peaks) / part.seconds;
  return json;
}

nlohmann::ordered_json to_json(const MachinePeaks& peaks) {
  return {{"int8_operations_per_s", peaks.int8},
          {"float32_operations_per_s", peaks.float32},
          {"memory_bytes_per_s", peaks.memory}};
}

std::string rate_in_words(const PartTime& part, const MachinePeaks& peaks) {
  if (part.work.operations() == 0) return {};
  const double share = 100 * part.least_seconds(peaks) / part.seconds;
  if (part.bound_by_memory(peaks))
    return fmt::format("{:8.2f} GB  {:8.1f} GB/s   {:3.0f} % of the memory's rate",
                       part.work.bytes() / 1e9, part.work.bytes() / part.seconds / 1e9, share);
  return fmt::format("{:8.1f} GOP {:8.0f} GOP/s  {:3.0f} % of the arithmetic's peak",
                     part.work.operations() / 1e9, part.work.operations() / part.seconds / 1e9,
                     share);
}

}  // namespace isthmus::cli
