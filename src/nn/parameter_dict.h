// Tensors by name, as torch.nn.ParameterDict holds them.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "nn/slots.h"

namespace isthmus::nn {

// Made without values: they are assigned through slots of these names.
class ParameterDictImpl : public SlotModule {
 public:
  explicit ParameterDictImpl(std::map<std::string, Shape> shapes);

  const Tensor& at(const std::string& name) const;
  std::vector<Slot> slots() override;

 private:
  std::map<std::string, Shape> shapes_;
  std::map<std::string, Tensor> tensors_;
};
TORCH_MODULE(ParameterDict);

}  // namespace isthmus::nn
