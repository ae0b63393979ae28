#include "bench_batch.h"

#include <vector>

#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "../progress.h"
#include "alignment/quantiles.h"
#include "bench_request.h"

namespace isthmus::cli {

int bench_batches(const Options& options, engine::Engine& engine) {
  const bool sees = sees_something(options, engine.family());
  struct Stages {
    int64_t batch;
    std::vector<double> encode, prefill, decode;  // seconds of the whole batch
  };
  std::vector<Stages> all;
  for (int64_t batch = 1; batch < options.bench_batch; batch *= 2)
    all.push_back({batch, {}, {}, {}});
  all.push_back({options.bench_batch, {}, {}, {}});
  int64_t prompt_tokens = 0;
  Progress progress("bench", std::ssize(all) * (options.repetitions + 1));
  for (Stages& stages : all) {
    std::vector<Request> requests;
    for (int64_t i = 0; i < stages.batch; ++i) requests.push_back(bench_request(options, sees, i));
    for (int64_t i = 0; i <= options.repetitions; ++i) {
      engine.forget();
      const Timings timings = engine.generate_batch(requests).front().timings;
      progress.advance();
      if (i == 0) continue;  // warms caches
      stages.encode.push_back(timings.encode);
      stages.prefill.push_back(timings.prefill);
      stages.decode.push_back(timings.decode);
      prompt_tokens = timings.prompt_tokens;
    }
  }
  progress.finish();
  nlohmann::ordered_json rows = nlohmann::ordered_json::array();
  if (!options.json)
    fmt::print(
        "{} tokens of prompt, {} new ones; seconds a request\nbatch    encode   prefill    "
        "decode\n",
        prompt_tokens, options.new_tokens);
  for (const Stages& stages : all) {
    const auto one = [&](const std::vector<double>& seconds) {
      return alignment::median(seconds) / static_cast<double>(stages.batch);
    };
    if (options.json)
      rows.push_back({{"batch", stages.batch},
                      {"encode_s", one(stages.encode)},
                      {"prefill_s", one(stages.prefill)},
                      {"decode_s", one(stages.decode)}});
    else
      fmt::print("{:5} {:9.4f} {:9.4f} {:9.4f}\n", stages.batch, one(stages.encode),
                 one(stages.prefill), one(stages.decode));
  }
  if (options.json) {
    const nlohmann::ordered_json json{{"prompt_tokens", prompt_tokens},
                                      {"new_tokens", options.new_tokens},
                                      {"repetitions", options.repetitions},
                                      {"threads", at::get_num_threads()},
                                      {"seconds_a_request", rows}};
    fmt::print("{}\n", json.dump(1));
  }
  return 0;
}

}  // namespace isthmus::cli
