// One recipe for several aligners: the same frozen parts, data, order and budget for each.
//                                                                              docs/compare.md
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "recipe/recipe.h"

namespace isthmus::recipe {

// "linear", "mlp" (mlp2x_gelu; mlp2x to mlp9x), "resampler+xattn", "upm".
const std::vector<std::string>& default_aligners();

struct Contestant {
  std::string comparison, aligner;  // the recipe's own name; as it was asked for
  Recipe recipe;                    // with model.fresh, as `isthmus align` would take it
};

// The recipe has base, vision and one stage in which the aligner alone learns; what model.fresh
// says is not used. Its map `compare` may say for an aligner ("mlp3x", else "mlp") what its
// model.fresh holds beside the kind, and `groups`, `optimizer`, `schedule`, `clip_norm` and
// `template` in place of the stage's. What is not said: projectors read the tower's last layer, as
// the others do; weights are written as float32; the conversations of a projector are LLaVA's "v1",
// those of resampler+xattn the few-shot form "vqa", those of upm OneLLM's; samples may have 2048
// tokens. Throws UsageError with everything that is wrong: an aligner that is unknown or named
// twice, keys that would give an aligner another budget, data that not every family can learn from.
std::vector<Contestant> load_comparison(const std::filesystem::path& file,
                                        const std::vector<std::string>& aligners,
                                        const std::vector<std::string>& sets = {});

}  // namespace isthmus::recipe
