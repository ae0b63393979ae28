// What a module tree holds now, on its way back into files.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <torch/nn/module.h>

#include "formats/name_map.h"
#include "formats/outgoing_tensor.h"
#include "nn/slots.h"
#include "weights/bind.h"

namespace isthmus::weights {

struct PublishOptions {
  // Of all floating-point tensors. Absent: as the files they came from store them, and what no
  // file holds yet as most of the others.
  std::optional<DType> dtype;
  // A frozen matrix is written as its file holds it, in however few bits it is held in memory.
  // False where matrices were changed after they were bound (a LoRA that was merged into them).
  bool frozen_from_files = true;
};

// The names of parameters that ask for gradients.
std::set<std::string> trained_names(const torch::nn::Module& root);

// The weights of `root`, which was bound from `sources`; it must outlive what it hands out. Values
// are taken when they are written. Low-rank branches are folded into their matrices.
class Publisher {
 public:
  Publisher(torch::nn::Module& root, std::span<const WeightSource> sources,
            PublishOptions options = {});

  // Paths of all weights but low-rank branches, in the order of registration.
  const std::vector<std::string>& slots() const { return order_; }
  bool contains(std::string_view slot) const { return slots_.contains(slot); }
  // Paths of the factors of low-rank branches ("….q_proj.lora_A.weight"), in the same order.
  const std::vector<std::string>& low_rank() const { return low_rank_; }
  const Shape& shape_of(std::string_view slot) const { return slots_.find(slot)->second.shape; }

  // A weight, or a factor of a low-rank branch, as the file wants it.
  formats::OutgoingTensor tensor(std::string_view slot, const formats::MappedName& file) const;
  // A tensor that belongs to no slot.
  formats::OutgoingTensor copy(const formats::RawTensor& original) const;

 private:
  DType dtype_of(const std::string& slot) const;
  formats::RawTensor values_of(const nn::Slot& slot, DType dtype) const;

  torch::nn::Module& root_;
  PublishOptions options_;
  std::map<std::string, nn::Slot, std::less<>> slots_;
  std::vector<std::string> order_, low_rank_;
  std::map<std::string, formats::RawTensor, std::less<>> stored_;  // by slot, as modules have it
  DType usual_ = DType::kF32;
};

}  // namespace isthmus::weights
