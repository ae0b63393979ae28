// From a name on the command line to a service.
#pragma once

#include <memory>
#include <string>

#include "isthmus/model.h"
#include "serving/scheduler.h"
#include "serving/service.h"

namespace isthmus::serving {

// `model`, `base`, `name` and `load` as engine::load_engine takes them. Throws UsageError for
// options that have no meaning here: a draft model, the composed path.
std::unique_ptr<Service> load_service(const std::string& model, const std::string& base,
                                      const std::string& name, const LoadOptions& load,
                                      const SchedulerOptions& options);

}  // namespace isthmus::serving
