// Which of its two vectors a LayerNorm learns.
#pragma once

namespace isthmus::layout {

// MPT's norms have no bias, some OPTs' neither of the two.
enum class NormParameters { kNone, kWeight, kWeightAndBias };

}  // namespace isthmus::layout
