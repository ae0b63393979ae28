// The flags of `serve` that no other verb has.
#pragma once

#include <CLI/CLI.hpp>

#include "options.h"

namespace isthmus::cli {

// `options` must outlive the parsing of `app`.
void add_serve_flags(CLI::App& app, Options& options);

}  // namespace isthmus::cli
