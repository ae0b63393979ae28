// `isthmus compare`
#pragma once

#include "../options.h"

namespace isthmus::cli {

// Trains several aligners on the same frozen parts, data and budget, and reports what each is worth
// and costs: a table on stdout, compare.html and compare.json beside the runs. Goes on where it
// was.
int compare(const Options& options);

}  // namespace isthmus::cli
