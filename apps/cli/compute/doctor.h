// `isthmus doctor`: processor features, chosen kernels, libraries, measured speed.
#pragma once

#include "../options.h"

namespace isthmus::cli {

int doctor(const Options& options);

}  // namespace isthmus::cli
