// What turns one kind of input into the tokens that the shared transformer reads.
// Han et al. 2024 (OneLLM), §3.1
#pragma once

#include <vector>

#include "layout/onellm_modality.h"
#include "nn/linear.h"

namespace isthmus::encoders {
using torch::Tensor;

// Of everything but pictures, which share CLIP's own patches. All kinds are one linear map W of
// pieces of the input, and a table of positions, whose row 0 is the class token's:
//   kPatchConv    pieces [channels · kernel] at every stride, the first dimension outermost
//   kLinear       the whole input; token t, channel c = output c · tokens + t
//   kPointGroups  every point; a token is the largest of the 32 points around a centre
// Published as convolutions are, [width, channels, kernel…].
class ModalityTokenizerImpl : public nn::LinearImpl {
 public:
  ModalityTokenizerImpl(const layout::ModalityConfig& config, int64_t width);

  // kPatchConv [n, channels, window…], kLinear [n, 1, channels], kPointGroups [n, points, channels]
  // -> [n, num_tokens, width]. Throws InputError for fewer points than a group has.
  Tensor forward(const Tensor& input);
  const Tensor& positional_embedding() const {
    return positional_embedding_;
  }  // [1 + tokens, width]
  std::vector<nn::Slot> slots() override;

 private:
  Tensor patches(const Tensor& input) const;
  Tensor largest_of_groups(const Tensor& points);

  layout::ModalityConfig config_;
  int64_t width_;
  Tensor positional_embedding_;
};
TORCH_MODULE(ModalityTokenizer);

}  // namespace isthmus::encoders
