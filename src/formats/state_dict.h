// From the data of a pickle to named tensors.
#pragma once

#include <functional>
#include <memory>
#include <span>

#include "base/mapped_file.h"
#include "formats/pickle_value.h"
#include "formats/torch_checkpoint.h"

namespace isthmus::formats {

// Bytes of a whole storage; throws when the container does not hold it.
using StorageLookup = std::function<std::span<const std::byte>(const pickle::Storage&)>;

// Joins nested dicts, lists and TorchScript modules by '.', skips everything that is not a tensor.
// Throws ModelError for cycles, names used twice, tensors that leave their storage;
// UnsupportedError for unknown element types and for a root that is no container.
TorchCheckpoint collect_tensors(const pickle::Document& document,
                                const std::shared_ptr<const MappedFile>& file,
                                const TorchReadOptions& options,
                                const StorageLookup& storage_bytes);

}  // namespace isthmus::formats
