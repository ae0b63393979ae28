// Models of LLaVA whose parts do what a test wants.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <stdexcept>
#include <thread>

#include "families/llava/llava.h"
#include "families/registry.h"
#include "serving_testing.h"

namespace isthmus::serving_testing {

// What the tests of a family look at and set. Any thread.
struct Strangeness {
  // Called before every pass of the language model; may throw.
  std::function<void(const nn::ForwardContext&)> before_pass = [](const nn::ForwardContext&) {};
  // What enters the first block instead, [1, rows of all lanes, hidden_size].
  std::function<torch::Tensor(const torch::Tensor&, const nn::ForwardContext&)> change =
      [](const torch::Tensor& hidden, const nn::ForwardContext&) { return hidden; };
  std::atomic<int> slow_blocks = 0;  // more of the encoder, of 5 ms each
  std::atomic<int> passes = 0, blocks = 0, passes_while_encoding = 0;
};

class StrangeLlava : public families::llava::Llava, private nn::BlockHook {
 public:
  StrangeLlava(const std::shared_ptr<families::Family>& family,
               std::shared_ptr<Strangeness> strangeness)
      : StrangeLlava(family, dynamic_cast<Llava&>(*family), std::move(strangeness)) {}

  nn::BlockHook* block_hook() override { return this; }
  std::vector<families::MediaFeatures> features(std::span<const modalities::Prepared> media,
                                                nn::Probe* probe) override {
    const int before = strangeness_->passes;
    for (int i = 0; i < strangeness_->slow_blocks; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
      ++strangeness_->blocks;
      nn::between_blocks(probe);
    }
    auto made = Llava::features(media, probe);
    strangeness_->passes_while_encoding += strangeness_->passes - before;
    return made;
  }

 private:
  StrangeLlava(const std::shared_ptr<families::Family>& family, Llava& llava,
               std::shared_ptr<Strangeness> strangeness)
      : Llava(llava.settings(), {family, &llava.modules()}), strangeness_(std::move(strangeness)) {}
  torch::Tensor before_block(int64_t layer, const torch::Tensor& hidden,
                             const nn::ForwardContext& context) override {
    if (layer > 0) return hidden;
    ++strangeness_->passes;
    strangeness_->before_pass(context);
    return strangeness_->change(hidden, context);
  }

  std::shared_ptr<Strangeness> strangeness_;
};

inline std::unique_ptr<Service> strange_service(std::shared_ptr<Strangeness> strangeness,
                                                const SchedulerOptions& options = {}) {
  const auto family =
      families::load_family((kDemo / "llava/llava-v1.5-tabletop").string(), "", "", {});
  return std::make_unique<Scheduler>(std::make_shared<StrangeLlava>(family, std::move(strangeness)),
                                     Card{}, options);
}

}  // namespace isthmus::serving_testing
