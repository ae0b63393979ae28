// `isthmus-compute`: the verbs that need libtorch. Started by `isthmus` with its own arguments.
#include <cstdio>
#include <new>

#include "../options.h"
#include "base/log.h"
#include "bench.h"
#include "doctor.h"
#include "isthmus/error.h"
#include "run.h"
#include "trace.h"
#include "verify.h"

namespace {

int dispatch(const isthmus::cli::Options& options) {
  if (options.verbose) isthmus::log::set_level(isthmus::log::Level::kInfo);
  if (options.verb == "run") return isthmus::cli::run(options);
  if (options.verb == "trace") return isthmus::cli::trace(options);
  if (options.verb == "verify") return isthmus::cli::verify(options);
  if (options.verb == "bench") return isthmus::cli::bench(options);
  return isthmus::cli::doctor(options);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const auto parsed = isthmus::cli::parse_command_line(argc, argv);
    return parsed.run ? dispatch(parsed.options) : parsed.status;
  } catch (const isthmus::Error& error) {
    std::fprintf(stderr, "isthmus: %s\n", error.what());
    return error.exit_code();
  } catch (const std::bad_alloc&) {
    std::fprintf(stderr, "isthmus: out of memory\n");
    return isthmus::ResourceError("").exit_code();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "isthmus: internal error: %s\n", error.what());
    return 70;
  }
}
