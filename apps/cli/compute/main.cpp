// `isthmus-compute`: the verbs that need libtorch. Started by `isthmus` with its own arguments.
#include "../exit_status.h"
#include "../options.h"
#include "against.h"
#include "align.h"
#include "base/log.h"
#include "bench.h"
#include "compare.h"
#include "convert.h"
#include "demo.h"
#include "doctor.h"
#include "eval.h"
#include "merge.h"
#include "nn/allocation.h"
#include "quantize.h"
#include "run.h"
#include "serve.h"
#include "trace.h"
#include "verify.h"

namespace {

int dispatch(const isthmus::cli::Options& options) {
  if (options.verbose) isthmus::log::set_level(isthmus::log::Level::kInfo);
  if (options.verb == "align" || options.verb == "pretrain") return isthmus::cli::align(options);
  if (options.verb == "compare") return isthmus::cli::compare(options);
  if (options.verb == "merge") return isthmus::cli::merge(options);
  if (options.verb == "quantize") return isthmus::cli::quantize(options);
  if (options.verb == "convert") return isthmus::cli::convert(options);
  if (options.verb == "demo") return isthmus::cli::demo(options);
  if (options.verb == "run") return isthmus::cli::run(options);
  if (options.verb == "serve") return isthmus::cli::serve(options);
  if (options.verb == "trace") return isthmus::cli::trace(options);
  if (options.verb == "verify") return isthmus::cli::verify(options);
  if (options.verb == "eval")
    return options.eval.against.empty() ? isthmus::cli::eval(options)
                                        : isthmus::cli::eval_against(options);
  if (options.verb == "bench") return isthmus::cli::bench(options);
  return isthmus::cli::doctor(options);
}

}  // namespace

int main(int argc, char** argv) {
  isthmus::nn::keep_large_blocks();
  return isthmus::cli::exit_status_of([&] {
    const auto parsed = isthmus::cli::parse_command_line(argc, argv);
    return parsed.run ? dispatch(parsed.options) : 0;
  });
}
