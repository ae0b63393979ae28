// Two processes learn what one learns, however a stage is made up. Here they are two threads with a
// model each; tests/apps has two processes.
#include "training/processes.h"

#include <array>
#include <barrier>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include <gtest/gtest.h>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include "error_message.h"
#include "isthmus/error.h"
#include "small_llava.h"

namespace isthmus::training {
namespace {

namespace fs = std::filesystem;

// Where the two lay down what the other one takes.
struct Meeting {
  std::barrier<> all_here{2};
  std::array<std::vector<Tensor>, 2> tensors;
  std::array<std::string, 2> texts;
};

class Twin final : public Processes {
 public:
  Twin(int64_t rank, std::shared_ptr<Meeting> meeting)
      : Processes(rank, 2), meeting_(std::move(meeting)) {}

  void add_up(std::span<const Tensor> tensors) override {
    const torch::NoGradGuard no_gradient;
    lay_down(tensors);
    std::vector<Tensor> sums;
    for (size_t i = 0; i < tensors.size(); ++i)
      sums.push_back(meeting_->tensors[0].at(i) + meeting_->tensors[1].at(i));
    meeting_->all_here.arrive_and_wait();
    for (size_t i = 0; i < tensors.size(); ++i) Tensor(tensors[i]).copy_(sums[i]);
  }

  void hand_out(std::span<const Tensor> tensors, int64_t from) override {
    const torch::NoGradGuard no_gradient;
    lay_down(tensors);
    const auto& theirs = meeting_->tensors[static_cast<size_t>(from)];
    for (size_t i = 0; i < tensors.size() && from != rank(); ++i)
      Tensor(tensors[i]).copy_(theirs.at(i));
    meeting_->all_here.arrive_and_wait();
  }

  std::vector<std::string> gather(const std::string& own) override {
    meeting_->texts[static_cast<size_t>(rank())] = own;
    meeting_->all_here.arrive_and_wait();
    const std::vector<std::string> all(meeting_->texts.begin(), meeting_->texts.end());
    meeting_->all_here.arrive_and_wait();
    return all;
  }

 private:
  void lay_down(std::span<const Tensor> tensors) {
    meeting_->tensors[static_cast<size_t>(rank())].assign(tensors.begin(), tensors.end());
    meeting_->all_here.arrive_and_wait();
  }

  std::shared_ptr<Meeting> meeting_;
};

// Both families, and what the first one told.
struct Pair {
  std::array<std::shared_ptr<families::Family>, 2> families;
  Outcome outcome;
};

Pair run_pair(const fs::path& folder, const recipe::Recipe& recipe, int64_t stop = 0) {
  Pair pair;
  const auto meeting = std::make_shared<Meeting>();
  for (auto& family : pair.families) family = load_start(folder, recipe);
  const auto run = [&](int64_t rank) {
    const Outcome outcome =
        run_stage(*pair.families[static_cast<size_t>(rank)], recipe, folder / "checkpoints", stop,
                  std::make_shared<Twin>(rank, meeting));
    if (rank == 0)
      pair.outcome = outcome;
    else
      EXPECT_TRUE(outcome.losses.empty());  // the first one tells
  };
  std::thread second(run, 1);
  run(0);
  second.join();
  return pair;
}

void expect_near(const std::vector<double>& got, const std::vector<double>& want) {
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < got.size(); ++i) {
    if (std::isnan(want[i]))
      EXPECT_TRUE(std::isnan(got[i])) << i;
    else
      EXPECT_NEAR(got[i], want[i], 1e-4 * want[i]) << i;
  }
}

void expect_near(const std::map<std::string, Tensor>& got,
                 const std::map<std::string, Tensor>& want) {
  ASSERT_EQ(got.size(), want.size());
  for (const auto& [name, value] : want)
    EXPECT_LT((got.at(name) - value).abs().max().item<double>(), 1e-4) << name;
}

struct Make {
  const char* name;
  std::string text;
};

std::string small_steps(const std::string& more = "") {
  return replaced(replaced(recipe_text(more), "batch: 3", "batch: 4"), "1.0e-2", "1.0e-3");
}

// With the captions as two data sets, the second one less dear.
std::string two_entries(const std::string& more) {
  const std::string entry = captions_text().substr(0, captions_text().size() - 1);
  return replaced(
      small_steps(more), captions_text(),
      captions_text() + ", " + entry + ", loss_multiplier: 0.2, batch: 2, weight: 0.5}");
}

const std::vector<Make>& makes() {
  static const std::vector<Make> all = {
      {"AdamW", small_steps("    accumulation: 2\n")},
      {"Muon", small_steps("    optimizer: {kind: muon}\n    ema: 0.5\n")},
      {"Batches", two_entries("    combine: batches\n")},
      {"Samples", two_entries("    feature_cache: {memory_mb: 4}\n")},
      {"Together", two_entries("    combine: together\n    accumulation: 2\n"
                               "    clip_norm: 0.1\n    clip_every_micro_step: true\n")},
      {"Grouped", replaced(small_steps(), "template: plain", "template: plain, order: grouped")},
      {"LowRank", small_steps("    lora: {rank: 2, targets: [\"decoder.layers.*.q_proj\"]}\n")},
      {"Rows", replaced(small_steps(), "[\"aligner.*\"]",
                        "[{match: decoder.embed_tokens.weight, rows: [5, 6, 300]}, "
                        "\"aligner.*.bias\"]")}};
  return all;
}

class TwoProcesses : public testing::TestWithParam<size_t> {};

TEST_P(TwoProcesses, LearnWhatOneLearns) {
  const Make& make = makes()[GetParam()];
  const Whole alone = train(std::string("alone_") + make.name, make.text, {});
  const fs::path folder = fresh_folder(std::string("pair_") + make.name);
  const recipe::Recipe recipe = written(folder, make.text);
  write_fresh(recipe, 1, folder / "start");
  const Pair pair = run_pair(folder, recipe);
  EXPECT_TRUE(pair.outcome.finished);
  expect_near(pair.outcome.losses, alone.losses);
  expect_near(learnt(*pair.families[0]), alone.weights);
  expect_same_bits(learnt(*pair.families[0]), learnt(*pair.families[1]));
}

TEST_P(TwoProcesses, GoOnFromOneAndOneFromThem) {
  const Make& make = makes()[GetParam()];
  const Whole alone = train(std::string("alone_") + make.name, make.text, {});
  const fs::path folder = fresh_folder(std::string("change_") + make.name);
  const recipe::Recipe recipe = written(folder, make.text);
  const auto first = fresh_llava(folder, recipe);
  std::vector<double> losses = run_stage(*first, recipe, folder / "checkpoints", 3).losses;
  for (const int64_t stop : {4, 6}) {  // with the same number of processes, too
    const Pair pair = run_pair(folder, recipe, stop);
    EXPECT_FALSE(pair.outcome.finished);
    losses.insert(losses.end(), pair.outcome.losses.begin(), pair.outcome.losses.end());
  }
  const auto last = load_start(folder, recipe);
  const Outcome end = run_stage(*last, recipe, folder / "checkpoints");
  EXPECT_TRUE(end.finished);
  losses.insert(losses.end(), end.losses.begin(), end.losses.end());
  expect_near(losses, alone.losses);
  expect_near(learnt(*last), alone.weights);
}

INSTANTIATE_TEST_SUITE_P(All, TwoProcesses, testing::Range(size_t{0}, makes().size()),
                         [](const auto& test) { return makes()[test.param].name; });

TEST(Owners, KeepAboutAsManyNumbersEach) {
  std::vector<Trainable> trainables;
  for (const int64_t size : {8, 1, 4, 3, 2, 6})
    trainables.push_back({"w", torch::zeros({size}), {}});
  EXPECT_EQ(owners_of(trainables, 1), std::vector<int64_t>(6, 0));
  const auto owners = owners_of(trainables, 2);
  std::array<int64_t, 2> loads = {0, 0};
  for (size_t i = 0; i < owners.size(); ++i)
    loads[static_cast<size_t>(owners[i])] += trainables[i].value.numel();
  EXPECT_EQ(loads, (std::array<int64_t, 2>{12, 12}));
  EXPECT_EQ(owners_of(trainables, 9).size(), 6u);
}

TEST(Processes, MeetInTheStoreThatTheirLauncherKeeps) {
  c10d::TCPStoreOptions options;
  options.port = 0;
  options.isServer = true;
  options.waitWorkers = false;
  c10d::TCPStore store("127.0.0.1", options);
  const int64_t before = store.getNumKeys();
  const std::map<std::string, std::string> environment = {
      {"RANK", "1"},
      {"WORLD_SIZE", "2"},
      {"MASTER_ADDR", "127.0.0.1"},
      {"MASTER_PORT", std::to_string(store.getPort())},
      {"TORCHELASTIC_USE_AGENT_STORE", "True"},
      {"ISTHMUS_RENDEZVOUS_SECONDS", "60"}};
  for (const auto& [name, value] : environment) ::setenv(name.c_str(), value.c_str(), 1);
  double theirs = 0, own = 0;
  std::thread second([&] { theirs = Processes::from_environment()->sum(2); });
  // It has read the environment once it is heard of.
  while (store.getNumKeys() == before) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  ::setenv("RANK", "0", 1);
  own = Processes::from_environment()->sum(3);
  second.join();
  for (const auto& [name, value] : environment) ::unsetenv(name.c_str());
  EXPECT_EQ(own, 5);
  EXPECT_EQ(theirs, 5);
}

TEST(Processes, ArePlacedAsLaunchersSayIt) {
  const auto set = [](const char* rank_name, const char* rank, const char* world_name,
                      const char* world) {
    ::setenv(rank_name, rank, 1);
    ::setenv(world_name, world, 1);
    std::string error = "no error";
    int64_t found = -1;
    error = message_of<UsageError>([&] { found = Processes::from_environment()->world(); });
    ::unsetenv(rank_name);
    ::unsetenv(world_name);
    return error == "no error" ? std::to_string(found) : error;
  };
  EXPECT_EQ(set("RANK", "0", "WORLD_SIZE", "1"), "1");
  EXPECT_EQ(set("RANK", "", "WORLD_SIZE", "4"), "1");  // half of it is nothing
  EXPECT_EQ(set("SLURM_PROCID", "0", "SLURM_NTASKS", "1"), "1");
  EXPECT_EQ(set("RANK", "two", "WORLD_SIZE", "4"), "RANK=two: expected a number");
  EXPECT_EQ(set("PMI_RANK", "4", "PMI_SIZE", "4"), "PMI_RANK=4: expected less than PMI_SIZE=4");
}

}  // namespace
}  // namespace isthmus::training
