#include "bench.h"

#include <algorithm>
#include <chrono>
#include <fstream>

#include <unistd.h>

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

// An uncompressed 24-bit BMP of one grey: a picture without a file.
std::vector<std::byte> grey_picture(uint32_t side) {
  const uint32_t row = (side * 3 + 3) / 4 * 4, pixels = row * side;
  std::vector<std::byte> bmp(54 + pixels, std::byte{0x80});
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

Request bench_request(const Options& options) {
  Request request;
  for (const auto& image : options.images) request.prompt.push_back(Part::of_image(image));
  if (options.images.empty()) request.prompt.push_back(Part::of_image_data(grey_picture(336)));
  std::string text;
  for (int64_t i = 0; i < options.prompt_tokens; ++i) text += " a";
  request.prompt.push_back(Part::of_text(text));
  request.generate.max_new_tokens = options.new_tokens;
  request.generate.min_new_tokens = options.new_tokens;
  return request;
}

}  // namespace

int bench(const Options& options) {
  const auto start = std::chrono::steady_clock::now();
  const auto engine = engine::load_engine(options.model, options.base, "", options.load);
  const double load = seconds_since(start);
  const double private_after_load = memory_megabytes("Private_Dirty");

  const Request request = bench_request(options);
  std::vector<double> encode, prefill, decode;
  Timings last;
  Progress progress("bench", options.repetitions + 1);
  for (int64_t i = 0; i <= options.repetitions;
       ++i) {  // the first run warms caches and is not counted
    engine->forget();
    last = engine->generate(request, {}).timings;
    progress.advance();
    if (i == 0) continue;
    encode.push_back(last.encode);
    prefill.push_back(static_cast<double>(last.prompt_tokens) / last.prefill);
    decode.push_back(static_cast<double>(last.generated_tokens) / last.decode);
  }
  progress.finish();
  const double private_peak = memory_megabytes("Private_Dirty"), resident = memory_megabytes("Rss");
  if (options.json) {
    const nlohmann::ordered_json json{{"load_s", load},
                                      {"encode_s", median(encode)},
                                      {"prompt_tokens", last.prompt_tokens},
                                      {"prefill_tokens_per_s", median(prefill)},
                                      {"decode_tokens_per_s", median(decode)},
                                      {"private_mb_after_load", private_after_load},
                                      {"private_mb", private_peak},
                                      {"resident_mb", resident},
                                      {"repetitions", options.repetitions}};
    fmt::print("{}\n", json.dump(1));
    return 0;
  }
  fmt::print("load     {:10.2f} s     {:.0f} MB private\n", load, private_after_load);
  fmt::print("encode   {:10.3f} s\n", median(encode));
  fmt::print("prefill  {:10.1f} tokens/s over {} tokens\n", median(prefill), last.prompt_tokens);
  fmt::print("decode   {:10.1f} tokens/s over {} tokens\n", median(decode), last.generated_tokens);
  fmt::print("memory   {:10.0f} MB private, {:.0f} MB resident with mapped weights\n", private_peak,
             resident);
  return 0;
}

}  // namespace isthmus::cli
