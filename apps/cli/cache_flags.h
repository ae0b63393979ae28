// The flags of a cache on disk.
#pragma once

#include <CLI/CLI.hpp>

#include "options.h"

namespace isthmus::cli {

// `options` must outlive the parsing of `app`.
void add_cache_flags(CLI::App& app, Options& options);

}  // namespace isthmus::cli
