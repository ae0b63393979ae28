// `isthmus`: parses the command line and does the light verbs itself; verbs that compute are handed
// to isthmus-compute, so that nothing else pays the half second libtorch takes to load.
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include <unistd.h>

#include <fmt/format.h>

#include "describe.h"
#include "exit_status.h"
#include "isthmus/error.h"
#include "options.h"

namespace {

// Beside this program (build tree) or in libexec (installed).
std::filesystem::path compute_program() {
  const auto self = std::filesystem::read_symlink("/proc/self/exe").parent_path();
  for (const auto& candidate :
       {self / "isthmus-compute", self.parent_path() / "libexec/isthmus/isthmus-compute"})
    if (std::filesystem::exists(candidate)) return candidate;
  throw isthmus::InternalError(
      fmt::format("isthmus-compute is not beside {} nor in ../libexec/isthmus; reinstall isthmus",
                  self.string()));
}

// How long a thread spins before it sleeps is fixed when libgomp is loaded, so it is set here. Its
// default burns milliseconds, which on a machine that others use too takes the processor from the
// very thread that is waited for; a few thousand turns are as fast on an idle one.
void limit_spinning() {
  if (std::getenv("OMP_WAIT_POLICY") == nullptr) ::setenv("GOMP_SPINCOUNT", "4000", 0);
}

int run(const isthmus::cli::Options& options, char** argv) {
  if (!isthmus::cli::needs_compute(options.verb)) return isthmus::cli::describe(options);
  const auto program = compute_program();
  limit_spinning();
  ::execv(program.c_str(), argv);
  throw isthmus::InternalError(
      fmt::format("{}: cannot be started: {}", program.string(), std::strerror(errno)));
}

}  // namespace

int main(int argc, char** argv) {
  return isthmus::cli::exit_status_of([&] {
    const auto parsed = isthmus::cli::parse_command_line(argc, argv);
    return parsed.run ? run(parsed.options, argv) : 0;
  });
}
