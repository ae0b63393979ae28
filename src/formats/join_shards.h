// The parts of a model that was spread over several processes, put together again.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <string_view>

#include "formats/checkpoint.h"

namespace isthmus::formats {

// The dimension along which a tensor was cut; nothing: every rank holds all of it.
using CutAxis = std::function<std::optional<size_t>(std::string_view name)>;

enum class JoinedBytes {
  kCopied,  // cut tensors get memory of their own, tensors that are whole stay mapped
  kNone,    // cut tensors have their shape only: for those who read no values
};

// One checkpoint of the ranks of a model-parallel one, in their order; of tensors that were not cut
// the first rank's. A single rank is returned as it is, mapped in place. Throws ModelError that
// collects tensors which not every rank has, or whose pieces do not fit each other.
Checkpoint join_shards(std::span<const Checkpoint> ranks, const CutAxis& axis,
                       JoinedBytes bytes = JoinedBytes::kCopied);

}  // namespace isthmus::formats
