// Aligners as training leaves them, made of a model that is here.
#pragma once

#include <filesystem>
#include <string>

#include "families/llava/llava.h"
#include "families/registry.h"
#include "new_folder.h"
#include "nn/dense_matrix.h"
#include "nn/linear.h"
#include "serving_testing.h"

namespace isthmus::serving_testing {

inline const std::filesystem::path kTabletop = kDemo / "llava/llava-v1.5-tabletop";

// As `slot` holds them, but otherwise: turned by `places` and times `factor`.
inline void change(const nn::Slot& slot, int64_t places, double factor) {
  const torch::Tensor value = (slot.value() * factor).roll(places, 0).contiguous();
  if (slot.is_matrix())
    slot.set_matrix(std::make_shared<nn::DenseMatrix>(value.flatten(1)));
  else
    slot.set_tensor(value);
}

inline std::filesystem::path folder_named(const std::string& name) {
  const auto folder = new_folder("aligners") / name;
  std::filesystem::create_directories(folder);
  return folder;
}

// mm_projector.bin and config.json.
inline std::filesystem::path made_projector(int64_t places, double factor = 1) {
  const auto family = families::load_family(kTabletop.string(), "", "", {});
  auto& llava = dynamic_cast<families::llava::Llava&>(*family);
  for (const nn::Slot& slot : nn::slots_of(*llava.modules().aligner)) change(slot, places, factor);
  const auto folder = folder_named("llava-v1.5-projector");
  family->save(folder, {.form = families::OutputForm::kProjector, .dtype = "f32"});
  return folder;
}

// A PEFT folder whose branches are drawn from `seed`, with the model's own projector beside it.
inline std::filesystem::path made_lora(uint64_t seed, double scale = 1) {
  const auto family = families::load_family(kTabletop.string(), "", "", {});
  auto& llava = dynamic_cast<families::llava::Llava&>(*family);
  torch::manual_seed(seed);
  for (const auto& module : llava.modules().decoder->named_modules()) {
    auto* linear = dynamic_cast<nn::LinearImpl*>(module.value().get());
    if (linear == nullptr || !module.key().ends_with("_proj")) continue;
    constexpr int64_t kRank = 4;
    const auto random = [](int64_t rows, int64_t cols) {
      return std::make_shared<nn::DenseMatrix>(torch::randn({rows, cols}) * 0.25);
    };
    linear->set_lora(random(kRank, linear->in_features()), random(linear->out_features(), kRank),
                     scale);
  }
  const auto folder = folder_named("llava-v1.5-lora");
  family->save(folder, {.form = families::OutputForm::kLora, .dtype = "f32"});
  return folder;
}

}  // namespace isthmus::serving_testing
