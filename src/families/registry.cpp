#include "families/registry.h"

#include "families/flamingo/load.h"
#include "families/gguf.h"
#include "families/language_model/load.h"
#include "families/llava/load.h"
#include "families/onellm/load.h"
#include "layout/flamingo_folder.h"
#include "layout/gguf_model.h"
#include "layout/model_locator.h"
#include "layout/onellm_folder.h"

namespace isthmus::families {

std::shared_ptr<Family> load_family(const std::string& model, const std::string& base,
                                    const std::string& name, const LoadOptions& options) {
  const auto path = layout::ModelLocator::from_environment().find_model(model);
  if (layout::is_gguf(path)) return load_gguf(path, options);
  if (layout::is_flamingo(path)) return flamingo::load(path, base, options);
  if (layout::is_onellm(path)) return onellm::load(path, base, options);
  if (language_model::is_plain(path)) return language_model::load(path, options);
  return llava::load(model, base, name, options);
}

}  // namespace isthmus::families
