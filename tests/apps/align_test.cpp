// `isthmus align` as a user meets it.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <set>
#include <thread>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include <nlohmann/json.hpp>

#include "formats/checkpoint.h"
#include "program.h"

namespace isthmus::testing_programs {
namespace {

namespace fs = std::filesystem;

fs::path recipe(const fs::path& folder, int steps) {
  const fs::path parts = fixture("train_stage1/model"), inputs = fixture("train_stage1/inputs");
  return put_file(folder / "recipe.yaml",
                  fmt::format(R"(model:
  base: {}
  vision: {}
  fresh: {{projector: mlp2x_gelu}}
stages:
  - name: align
    trainable: ["aligner.*"]
    data: [{{type: conversations, path: {}, media: {}, template: plain}}]
    batch: 3
    steps: {}
    groups: [{{match: "*", rate: 1.0e-2}}]
    schedule: {{decay: cosine, warmup_steps: 1}}
    save_every: 10
  - name: instruct
    trainable: ["aligner.*", "decoder.*"]
    data: [{{type: conversations, path: {}, media: {}, template: v1}}]
    batch: 3
    steps: 5
    groups: [{{match: "*", rate: 1.0e-3}}]
)",
                              (parts / "vicuna-tiny").string(),
                              (parts / "openai/clip-tiny-patch14-42").string(),
                              (inputs / "data.json").string(), (inputs / "images").string(), steps,
                              (inputs / "data.json").string(), (inputs / "images").string()));
}

TEST(Align, TrainsTwoStagesAndTheResultAnswers) {
  const fs::path folder = fresh_folder(), out = folder / "out";
  const Outcome trained =
      isthmus({"align", recipe(folder, 30).string(), "-o", out.string(), "--threads", "1"});
  ASSERT_EQ(trained.status, 0) << trained.err;
  EXPECT_NE(trained.err.find("stage align: 4320 numbers learn, 30 steps"), std::string::npos);
  EXPECT_NE(trained.err.find("[snow on the mountain, yellow flowers\n]"), std::string::npos)
      << trained.err;
  EXPECT_TRUE(fs::exists(out / "align/model/mm_projector.bin"));
  EXPECT_EQ(trained.out, (out / "instruct/model").string() + "\n");
  const Outcome answer = isthmus({"run", (out / "instruct/model").string(), "--image",
                                  fixture("train_stage1/inputs/images/im0.png").string(), "-p",
                                  "What is this?", "--max-new-tokens", "4"});
  EXPECT_EQ(answer.status, 0) << answer.err;
  const Outcome again = isthmus({"align", recipe(folder, 30).string(), "-o", out.string()});
  EXPECT_EQ(again.status, 0);
  EXPECT_NE(again.err.find("stage instruct: is there already"), std::string::npos) << again.err;
}

TEST(Align, KilledAtAnyMomentItGoesOnToTheSameBytes) {
  const fs::path folder = fresh_folder();
  const std::string file = recipe(folder, 150).string();
  const auto align = [&](const std::string& out, std::vector<std::string> before) {
    before.insert(before.end(), {isthmus_program().string(), "align", file, "-o",
                                 (folder / out).string(), "--threads", "1"});
    return run_program(before);
  };
  ASSERT_EQ(align("whole", {}).status, 0);
  int kills = 0;
  Outcome last;
  for (const char* seconds : {"0.8", "1.1", "0.9", "60"}) {
    last = align("killed", {"/usr/bin/timeout", "-s", "KILL", seconds});
    kills += last.status != 0 ? 1 : 0;
  }
  ASSERT_EQ(last.status, 0) << last.err;
  EXPECT_GE(kills, 1);
  for (const char* stage : {"align", "instruct"}) {
    EXPECT_EQ(text_of(folder / "whole" / stage / "metrics.jsonl"),
              text_of(folder / "killed" / stage / "metrics.jsonl"));
  }
  EXPECT_EQ(text_of(folder / "whole/align/model/mm_projector.bin"),
            text_of(folder / "killed/align/model/mm_projector.bin"));
}

// One stage with a projector, in float32 so that runs can be held against each other.
fs::path one_stage(const fs::path& folder, int steps, double rate, const std::string& more = "") {
  const fs::path parts = fixture("train_stage1/model"), inputs = fixture("train_stage1/inputs");
  return put_file(
      folder / "recipe.yaml",
      fmt::format(R"(model:
  base: {}
  vision: {}
  fresh: {{projector: mlp2x_gelu}}
stages:
  - name: align
    trainable: ["aligner.*"]
    dtype: f32
    data: [{{type: conversations, path: {}, media: {}, template: plain}}]
    batch: 4
    steps: {}
    groups: [{{match: "*", rate: {}}}]
    save_every: 5
{})",
                  (parts / "vicuna-tiny").string(),
                  (parts / "openai/clip-tiny-patch14-42").string(), (inputs / "data.json").string(),
                  (inputs / "images").string(), steps, rate, more));
}

std::string free_port() {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  EXPECT_EQ(::bind(socket, reinterpret_cast<sockaddr*>(&address), size), 0);
  EXPECT_EQ(::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size), 0);
  ::close(socket);
  return std::to_string(ntohs(address.sin_port));
}

// Both ends of a run of two processes. `while_running` is called beside them with the folder.
std::vector<Outcome> in_two_processes(
    const fs::path& recipe, const fs::path& out,
    const std::function<void()>& while_running = [] {}) {
  std::vector<Outcome> outcomes(2);
  const std::string port = free_port();
  const auto process = [&](size_t rank) {
    const Surroundings surroundings{.environment = {{"RANK", std::to_string(rank)},
                                                    {"WORLD_SIZE", "2"},
                                                    {"MASTER_ADDR", "127.0.0.1"},
                                                    {"MASTER_PORT", port},
                                                    {"ISTHMUS_RENDEZVOUS_SECONDS", "60"}}};
    // The shell leaves its own number behind, which is the program's in the end.
    const fs::path number = out.string() + fmt::format(".process{}", rank);
    outcomes[rank] = run_program({"/bin/sh", "-c", "echo $$ > \"$0\"; exec \"$@\"", number.string(),
                                  isthmus_program().string(), "align", recipe.string(), "-o",
                                  out.string(), "--threads", "1"},
                                 surroundings);
  };
  std::thread first(process, 0), second(process, 1);
  while_running();
  first.join();
  second.join();
  return outcomes;
}

std::vector<double> losses_in(const fs::path& file) {
  std::vector<double> losses;
  for (const std::string& line : lines_of(text_of(file))) {
    const auto step = nlohmann::json::parse(line);
    losses.push_back(step.at("loss").at(0).get<double>());
    EXPECT_EQ(step.at("step"), losses.size());
  }
  return losses;
}

void expect_same_losses(const fs::path& got, const fs::path& want) {
  const auto a = losses_in(got), b = losses_in(want);
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a[i], b[i], 1e-4 * b[i]) << "step " << i + 1;
}

void expect_near_tensors(const fs::path& got, const fs::path& want) {
  const auto a = formats::Checkpoint::open(got), b = formats::Checkpoint::open(want);
  ASSERT_EQ(a.names(), b.names());
  for (const std::string& name : b.names()) {
    const auto &x = a.at(name), &y = b.at(name);
    ASSERT_EQ(x.dtype, DType::kF32);
    ASSERT_EQ(x.bytes.size(), y.bytes.size());
    std::vector<float> left(x.bytes.size() / sizeof(float)), right(left.size());
    std::memcpy(left.data(), x.bytes.data(), x.bytes.size());
    std::memcpy(right.data(), y.bytes.data(), y.bytes.size());
    double most = 0;
    for (size_t i = 0; i < left.size(); ++i)
      most = std::max<double>(most, std::abs(left[i] - right[i]));
    EXPECT_LT(most, 1e-4) << name;
  }
}

void wait_for_checkpoint(const fs::path& out) {
  const fs::path first = out / "align/checkpoints/step-000000005.safetensors";
  for (int i = 0; i < 60'000 && !fs::exists(first); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

TEST(AlignTogether, TwoProcessesLearnWhatOneLearns) {
  const fs::path folder = fresh_folder();
  // The first measures while the second waits.
  const fs::path recipe = one_stage(folder, 20, 1e-3,
                                    "    held_out: {every: 10, samples: 2, data: [{type: world, "
                                    "kind: plain, template: plain, split: test, side: 42}]}\n");
  const Outcome alone =
      isthmus({"align", recipe.string(), "-o", (folder / "alone").string(), "--threads", "1"});
  ASSERT_EQ(alone.status, 0) << alone.err;
  const auto both = in_two_processes(recipe, folder / "both");
  for (const Outcome& outcome : both) ASSERT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_NE(both[0].err.find("20 steps, 2 processes"), std::string::npos) << both[0].err;
  EXPECT_EQ(both[0].out, (folder / "both/align/model").string() + "\n");
  EXPECT_EQ(both[1].out, "");
  expect_same_losses(folder / "both/align/metrics.jsonl", folder / "alone/align/metrics.jsonl");
  EXPECT_EQ(lines_of(text_of(folder / "both/align/held_out.jsonl")).size(), 3u);
  expect_near_tensors(folder / "both/align/model/mm_projector.bin",
                      folder / "alone/align/model/mm_projector.bin");
}

TEST(AlignTogether, WhatTwoBeganOneEnds) {
  constexpr int kSteps = 240;
  constexpr double kRate = 1e-5;  // so that the order of sums does not grow over so many steps
  const fs::path folder = fresh_folder(), out = folder / "out";
  // Of both optimisers each process keeps a part.
  const fs::path recipe = one_stage(folder, kSteps, kRate, "    optimizer: {kind: muon}\n");
  const Outcome alone =
      isthmus({"align", recipe.string(), "-o", (folder / "alone").string(), "--threads", "1"});
  ASSERT_EQ(alone.status, 0) << alone.err;
  // One of them is interrupted once there is something to go on from; the other stops with it.
  const auto stopped = in_two_processes(recipe, out, [&] {
    wait_for_checkpoint(out);
    ::kill(std::stoi(text_of(out.string() + ".process1")), SIGINT);
  });
  for (const Outcome& outcome : stopped) EXPECT_EQ(outcome.status, 1) << outcome.err;
  EXPECT_NE(stopped[0].err.find("the same command goes on from here"), std::string::npos);
  const size_t done = losses_in(out / "align/metrics.jsonl").size();
  EXPECT_GE(done, 5u);
  EXPECT_LT(done, static_cast<size_t>(kSteps));
  const Outcome ended = isthmus({"align", recipe.string(), "-o", out.string(), "--threads", "1"});
  ASSERT_EQ(ended.status, 0) << ended.err;
  EXPECT_NE(ended.err.find(fmt::format("going on after step {} of {}", done, kSteps)),
            std::string::npos)
      << ended.err;
  expect_same_losses(out / "align/metrics.jsonl", folder / "alone/align/metrics.jsonl");
  expect_near_tensors(out / "align/model/mm_projector.bin",
                      folder / "alone/align/model/mm_projector.bin");
}

TEST(AlignTogether, WhereOneIsLostTheOtherStops) {
  const fs::path folder = fresh_folder(), out = folder / "out";
  const auto ended = in_two_processes(one_stage(folder, 100'000, 1e-5), out, [&] {
    wait_for_checkpoint(out);
    ::kill(std::stoi(text_of(out.string() + ".process1")), SIGKILL);
  });
  EXPECT_EQ(ended[1].status, 128 + SIGKILL);
  EXPECT_EQ(ended[0].status, 6) << ended[0].err;
  EXPECT_NE(ended[0].err.find("process 0 of 2: another process was lost"), std::string::npos)
      << ended[0].err;
}

TEST(AlignTogether, ABatchThatCannotBeSharedIsRefused) {
  const fs::path folder = fresh_folder();
  fs::path recipe = one_stage(folder, 4, 1e-3);
  std::string text = text_of(recipe);
  text.replace(text.find("batch: 4"), 8, "batch: 3");
  recipe = put_file(recipe, text);
  for (const Outcome& outcome : in_two_processes(recipe, folder / "out")) {
    EXPECT_EQ(outcome.status, 2) << outcome.err;
    EXPECT_NE(outcome.err.find("2 processes cannot share a batch of 3"), std::string::npos)
        << outcome.err;
  }
  const Outcome wrong = isthmus({"align", recipe.string(), "-o", (folder / "out").string()},
                                {.environment = {{"RANK", "2"}, {"WORLD_SIZE", "2"}}});
  EXPECT_EQ(wrong.status, 2);
  EXPECT_NE(wrong.err.find("RANK=2: expected less than WORLD_SIZE=2"), std::string::npos)
      << wrong.err;
}

TEST(Align, ALoraAnswersAndFoldsIntoAModelThatAnswersAlike) {
  const fs::path folder = fresh_folder(), out = folder / "out", merged = folder / "merged";
  const fs::path recipe = one_stage(
      folder, 12, 1e-2,
      "    lora: {rank: 4, alpha: 8, dropout: 0.1, targets: [\"decoder.layers.*_proj\"]}\n");
  const Outcome trained = isthmus({"align", recipe.string(), "-o", out.string(), "--threads", "1"});
  ASSERT_EQ(trained.status, 0) << trained.err;
  const fs::path adapter = out / "align/model";
  for (const char* file :
       {"adapter_config.json", "adapter_model.safetensors", "non_lora_trainables.bin"})
    EXPECT_TRUE(fs::exists(adapter / file)) << file;
  EXPECT_FALSE(fs::exists(adapter / "mm_projector.bin"));
  const auto config = nlohmann::json::parse(text_of(adapter / "adapter_config.json"));
  EXPECT_EQ(config.at("r"), 4);
  EXPECT_EQ(config.at("lora_alpha"), 8);
  EXPECT_EQ(config.at("lora_dropout"), 0.1);
  const std::string base = fixture("train_stage1/model/vicuna-tiny").string();
  EXPECT_EQ(config.at("base_model_name_or_path"), base);
  const auto answer = [&](const fs::path& model, const std::vector<std::string>& more = {}) {
    std::vector<std::string> arguments = {"run",
                                          model.string(),
                                          "--image",
                                          fixture("train_stage1/inputs/images/im0.png").string(),
                                          "-p",
                                          "What is this?",
                                          "--max-new-tokens",
                                          "12"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Outcome outcome = isthmus(arguments);
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    return outcome.out;
  };
  const Outcome folded =
      isthmus({"merge", adapter.string(), "--base", base, "-o", merged.string()});
  ASSERT_EQ(folded.status, 0) << folded.err;
  EXPECT_EQ(folded.out, merged.string() + "\n");
  EXPECT_FALSE(fs::exists(merged / "adapter_config.json"));
  const std::string said = answer(adapter, {"--base", base});
  EXPECT_EQ(answer(adapter, {"--base", base, "--no-merge-lora"}), said);
  EXPECT_EQ(answer(merged), said);
  EXPECT_GT(said.size(), 1u);
  const Outcome itself = isthmus({"merge", merged.string(), "-o", merged.string()});
  EXPECT_EQ(itself.status, 2);
  EXPECT_NE(itself.err.find("--out is the model itself"), std::string::npos) << itself.err;
}

TEST(Align, ARunCanBeWatchedAndStepsLeftOut) {
  const fs::path folder = fresh_folder(), out = folder / "out/align";
  const fs::path recipe = one_stage(folder, 6, 1e-3,
                                    "    non_finite: skip\n    held_out: {every: 3, samples: 3, "
                                    "data: [{type: world, kind: questions, split: test, side: 42, "
                                    "template: v1}]}\n");
  // A rate beyond all numbers: the second step and all that follow have no loss.
  const Outcome trained = isthmus({"align", recipe.string(), "-o", (folder / "out").string(),
                                   "--threads", "1", "--set", "stages.0.groups.0.rate=1.0e+30"});
  ASSERT_EQ(trained.status, 0) << trained.err;
  EXPECT_NE(trained.err.find("left out: step 2: "), std::string::npos) << trained.err;
  EXPECT_NE(trained.err.find("step 0: questions (test): "), std::string::npos) << trained.err;
  const auto lines = lines_of(text_of(out / "metrics.jsonl"));
  ASSERT_EQ(lines.size(), 6u);
  EXPECT_TRUE(nlohmann::json::parse(lines[0])["loss"][0].is_number());
  EXPECT_TRUE(nlohmann::json::parse(lines[5])["loss"][0].is_null());
  EXPECT_EQ(lines_of(text_of(out / "held_out.jsonl")).size(), 3u);
  EXPECT_FALSE(fs::is_empty(out / "tensorboard"));
  EXPECT_NE(text_of(out / "live.html").find("questions (test)"), std::string::npos);
}

// Whatever this process may write to is as long as it may be: the disk is full, for it alone.
void fill_disk_of(pid_t process, rlim_t most) {
  const rlimit limit{most, RLIM_INFINITY};
  ASSERT_EQ(::prlimit(process, RLIMIT_FSIZE, &limit, nullptr), 0) << std::strerror(errno);
}

std::set<std::string> files_in(const fs::path& folder) {
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder))
    names.insert(entry.path().filename().string());
  return names;
}

TEST(Align, AFullDiskEndsTheRunAndLosesNothing) {
  constexpr int kSteps = 600;
  const fs::path folder = fresh_folder();
  const fs::path recipe = one_stage(folder, kSteps, 1e-4);
  const auto align = [&](const fs::path& out) {
    return isthmus({"align", recipe.string(), "-o", out.string(), "--threads", "1"});
  };
  ASSERT_EQ(align(folder / "whole").status, 0);
  // Full to the last byte, so that the next line of numbers fails; and with room for those, but not
  // for a checkpoint or a page.
  for (const rlim_t room : {rlim_t{1}, rlim_t{40'000}}) {
    const fs::path out = folder / fmt::format("full{}", room), number = out.string() + ".process";
    Outcome ended;
    // A write beyond the limit fails, as on a full disk, only where its signal is ignored.
    std::thread running([&] {
      ended = run_program({"/bin/sh", "-c", "trap '' XFSZ; echo $$ > \"$0\"; exec \"$@\"",
                           number.string(), isthmus_program().string(), "align", recipe.string(),
                           "-o", out.string(), "--threads", "1"});
    });
    wait_for_checkpoint(out);
    fill_disk_of(std::stoi(text_of(number)), room);
    running.join();
    EXPECT_EQ(ended.status, 6) << ended.err;
    const auto said = lines_of(ended.err);
    EXPECT_EQ(std::ranges::count_if(
                  said, [](const std::string& line) { return line.starts_with("isthmus: "); }),
              1)
        << ended.err;
    EXPECT_NE(said.back().find(out.string()), std::string::npos) << said.back();
    // Whole checkpoints alone are there, and the last of them is gone on from.
    const auto left = files_in(out / "align/checkpoints");
    EXPECT_FALSE(left.empty());
    for (const std::string& name : left)
      EXPECT_TRUE(name.starts_with("step-") && name.ends_with(".safetensors")) << name;
    EXPECT_FALSE(fs::exists(out / "align/model"));
    const Outcome resumed = align(out);
    ASSERT_EQ(resumed.status, 0) << resumed.err;
    EXPECT_NE(resumed.err.find("going on after step "), std::string::npos) << resumed.err;
    EXPECT_EQ(resumed.err.find("cannot be used"), std::string::npos) << resumed.err;
    EXPECT_EQ(text_of(out / "align/metrics.jsonl"), text_of(folder / "whole/align/metrics.jsonl"));
    EXPECT_EQ(text_of(out / "align/model/mm_projector.bin"),
              text_of(folder / "whole/align/model/mm_projector.bin"));
  }
}

TEST(Align, BeforeTheFirstStepThereIsAPageWithThePictures) {
  const fs::path folder = fresh_folder(), out = folder / "out";
  const Outcome trained =
      isthmus({"align", one_stage(folder, 2, 1e-3).string(), "-o", out.string(), "--threads", "1"});
  ASSERT_EQ(trained.status, 0) << trained.err;
  for (const char* part : {"medium 1 of 1: image [1, 3, 42, 42], 9 soft tokens", "memory: about ",
                           " are there", "time: about ", "align/preflight.html"})
    EXPECT_NE(trained.err.find(part), std::string::npos) << part << "\n" << trained.err;
  EXPECT_EQ(trained.err.find('\x1b'), std::string::npos);  // this is no terminal
  const std::string page = text_of(out / "align/preflight.html");
  for (const char* part : {"<img alt=\"\" src=\"data:image/png;base64,", "9 soft tokens",
                           "<span class=\"medium\">medium 1</span>", "<span class=\"learnt\">",
                           "tokens carry loss", "memory: about "})
    EXPECT_NE(page.find(part), std::string::npos) << part;
}

TEST(Align, WhatCannotFitIsRefusedUnlessItIsWanted) {
  const fs::path folder = fresh_folder(), out = folder / "out";
  const std::string file = one_stage(folder, 2, 1e-3).string();
  const std::string batch = "stages.0.feature_cache={memory_mb: 100000000}";
  const Outcome refused = isthmus({"align", file, "-o", out.string(), "--set", batch});
  EXPECT_EQ(refused.status, 6) << refused.err;
  for (const char* part : {"stage align: memory: about 10", "kept features", "--anyway"})
    EXPECT_NE(refused.err.find(part), std::string::npos) << part << "\n" << refused.err;
  EXPECT_FALSE(fs::exists(out / "align"));
  const Outcome wanted = isthmus({"align", file, "-o", out.string(), "--set", batch, "--anyway"});
  EXPECT_EQ(wanted.status, 0) << wanted.err;
  EXPECT_NE(wanted.err.find("it may not fit"), std::string::npos) << wanted.err;
}

TEST(Align, ATemplateThatTheTokenizerBreaksIsRefused) {
  const fs::path folder = fresh_folder(), out = folder / "out";
  const std::string file = recipe(folder, 5).string();
  const Outcome refused =
      isthmus({"align", file, "-o", out.string(), "--set", "stages.0.data.0.template=mpt"});
  EXPECT_EQ(refused.status, 2) << refused.err;
  for (const char* part : {"data.json: template mpt does not fit the tokenizer",
                           "tokenizer.model: <|im_start|>, which begins every turn"})
    EXPECT_NE(refused.err.find(part), std::string::npos) << part << "\n" << refused.err;
  EXPECT_FALSE(fs::exists(out / "align"));
}

TEST(Align, MistakesAreToldBeforeAnythingIsWritten) {
  const fs::path folder = fresh_folder(), out = folder / "out";
  const std::string file = recipe(folder, 5).string();
  const auto error = [&](std::vector<std::string> sets, int status) {
    std::vector<std::string> arguments = {"align", file, "-o", out.string()};
    for (const std::string& set : sets) arguments.insert(arguments.end(), {"--set", set});
    const Outcome outcome = isthmus(arguments);
    EXPECT_EQ(outcome.status, status) << outcome.err;
    return outcome.err;
  };
  EXPECT_NE(error({"stages.0.bach=3"}, 2).find("did you mean \"batch\"?"), std::string::npos);
  EXPECT_NE(error({"stages.0.data.0.path=gone.json"}, 3).find("gone.json"), std::string::npos);
  EXPECT_FALSE(fs::exists(out));
  EXPECT_NE(error({"stages.0.trainable=[aligner.nose.*]"}, 2)
                .find("no weight of the model fits \"aligner.nose.*\""),
            std::string::npos);
  EXPECT_NE(error({"stages.0.groups.0.match=decoder.*"}, 2).find("no group takes aligner."),
            std::string::npos);
  EXPECT_EQ(isthmus({"align", (folder / "nothing.yaml").string()}).status, 2);
}

}  // namespace
}  // namespace isthmus::testing_programs
