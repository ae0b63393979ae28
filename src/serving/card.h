// What clients are told about a loaded model.
#pragma once

#include <string>

#include "families/family.h"
#include "isthmus/model.h"
#include "serving/service.h"

namespace isthmus::serving {

Card card_of(families::Family& family, std::string name, const LoadOptions& options);

}  // namespace isthmus::serving
