#include "training/fresh_start.h"

#include <cmath>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/atomic_file.h"
#include "base/json_view.h"
#include "base/rng.h"
#include "formats/torch_checkpoint.h"
#include "isthmus/error.h"
#include "layout/llava_folder.h"

namespace isthmus::training {
namespace {

namespace fs = std::filesystem;

// How many linear layers "linear" and "mlp2x_gelu" have.
int64_t depth_of(const std::string& projector) {
  if (projector == "linear") return 1;
  if (projector.size() == 10 && projector.starts_with("mlp") && projector.ends_with("x_gelu") &&
      projector[3] >= '2' && projector[3] <= '9')
    return projector[3] - '0';
  throw UsageError(fmt::format(
      "model.fresh.projector \"{}\": expected linear, or mlp2x_gelu to mlp9x_gelu", projector));
}

formats::RawTensor drawn(const std::string& name, Shape shape, int64_t fan_in, Rng& rng) {
  int64_t count = 1;
  for (const int64_t size : shape) count *= size;
  const double bound = 1 / std::sqrt(static_cast<double>(fan_in));
  const auto values = std::make_shared<std::vector<float>>(static_cast<size_t>(count));
  for (float& value : *values) value = static_cast<float>((2 * rng.uniform() - 1) * bound);
  formats::RawTensor tensor;
  tensor.name = name;
  tensor.dtype = DType::kF32;
  tensor.strides = shape.size() == 2 ? Shape{shape[1], 1} : Shape{1};
  tensor.shape = std::move(shape);
  tensor.bytes = std::as_bytes(std::span(*values));
  tensor.owner = values;
  return tensor;
}

}  // namespace

void write_fresh_llava(const recipe::FreshAligner& aligner, const fs::path& base,
                       const fs::path& vision, uint64_t seed, const fs::path& folder) {
  const int64_t depth = depth_of(aligner.projector);
  const int64_t width = layout::load_tower_config(vision).hidden_size;
  nlohmann::json config = JsonView::load(base / "config.json").raw();
  const int64_t hidden =
      JsonView::of(config, (base / "config.json").string()).positive("hidden_size");
  config.update({{"model_type", "llava_llama"},
                 {"architectures", {"LlavaLlamaForCausalLM"}},
                 {"use_mm_proj", true},
                 {"mm_vision_tower", fs::absolute(vision).string()},
                 {"mm_hidden_size", width},
                 {"mm_projector_type", aligner.projector},
                 {"mm_vision_select_layer", aligner.select_layer},
                 {"mm_vision_select_feature", aligner.select_feature},
                 {"image_aspect_ratio", aligner.aspect_ratio},
                 {"mm_use_im_start_end", false},
                 {"mm_use_im_patch_token", false}});
  Rng rng(seed);
  std::vector<formats::RawTensor> tensors;
  for (int64_t layer = 0; layer < depth; ++layer) {
    const int64_t in = layer == 0 ? width : hidden;
    // nn.Sequential counts the activations between the layers.
    const std::string prefix =
        depth == 1 ? "model.mm_projector." : fmt::format("model.mm_projector.{}.", 2 * layer);
    tensors.push_back(drawn(prefix + "weight", {hidden, in}, in, rng));
    tensors.push_back(drawn(prefix + "bias", {hidden}, in, rng));
  }
  fs::create_directories(folder);
  formats::write_torch_checkpoint(folder / "mm_projector.bin", tensors);
  write_file(folder / "config.json", config.dump(2) + "\n");
}

}  // namespace isthmus::training
