// `isthmus eval`: tasks by shots by seeds, resumed where an earlier run ended, and the reports.
#pragma once

#include "eval/eval_options.h"
#include "eval/report.h"
#include "eval/scorer.h"
#include "eval/subject.h"

namespace isthmus::eval {

// Writes options.out/results/*.jsonl while it works, and options.out/report.json and report.html
// after every task and at the end. The same call goes on where an earlier one was cancelled or
// killed. UsageError for options that do not fit together, InputError for data that cannot be used,
// ResourceError if the disk is full: then everything that was finished is kept.
Report evaluate(const EvalOptions& options, Subject& subject, const Scorers& scorers,
                const EvalCallbacks& callbacks = {});

}  // namespace isthmus::eval
