#include "training/processes.h"

#include <array>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <optional>
#include <string_view>
#include <utility>

#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include "isthmus/error.h"

namespace isthmus::training {
namespace {

std::optional<int64_t> number(const char* name) {
  const char* const text = std::getenv(name);
  if (text == nullptr || *text == '\0') return std::nullopt;
  const std::string_view view(text);
  int64_t value = 0;
  const auto [end, error] = std::from_chars(view.data(), view.data() + view.size(), value);
  if (error != std::errc() || end != view.data() + view.size() || value < 0)
    throw UsageError(fmt::format("{}={}: expected a number", name, view));
  return value;
}

struct Place {
  int64_t rank = 0, world = 1;
};

Place place_of_this_process() {
  constexpr std::array<std::pair<const char*, const char*>, 4> kLaunchers = {
      {{"RANK", "WORLD_SIZE"},
       {"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"},
       {"PMI_RANK", "PMI_SIZE"},
       {"SLURM_PROCID", "SLURM_NTASKS"}}};
  for (const auto& [rank_name, world_name] : kLaunchers) {
    const auto rank = number(rank_name), world = number(world_name);
    if (!rank || !world) continue;
    if (*rank >= *world)
      throw UsageError(
          fmt::format("{}={}: expected less than {}={}", rank_name, *rank, world_name, *world));
    return {*rank, *world};
  }
  return {};
}

// torchrun may keep the store on that port itself, for all attempts: every process is its client.
bool launcher_keeps_store() {
  const char* const text = std::getenv("TORCHELASTIC_USE_AGENT_STORE");
  return text != nullptr && std::string_view(text) == "True";
}

class Alone final : public Processes {
 public:
  Alone() : Processes(0, 1) {}
  void add_up(std::span<const Tensor>) override {}
  void hand_out(std::span<const Tensor>, int64_t) override {}
  std::vector<std::string> gather(const std::string& own) override { return {own}; }
};

// The numbers of all tensors in a row, and back.
Tensor flattened(std::span<const Tensor> tensors) {
  std::vector<Tensor> flat;
  for (const Tensor& tensor : tensors) flat.push_back(tensor.reshape({-1}));
  return flat.size() == 1 ? flat.front().clone() : torch::cat(flat);
}

void spread(const Tensor& flat, std::span<const Tensor> tensors) {
  int64_t at = 0;
  for (const Tensor& tensor : tensors) {
    Tensor(tensor).copy_(flat.narrow(0, at, tensor.numel()).view(tensor.sizes()));
    at += tensor.numel();
  }
}

class Several final : public Processes {
 public:
  Several(const Place& place, const std::string& address, int64_t port, int64_t seconds)
      : Processes(place.rank, place.world) {
    guard([&] {
      c10d::TCPStoreOptions store;
      store.port = static_cast<uint16_t>(port);
      store.isServer = place.rank == 0 && !launcher_keeps_store();
      store.numWorkers = static_cast<size_t>(place.world);
      store.timeout = std::chrono::seconds(seconds);
      auto options = c10d::ProcessGroupGloo::Options::create();
      options->timeout = std::chrono::minutes(30);
      options->threads = 2;
      options->devices.push_back(address == "127.0.0.1" || address == "localhost"
                                     ? c10d::ProcessGroupGloo::createDeviceForHostname("127.0.0.1")
                                     : c10d::ProcessGroupGloo::createDefaultDevice());
      const int64_t attempt = number("TORCHELASTIC_RESTART_COUNT").value_or(0);
      group_ = c10::make_intrusive<c10d::ProcessGroupGloo>(
          c10::make_intrusive<c10d::PrefixStore>(
              fmt::format("isthmus/{}", attempt),
              c10::make_intrusive<c10d::TCPStore>(address, store)),
          static_cast<int>(place.rank), static_cast<int>(place.world), options);
    });
  }

  void add_up(std::span<const Tensor> tensors) override {
    if (tensors.empty()) return;
    const torch::NoGradGuard no_gradient;
    guard([&] {
      std::vector<Tensor> message = {flattened(tensors)};
      group_->allreduce(message)->wait();
      spread(message.front(), tensors);
    });
  }

  void hand_out(std::span<const Tensor> tensors, int64_t from) override {
    if (tensors.empty()) return;
    const torch::NoGradGuard no_gradient;
    guard([&] {
      std::vector<Tensor> message = {flattened(tensors)};
      c10d::BroadcastOptions options;
      options.rootRank = static_cast<int>(from);
      group_->broadcast(message, options)->wait();
      if (from != rank()) spread(message.front(), tensors);
    });
  }

  std::vector<std::string> gather(const std::string& own) override {
    std::vector<std::string> all;
    for (int64_t from = 0; from < world(); ++from) {
      std::string text = from == rank() ? own : std::string();
      Tensor size = torch::tensor({static_cast<int64_t>(text.size())}, torch::kInt64);
      hand_out(std::span(&size, 1), from);
      text.resize(static_cast<size_t>(size.item<int64_t>()));
      if (!text.empty()) {
        Tensor bytes = torch::from_blob(text.data(), {static_cast<int64_t>(text.size())},
                                        torch::kUInt8);
        hand_out(std::span(&bytes, 1), from);
      }
      all.push_back(std::move(text));
    }
    return all;
  }

 private:
  template <typename Work>
  void guard(const Work& work) {
    try {
      work();
    } catch (const std::exception& error) {
      const std::string what = error.what();
      throw ResourceError(fmt::format("process {} of {}: another process was lost: {}", rank(),
                                      world(), what.substr(0, what.find('\n'))));
    }
  }

  c10::intrusive_ptr<c10d::ProcessGroupGloo> group_;
};

}  // namespace

std::shared_ptr<Processes> Processes::from_environment() {
  const Place place = place_of_this_process();
  if (place.world == 1) return alone();
  const char* const address = std::getenv("MASTER_ADDR");
  return std::make_shared<Several>(place, address != nullptr ? address : "127.0.0.1",
                                   number("MASTER_PORT").value_or(29500),
                                   number("ISTHMUS_RENDEZVOUS_SECONDS").value_or(300));
}

std::shared_ptr<Processes> Processes::alone() { return std::make_shared<Alone>(); }

double Processes::sum(double own) {
  if (world() == 1) return own;
  const Tensor value = torch::tensor({own}, torch::kDouble);
  add_up(std::span(&value, 1));
  return value.item<double>();
}

}  // namespace isthmus::training
