// LLaVA's projectors: one soft token per feature (multimodal_projector/builder.py).
//   linear: H = W Z + b                                    arXiv 2304.08485, §4.1
//   mlpNx_gelu: N linear maps with exact GELU between them  arXiv 2310.03744
//   identity
#pragma once

#include <string>
#include <vector>

#include "aligners/aligner.h"
#include "nn/linear.h"
#include "nn/slots.h"

namespace isthmus::aligners {

struct ProjectorOptions {
  int64_t mm_hidden_size;  // width of the features
  int64_t hidden_size;     // width of the language model
  // How many linear maps; 0 is the identity. With `sequential` they are named projector.0,
  // projector.2, … as in a published Sequential, otherwise the only one is projector itself.
  int64_t depth;
  bool sequential;
  bool bias = true;
  bool image_newline = false;  // the learned row of anyres models; the family puts it into place

  // "linear", "mlp2x_gelu", "identity", … as mm_projector_type says. Throws UnsupportedError naming
  // any other.
  static ProjectorOptions parse(const std::string& mm_projector_type, int64_t mm_hidden_size,
                                int64_t hidden_size);
};

class Projector : public Aligner {
 public:
  // Throws ModelError when an identity would have to change the width.
  explicit Projector(const ProjectorOptions& options);

  // features [items, rows, mm_hidden_size] -> tokens [items, rows, hidden_size]. Probe
  // "aligner.tokens".
  Alignment align(const nn::Features& features, const nn::ForwardContext& context) override;
  const Tensor& image_newline() const;  // [hidden_size], slot "image_newline"
  std::vector<nn::Slot> slots() override;

 private:
  ProjectorOptions options_;
  std::vector<nn::Linear> linears_;
  Tensor image_newline_;
};

}  // namespace isthmus::aligners
