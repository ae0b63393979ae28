#include "bench.h"

#include <algorithm>
#include <chrono>
#include <fstream>

#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "../progress.h"
#include "engine/load.h"

namespace isthmus::cli {
namespace {

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

// A line of /proc/self/smaps_rollup in MB; 0 where the kernel has no such file.
double memory_megabytes(const std::string& name) {
  std::ifstream file("/proc/self/smaps_rollup");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with(name + ":")) return std::stod(line.substr(name.size() + 1)) / 1024;
  return 0;
}

// An uncompressed 24-bit BMP of one grey, another one for every index below 256: a picture without
// a file.
std::vector<std::byte> grey_picture(uint32_t side, int64_t index) {
  const uint32_t row = (side * 3 + 3) / 4 * 4, pixels = row * side;
  std::vector<std::byte> bmp(54 + pixels, static_cast<std::byte>(128 + 7 * index));
  std::fill_n(bmp.begin(), 54, std::byte{0});
  const auto put = [&](size_t at, uint32_t value) {
    for (size_t i = 0; i < 4; ++i) bmp[at + i] = static_cast<std::byte>(value >> (8 * i));
  };
  bmp[0] = std::byte{'B'};
  bmp[1] = std::byte{'M'};
  put(2, 54 + pixels);
  put(10, 54);
  put(14, 40);
  put(18, side);
  put(22, side);
  bmp[26] = std::byte{1};
  bmp[28] = std::byte{24};
  put(34, pixels);
  return bmp;
}

// The examples and the question, each a picture and as many tokens of text. `question` chooses the
// last picture.
Request bench_request(const Options& options, int64_t question) {
  constexpr uint32_t kSide = 336;
  Request request;
  std::string text;
  for (int64_t i = 0; i < options.prompt_tokens; ++i) text += " a";
  for (int64_t shot = 0; shot < options.bench_shots.value_or(0); ++shot) {
    request.prompt.push_back(Part::of_image_data(grey_picture(kSide, shot)));
    request.prompt.push_back(Part::of_text(text));
  }
  for (const auto& image : options.images) request.prompt.push_back(Part::of_image(image));
  if (options.images.empty())
    request.prompt.push_back(
        Part::of_image_data(grey_picture(kSide, options.bench_shots.value_or(0) + question)));
  request.prompt.push_back(Part::of_text(text));
  request.generate.max_new_tokens = options.new_tokens;
  request.generate.min_new_tokens = options.new_tokens;
  request.generate.num_beams = options.generate.num_beams;
  return request;
}

// Seconds of the stages of one kind of request over its repetitions.
struct Measured {
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
    return static_cast<double>(last.timings.prompt_tokens) / median(prefill);
  }
  nlohmann::ordered_json json() const {
    const auto both = [](const std::vector<double>& values) {
      return nlohmann::ordered_json{{"median", median(values)},
                                    {"smallest", *std::min_element(values.begin(), values.end())}};
    };
    return {{"encode_s", both(encode)},
            {"prefill_s", both(prefill)},
            {"first_token_s", both(first_token)},
            {"decode_s_per_token", both(decode)},
            {"prompt_tokens", last.timings.prompt_tokens},
            {"reused_tokens", last.timings.reused_tokens},
            {"output_ids", last.output_ids}};
  }
};

struct Memory {
  double private_after_load, private_now, resident;  // MB
};

void print_json(const Options& options, double load, const Memory& memory, const Measured& fresh,
                const Measured& next, const Measured& again) {
  nlohmann::ordered_json json{{"load_s", load},
                              {"encode_s", median(fresh.encode)},
                              {"prompt_tokens", fresh.last.timings.prompt_tokens},
                              {"prefill_tokens_per_s", fresh.prefill_speed()},
                              {"decode_tokens_per_s", 1 / median(fresh.decode)},
                              {"private_mb_after_load", memory.private_after_load},
                              {"private_mb", memory.private_now},
                              {"resident_mb", memory.resident},
                              {"repetitions", options.repetitions},
                              {"threads", at::get_num_threads()},
                              {"fresh", fresh.json()}};
  if (options.bench_shots) {
    json["shots"] = *options.bench_shots;
    json["next_question"] = next.json();
    json["asked_again"] = again.json();
  }
  fmt::print("{}\n", json.dump(1));
}

void print_text(const Options& options, double load, const Memory& memory, const Measured& fresh,
                const Measured& next, const Measured& again) {
  fmt::print("load     {:10.2f} s     {:.0f} MB private\n", load, memory.private_after_load);
  fmt::print("encode   {:10.3f} s\n", median(fresh.encode));
  fmt::print("prefill  {:10.1f} tokens/s over {} tokens\n", fresh.prefill_speed(),
             fresh.last.timings.prompt_tokens);
  fmt::print("decode   {:10.1f} tokens/s over {} tokens\n", 1 / median(fresh.decode),
             fresh.last.timings.generated_tokens);
  if (options.bench_shots) {
    const auto line = [](const Measured& of, const char* what) {
      fmt::print("         {:10.3f} s     to the first token, {} ({} of {} tokens kept)\n",
                 median(of.first_token), what, of.last.timings.reused_tokens,
                 of.last.timings.prompt_tokens);
    };
    line(fresh, "all pictures new");
    line(next, "another question after the same examples");
    line(again, "the same once more");
  }
  fmt::print("memory   {:10.0f} MB private, {:.0f} MB resident with mapped weights\n",
             memory.private_now, memory.resident);
}

}  // namespace

int bench(const Options& options) {
  const auto start = std::chrono::steady_clock::now();
  const auto engine = engine::load_engine(options.model, options.base, "", options.load);
  const double load = seconds_since(start);
  const double private_after_load = memory_megabytes("Private_Dirty");

  // `again` repeats `next`, a question whose examples are those of `fresh`.
  Measured fresh, next, again;
  const Request first = bench_request(options, 0), second = bench_request(options, 1);
  Progress progress("bench", options.repetitions + 1);
  for (int64_t i = 0; i <= options.repetitions; ++i) {
    if (i == 1) fresh = next = again = {};  // the first run warms caches and is not counted
    engine->forget();
    fresh.add(engine->generate(first, {}));
    if (options.bench_shots) {
      next.add(engine->generate(second, {}));
      again.add(engine->generate(second, {}));
    }
    progress.advance();
  }
  progress.finish();
  const Memory memory{private_after_load, memory_megabytes("Private_Dirty"),
                      memory_megabytes("Rss")};
  (options.json ? print_json : print_text)(options, load, memory, fresh, next, again);
  return 0;
}

}  // namespace isthmus::cli
