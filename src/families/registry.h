// The families this build knows.
#pragma once

#include <memory>
#include <string>

#include "families/family.h"
#include "isthmus/model.h"

namespace isthmus::families {

// Finds the model, recognises its family from its files, and loads it. Arguments as in load_engine.
std::shared_ptr<Family> load_family(const std::string& model, const std::string& base,
                                    const std::string& name, const LoadOptions& options);

}  // namespace isthmus::families
