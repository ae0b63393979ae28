// Seconds from prepared input to soft tokens for every modality of a OneLLM: what
// bench/peer_onellm_pytorch.py times in PyTorch. Inputs are noise of the real shapes.
// Also furthest point sampling and the filter bank, which are parts of tokenizer and preparation.
//
//   onellm_bench FOLDER [MODALITY ...] [--repetitions 1] [--threads 2] [--storage f32]
#include <algorithm>
#include <chrono>
#include <ctime>
#include <iostream>
#include <map>
#include <string>
#include <vector>

#include <c10/core/InferenceMode.h>
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "base/rng.h"
#include "engine/load.h"
#include "isthmus/error.h"
#include "modalities/filter_bank.h"
#include "modalities/point_cloud.h"

namespace isthmus::bench {
namespace {

const std::map<std::string, Shape> kInputs{
    {"image", {1, 3, 224, 224}}, {"video", {15, 3, 224, 224}},
    {"audio", {1, 128, 1024}},   {"points", {8192, 6}},
    {"depth", {2, 3, 224, 224}}, {"normal", {2, 3, 224, 224}},
    {"fmri", {1, 15724}},        {"imu", {6, 400}},
};

std::vector<float> noise(size_t count) {
  Rng rng(1);
  std::vector<float> values(count);
  for (float& value : values) value = static_cast<float>(2 * rng.uniform() - 1);
  return values;
}

// CPU time is that of all threads: with one thread it holds on a machine that is not idle.
template <class Run>
nlohmann::ordered_json smallest_seconds(int64_t repetitions, const Run& run) {
  double wall = 1e30, cpu = 1e30;
  for (int64_t i = 0; i < repetitions; ++i) {
    const auto start = std::chrono::steady_clock::now();
    const std::clock_t cpu_start = std::clock();
    run();
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
    wall = std::min(wall, taken.count());
    cpu = std::min(cpu, static_cast<double>(std::clock() - cpu_start) / CLOCKS_PER_SEC);
  }
  return {{"wall", wall}, {"cpu", cpu}};
}

nlohmann::ordered_json measure(const std::string& folder, const std::vector<std::string>& names,
                               int64_t repetitions, int threads, const std::string& storage) {
  LoadOptions options;
  options.threads = threads;
  options.encoder_storage = options.aligner_storage = storage;
  const auto engine = engine::load_engine(folder, "", "", options);
  c10::InferenceMode inference;
  const auto encode = [&](const std::string& name) {
    modalities::Prepared prepared;
    prepared.modality = name;
    prepared.shape = kInputs.at(name);
    prepared.values = noise(static_cast<size_t>(*num_elements(prepared.shape)));
    return smallest_seconds(repetitions,
                            [&] { engine->family().encode(std::span(&prepared, 1), nullptr); });
  };
  encode("fmri");  // touches all weights
  nlohmann::ordered_json seconds;
  for (const std::string& name : names) seconds[name] = encode(name);
  const std::vector<float> points = noise(3 * 8192), sound = noise(10 * 16000);
  const modalities::FilterBank bank;
  seconds["furthest_points"] =
      smallest_seconds(5, [&] { modalities::furthest_points(points, 1024); });
  seconds["filter_bank"] = smallest_seconds(5, [&] { bank.energies(sound); });
  return seconds;
}

}  // namespace
}  // namespace isthmus::bench

int main(int argc, char** argv) {
  CLI::App app("Times encoder and aligner of a OneLLM for every modality");
  std::string folder;
  std::vector<std::string> names;
  int64_t repetitions = 1;
  int threads = 2;
  app.add_option("FOLDER", folder, "What make_random_onellm wrote")->required();
  app.add_option("MODALITY", names, "All without one")
      ->check(CLI::IsMember(isthmus::bench::kInputs));
  app.add_option("--repetitions", repetitions, "The smallest of them is shown")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--threads", threads)->check(CLI::PositiveNumber)->capture_default_str();
  std::string storage = "f32";
  app.add_option("--storage", storage, "Of encoder and aligner")
      ->check(CLI::IsMember({"f32", "stored", "q8", "q6", "q5", "q4"}))
      ->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  if (names.empty())
    for (const auto& [name, shape] : isthmus::bench::kInputs) names.push_back(name);
  try {
    std::cout << isthmus::bench::measure(folder, names, repetitions, threads, storage).dump(1)
              << "\n";
  } catch (const isthmus::Error& error) {
    std::cerr << "onellm_bench: " << error.what() << "\n";
    return error.exit_code();
  }
}
