// Seconds of one step of LLaVA's first stage: frozen tower, projector that learns, frozen language
// model, AdamW. What bench/training/peer_step.py times in PyTorch, on the same sizes.
//
//   step_bench MODEL [--base B] [--vision V] [--batch 16] [--text 96] [--targets 24]
//              [--storage stored] [--feature-cache FOLDER] [--gradient-checkpointing] [--repetitions 5]
//              [--threads 2]
//
// With a feature cache the first step, which warms up, fills it. peak_private_mb counts what is not
// a mapped file, sampled every 20 ms from the start.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <ctime>
#include <fstream>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "base/rng.h"
#include "engine/load.h"
#include "families/llava/llava.h"
#include "families/registry.h"
#include "media/image.h"
#include "nn/allocation.h"
#include "training/learner.h"
#include "world/encode.h"

namespace isthmus::bench {
namespace {

using families::Example;

// A picture in front, then text of which the last tokens carry loss.
Example example_of(families::Family& family, int64_t text, int64_t targets, Rng& rng) {
  Example example;
  const Part picture =
      Part::of_image_data(world::write_png(media::filled_image(336, 336, {90, 120, 150})));
  example.media.push_back(family.prepare({&picture, "noise"}));
  for (float& value : example.media.front().values)
    value = static_cast<float>(2 * rng.uniform() - 1);
  const auto vocabulary = static_cast<double>(family.tokenizer()->vocab_size());
  const auto id = [&] { return static_cast<int64_t>(3 + rng.uniform() * (vocabulary - 4)); };
  families::append(example.segments, 1, false);
  example.segments.push_back(families::MediaSegment{0});
  for (int64_t i = 1; i < text; ++i) families::append(example.segments, id(), i >= text - targets);
  return example;
}

// Largest anonymous resident memory while alive.
class PeakPrivateMemory {
 public:
  PeakPrivateMemory()
      : thread_([this](const std::stop_token& stop) {
          while (!stop.stop_requested()) {
            kibibytes_ = std::max<int64_t>(kibibytes_, now());
            std::this_thread::sleep_for(std::chrono::milliseconds(20));
          }
        }) {}
  double megabytes() const { return static_cast<double>(kibibytes_) * 1024 / 1e6; }

 private:
  static int64_t now() {
    std::ifstream status("/proc/self/status");
    for (std::string word; status >> word;)
      if (int64_t value = 0; word == "RssAnon:" && status >> value) return value;
    return 0;
  }

  std::atomic<int64_t> kibibytes_ = 0;
  std::jthread thread_;
};

}  // namespace
}  // namespace isthmus::bench

int main(int argc, char** argv) {
  using namespace isthmus;
  CLI::App app{"A step of LLaVA's first stage"};
  std::string model, base, cache_folder;
  LoadOptions load;
  int64_t batch = 16, text = 96, targets = 24, repetitions = 5;
  app.add_option("MODEL", model)->required();
  app.add_option("--base", base);
  app.add_option("--vision", load.vision);
  app.add_option("--storage", load.decoder_storage);
  app.add_option("--feature-cache", cache_folder);
  training::LearnerOptions learning;
  app.add_flag("--gradient-checkpointing", learning.gradient_checkpointing);
  app.add_option("--batch", batch);
  app.add_option("--text", text);
  app.add_option("--targets", targets);
  app.add_option("--repetitions", repetitions);
  app.add_option("--threads", load.threads)->default_val(2);
  CLI11_PARSE(app, argc, argv);

  const bench::PeakPrivateMemory memory;
  nn::keep_large_blocks();  // as the program does
  engine::prepare_arithmetic(load);
  const auto family = families::load_family(model, base, "", load);
  const training::TrainablePattern projector{"aligner.*", {}};
  auto trainables = training::make_trainable(family->modules(), std::span(&projector, 1));
  std::vector<std::unique_ptr<training::Optimizer>> optimizers;
  optimizers.push_back(training::make_adamw({{"all", trainables, 1e-3, 0}}, {}));
  training::Learner learner(*family, std::move(optimizers), learning);
  std::optional<training::FeatureCache> cache;
  if (!cache_folder.empty())
    learner.set_feature_cache(
        &cache.emplace(*family, training::FeatureCacheOptions{0, cache_folder}));
  Rng rng(1);
  std::vector<families::Example> examples;
  for (int64_t i = 0; i < batch; ++i)
    examples.push_back(bench::example_of(*family, text, targets, rng));

  double wall = 1e30, cpu = 1e30, loss = 0;
  for (int64_t i = 0; i <= repetitions; ++i) {  // the first one warms up
    const auto start = std::chrono::steady_clock::now();
    const std::clock_t cpu_start = std::clock();
    loss = learner.accumulate(examples, 1).loss;
    learner.step(1.0);
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
    if (i == 0) continue;
    wall = std::min(wall, taken.count());
    cpu = std::min(cpu, static_cast<double>(std::clock() - cpu_start) / CLOCKS_PER_SEC);
  }
  std::cout << nlohmann::json({{"wall_s", wall},
                               {"cpu_s", cpu},
                               {"loss", loss},
                               {"peak_private_mb", memory.megabytes()}})
                   .dump()
            << "\n";
}
