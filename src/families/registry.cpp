#include "families/registry.h"

#include "families/llava/load.h"

namespace isthmus::families {

std::shared_ptr<Family> load_family(const std::string& model, const std::string& base,
                                    const std::string& name, const LoadOptions& options) {
  return llava::load(model, base, name, options);
}

}  // namespace isthmus::families
