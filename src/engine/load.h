// From a folder on disk to an engine.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/disk_cache.h"
#include "engine/engine.h"
#include "isthmus/model.h"

namespace isthmus::engine {

// `model` and `base` as in load_pretrained_model; `name`: what the reference would call the model,
// empty: its folder's name.
std::unique_ptr<Engine> load_engine(const std::string& model, const std::string& base,
                                    const std::string& name, const LoadOptions& options);

// Threads to compute with (0: one per processor), and what else is set once a process. Throws
// UnsupportedError for a device that this build cannot compute on.
void prepare_arithmetic(const LoadOptions& options);

// Where `options` ask that it be kept what media become; null: nowhere. Throws UsageError where
// gradients would be kept, ResourceError where the folder cannot be used.
std::shared_ptr<DiskCache> media_files(const LoadOptions& options);

// The family that `load` gives, called once the arithmetic is set up.
std::unique_ptr<Engine> load_engine(const std::function<std::shared_ptr<families::Family>()>& load,
                                    const LoadOptions& options);

}  // namespace isthmus::engine
