#include "bench.h"

#include <algorithm>
#include <chrono>
#include <fstream>

#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "../progress.h"
#include "alignment/quantiles.h"
#include "base/system_memory.h"
#include "bench_batch.h"
#include "bench_parts.h"
#include "bench_request.h"
#include "engine/load.h"
#include "kernels/table.h"

namespace isthmus::cli {
namespace {

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

double megabytes(int64_t bytes) { return static_cast<double>(bytes) / (1 << 20); }

// Of the memory in use what belongs to this process alone, in MB; 0 where the kernel does not say.
double private_megabytes() {
  std::ifstream file("/proc/self/smaps_rollup");
  constexpr std::string_view kLine = "Private_Dirty:";
  for (std::string line; std::getline(file, line);)
    if (line.starts_with(kLine)) return std::stod(line.substr(kLine.size())) / 1024;
  return 0;
}

// Seconds of the stages of one kind of request over its repetitions.
struct MeasuredParts {
  std::vector<double> encode, prefill, first_token, decode;  // decode: of one token
  Answer last;

  void add(Answer answer) {
    const Timings& t = answer.timings;
    encode.push_back(t.encode);
    prefill.push_back(t.prefill);
    first_token.push_back(t.encode + t.prefill);
    // The first token comes out of the prefill.
    decode.push_back(t.decode / static_cast<double>(std::max<int64_t>(t.generated_tokens - 1, 1)));
    last = std::move(answer);
  }
  double prefill_speed() const {
    return static_cast<double>(last.timings.prompt_tokens) / alignment::median(prefill);
  }
  nlohmann::ordered_json json() const {
    const auto both = [](const std::vector<double>& values) {
      return nlohmann::ordered_json{{"median", alignment::median(values)},
                                    {"smallest", *std::min_element(values.begin(), values.end())}};
    };
    return {{"encode_s", both(encode)},
            {"prefill_s", both(prefill)},
            {"first_token_s", both(first_token)},
            {"decode_s_per_token", both(decode)},
            {"prompt_tokens", last.timings.prompt_tokens},
            {"reused_tokens", last.timings.reused_tokens},
            {"guess_s", last.timings.guess},
            {"guessed_tokens", last.timings.guessed_tokens},
            {"accepted_tokens", last.timings.accepted_tokens},
            {"output_ids", last.output_ids}};
  }
};

struct Memory {
  double private_after_load, private_now, resident, peak;  // MB
};

struct Report {
  double load = 0;
  Memory memory{};
  MachinePeaks peaks;
  std::vector<PartTime> parts;
  // `again` repeats `next`, a question whose examples are those of `fresh`; `other_words` asks
  // something else about the media of `fresh`.
  MeasuredParts fresh, other_words, next, again;
};

void print_json(const Options& options, const Report& report) {
  const MeasuredParts& fresh = report.fresh;
  nlohmann::ordered_json parts = nlohmann::ordered_json::array();
  for (const PartTime& part : report.parts) parts.push_back(to_json(part, report.peaks));
  nlohmann::ordered_json json{{"load_s", report.load},
                              {"encode_s", alignment::median(fresh.encode)},
                              {"first_token_s", alignment::median(fresh.first_token)},
                              {"prompt_tokens", fresh.last.timings.prompt_tokens},
                              {"prefill_tokens_per_s", fresh.prefill_speed()},
                              {"decode_tokens_per_s", 1 / alignment::median(fresh.decode)},
                              {"private_mb_after_load", report.memory.private_after_load},
                              {"private_mb", report.memory.private_now},
                              {"resident_mb", report.memory.resident},
                              {"peak_resident_mb", report.memory.peak},
                              {"repetitions", options.repetitions},
                              {"threads", at::get_num_threads()},
                              {"kernels", kernels::isa_name()},
                              {"quantised_products", kernels::quantised_kernels().name},
                              {"peaks", to_json(report.peaks)},
                              {"parts", std::move(parts)},
                              {"fresh", fresh.json()},
                              {"other_words", report.other_words.json()}};
  if (options.bench_shots) {
    json["shots"] = *options.bench_shots;
    json["next_question"] = report.next.json();
    json["asked_again"] = report.again.json();
  }
  fmt::print("{}\n", json.dump(1));
}

void print_text(const Options& options, const Report& report) {
  const MeasuredParts& fresh = report.fresh;
  fmt::print(
      "{} threads, {} kernels, quantised products {}; at most {:.0f} GOP/s of int8, {:.0f} GFLOP/s "
      "of float32, "
      "{:.1f} GB/s from memory\n\n",
      at::get_num_threads(), kernels::isa_name(), kernels::quantised_kernels().name,
      report.peaks.int8 / 1e9, report.peaks.float32 / 1e9, report.peaks.memory / 1e9);
  fmt::print("load        {:9.3f} s\n", report.load);
  for (const PartTime& part : report.parts)
    fmt::print("{:<11} {:9.3f} s {}{}\n", part.name, part.seconds,
               part.name == "decode" ? "per token" : "         ",
               rate_in_words(part, report.peaks));
  fmt::print("\nprefill     {:9.1f} tokens/s over {} tokens\n", fresh.prefill_speed(),
             fresh.last.timings.prompt_tokens);
  fmt::print("decode      {:9.1f} tokens/s over {} tokens\n", 1 / alignment::median(fresh.decode),
             fresh.last.timings.generated_tokens);
  if (const Timings& t = fresh.last.timings; t.guessed_tokens > 0)
    fmt::print("guesses     {:9} right of {}, made in {:.3f} s\n", t.accepted_tokens,
               t.guessed_tokens, t.guess);
  const auto line = [](const MeasuredParts& of, const std::string& what) {
    fmt::print("first token {:9.3f} s, {} ({} of {} tokens kept)\n",
               alignment::median(of.first_token), what, of.last.timings.reused_tokens,
               of.last.timings.prompt_tokens);
  };
  line(fresh, "all new");
  line(report.other_words, "other words behind the same");
  if (options.bench_shots) {
    line(report.next, "another question after the same examples");
    line(report.again, "the same once more");
  }
  fmt::print(
      "memory      {:9.0f} MB private ({:.0f} after loading), {:.0f} MB resident with mapped "
      "weights at most\n",
      report.memory.private_now, report.memory.private_after_load, report.memory.peak);
}

}  // namespace

int bench(const Options& options) {
  const auto start = std::chrono::steady_clock::now();
  const auto engine = engine::load_engine(options.model, options.base, "", options.load);
  Report report;
  report.load = seconds_since(start);
  report.memory.private_after_load = private_megabytes();
  if (options.bench_batch > 0) return bench_batches(options, *engine);
  report.peaks = measure_peaks();
  std::ofstream("/proc/self/clear_refs") << "5";  // what measuring took is no part of the peak

  const bool sees = sees_something(options, engine->family());
  const Request first = bench_request(options, sees), second = bench_request(options, sees, 1),
                other_words = bench_request(options, sees, 0, " b");
  Progress progress("bench", options.repetitions + 1);
  const AnswerWork work = answer_work(*engine, first);
  progress.advance();
  for (int64_t i = 0; i < options.repetitions; ++i) {
    engine->forget();
    report.fresh.add(engine->generate(first, {}));
    report.other_words.add(engine->generate(other_words, {}));
    if (options.bench_shots) {
      report.next.add(engine->generate(second, {}));
      report.again.add(engine->generate(second, {}));
    }
    progress.advance();
  }
  report.memory.private_now = private_megabytes();
  report.memory.resident = megabytes(resident_memory());
  report.memory.peak = megabytes(peak_resident_memory());
  report.parts = time_media(*engine, first, options.repetitions);
  report.peaks = better_of(report.peaks, measure_peaks());  // other programs come and go
  nn::Work prefill = work.first_token;
  for (const PartTime& part : report.parts) prefill = minus(prefill, part.work);
  report.parts.push_back({"prefill", alignment::median(report.fresh.prefill), prefill});
  // Where tokens are guessed a pass is not a token.
  const bool guesses = report.fresh.last.timings.guessed_tokens > 0;
  report.parts.push_back(
      {"decode", alignment::median(report.fresh.decode), guesses ? nn::Work{} : work.step});
  progress.finish();
  (options.json ? print_json : print_text)(options, report);
  return 0;
}

}  // namespace isthmus::cli
