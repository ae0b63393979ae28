#include "decoders/learned_positions.h"

#include <string>

#include "isthmus/error.h"

namespace isthmus::decoders {

torch::Tensor learned_positions(nn::Embedding& table, const torch::Tensor& positions,
                                int64_t offset) {
  const int64_t held = table->num_embeddings() - offset;
  const int64_t needed = positions.numel() == 0 ? 0 : positions.max().item<int64_t>() + 1;
  if (needed > held) {
    throw ResourceError("The sequence needs " + std::to_string(needed) +
                        " positions, the model has learned " + std::to_string(held) +
                        ". Shorten the prompt or ask for fewer new tokens.");
  }
  return table(positions + offset);
}

}  // namespace isthmus::decoders
