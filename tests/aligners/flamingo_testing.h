// Parts of an OpenFlamingo fixture, and media views made by hand.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "aligners/flamingo_aligner.h"
#include "layout/flamingo_names.h"
#include "nn/dense_matrix.h"
#include "weights/golden.h"

namespace isthmus::aligners {

using isthmus::testing::GoldenCase;
using isthmus::testing::on_both_paths;
using isthmus::testing::Recorder;

inline GoldenCase openflamingo(const std::string& name) {
  return GoldenCase("../openflamingo/" + name);
}

inline std::shared_ptr<FlamingoAligner> load_aligner(const GoldenCase& golden) {
  const auto checkpoint = formats::Checkpoint::open(golden.path("model/checkpoint.pt"));
  auto aligner = std::make_shared<FlamingoAligner>(layout::FlamingoConfig::read(checkpoint));
  torch::nn::Module root;
  root.register_module("aligner", aligner);
  const auto names = layout::flamingo_names(checkpoint);
  const std::vector<weights::WeightSource> sources = {{checkpoint, names.map, names.ignores}};
  weights::bind_weights(root, sources);
  return aligner;
}

// A module on its own, whose file names its tensors as it does itself.
inline void bind_alone(torch::nn::Module& module, const std::filesystem::path& file) {
  const std::vector<formats::NameRule> as_they_are = {{"{rest}", "{rest}"}};
  const std::vector<weights::WeightSource> sources = {
      {formats::Checkpoint::open(file), formats::NameMap(as_they_are)}};
  weights::bind_weights(module, sources);
}

// Every slot random, so that nothing hides behind a zero gate.
inline void randomise(torch::nn::Module& module, int64_t seed, double spread = 0.3) {
  torch::manual_seed(static_cast<uint64_t>(seed));
  for (const nn::Slot& slot : nn::slots_of(module)) {
    const Tensor value = torch::randn(slot.shape) * spread;
    if (slot.is_matrix())
      slot.set_matrix(std::make_shared<nn::DenseMatrix>(value));
    else
      slot.set_tensor(slot.name.ends_with("norm.weight") ? value + 1 : value);
  }
}

inline std::shared_ptr<const nn::MediaMemory> memory_of(const Tensor& latents) {
  auto memory = std::make_shared<nn::MediaMemory>();
  memory->latents = latents;
  return memory;
}

// [batch, seq] numbers -> one index per position
inline std::vector<std::vector<int64_t>> indices_of(const Tensor& numbers) {
  std::vector<std::vector<int64_t>> out;
  for (const Tensor& row : numbers.to(torch::kLong).contiguous().unbind(0))
    out.emplace_back(row.data_ptr<int64_t>(), row.data_ptr<int64_t>() + row.numel());
  return out;
}

// The first counts[b] media of latents [batch, media, n, dim] for every row b.
template <typename Remember>
nn::MediaView view_of(const Tensor& latents, const std::vector<int64_t>& counts,
                      const Tensor& text_time, const Remember& remember) {
  nn::MediaView view;
  for (int64_t b = 0; b < latents.size(0); ++b) {
    view.media.emplace_back();
    for (int64_t t = 0; t < counts[static_cast<size_t>(b)]; ++t)
      view.media.back().push_back(remember(latents.select(0, b).select(0, t)));
  }
  view.index = indices_of(text_time);
  return view;
}

}  // namespace isthmus::aligners
