#include "weights/save.h"

#include <optional>
#include <vector>

#include "formats/checkpoint_plan.h"
#include "weights/publish.h"

namespace isthmus::weights {

void save_like(torch::nn::Module& root, const WeightSource& source,
               const std::filesystem::path& folder) {
  const Publisher publisher(root, {&source, 1}, {.dtype = {}, .frozen_from_files = false});
  std::vector<formats::OutgoingTensor> tensors;
  for (const std::string& name : source.checkpoint.names()) {
    const bool ignored = source.ignores && source.ignores(name);
    const auto slot = ignored ? std::nullopt : source.names.to_module(name);
    tensors.push_back(slot && publisher.contains(slot->name)
                          ? publisher.tensor(slot->name, {name, slot->transform})
                          : publisher.copy(source.checkpoint.at(name)));
  }
  formats::write_checkpoint(formats::plan_like(source.checkpoint), tensors, folder);
}

}  // namespace isthmus::weights
