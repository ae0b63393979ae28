// One kind of input of a OneLLM: what turns it into tokens, told by the shapes of its tensors, and
// what no shape tells, told by onellm.json or by what the reference hard-codes.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/shape.h"
#include "modalities/point_cloud.h"
#include "modalities/signal.h"

namespace isthmus::layout {

enum class TokenizerKind {
  kVisionPatches,  // CLIP's own patch convolution and positions: pictures, or frames of one size
  kPatchConv,      // a convolution over one or two dimensions
  kLinear,         // one linear map of the whole input, cut into tokens
  kPointGroups,    // a linear map of every point, the largest of each group of neighbours
};
// "patches", "conv1d" or "conv2d", "linear", "knn".
std::string name_of(TokenizerKind kind, size_t dimensions);

struct ModalityConfig {
  std::string key;   // in the names of the checkpoint: "rgbd"
  std::string name;  // in requests: "depth"
  TokenizerKind tokenizer;
  // kPatchConv: of the input; kLinear: its length; kPointGroups: columns of a point.
  int64_t channels;
  Shape kernel, stride, window;  // kPatchConv: per dimension; `window` is the input's size
  bool bias;
  int64_t num_tokens;  // of one frame, the class token not counted
  int64_t group_size;  // kPointGroups: neighbours of a centre …
  modalities::PointMetric metric = modalities::PointMetric::kColour;  // … and what near means
  int64_t resample_tokens;
  int64_t router_hidden;  // 0: there is no router, the experts count alike
  // How files become the input of a modality that no program knows: its entry of "modalities" in
  // onellm.json. What the tensors tell is filled in.
  std::optional<modalities::SignalConfig> recipe;

  bool has_tokenizer() const { return tokenizer != TokenizerKind::kVisionPatches; }
  int64_t rows() const { return resample_tokens + 2; }  // in the sequence, tags included
};

// What requests call the modality of a checkpoint's name, and the other way round:
// point points, rgbd depth, rgbn normal; all others are the same.
std::string request_name(std::string_view key);

// The modality of that name in a request; throws UnsupportedError naming the known ones. `source`
// begins the message.
const ModalityConfig& find_modality(std::span<const ModalityConfig> modalities,
                                    std::string_view name, const std::string& source);

}  // namespace isthmus::layout
