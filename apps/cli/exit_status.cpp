#include "exit_status.h"

#include <cstdio>
#include <exception>
#include <iostream>
#include <new>
#include <string>

#include "isthmus/error.h"

namespace isthmus::cli {
namespace {

int report(const Error& error) {
  std::fprintf(stderr, "isthmus: %s\n", error.what());
  return error.exit_code();
}

bool output_failed() {
  return std::fflush(stdout) != 0 || std::ferror(stdout) != 0 || !std::cout.flush();
}

}  // namespace

int exit_status_of(const std::function<int()>& verb) {
  const ResourceError lost_output("standard output cannot be written; is the disk full?");
  try {
    const int status = verb();
    return output_failed() ? report(lost_output) : status;
  } catch (const Error& error) {
    return report(error);
  } catch (const std::bad_alloc&) {
    return report(ResourceError("out of memory"));
  } catch (const std::exception& error) {
    if (output_failed()) return report(lost_output);
    return report(InternalError(std::string("internal error: ") + error.what()));
  }
}

}  // namespace isthmus::cli
