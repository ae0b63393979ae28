#include "eval.h"

#include <iostream>
#include <optional>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "../progress.h"
#include "engine_subject.h"
#include "eval/evaluate.h"
#include "interrupt.h"
#include "isthmus/error.h"

namespace isthmus::cli {
namespace {

// One bar per stage: a task at one number of shots and one seed, or its embeddings.
class Bars {
 public:
  void show(const eval::EvalProgress& state) {
    if (!bar_ || state.label != label_) {
      finish();
      label_ = state.label;
      // What an earlier run left is not counted: it would make the rate too good.
      bar_.emplace(label_, state.total - state.done);
      shown_ = state.done;
      return;
    }
    bar_->advance(state.done - shown_);
    shown_ = state.done;
  }
  void finish() {
    if (bar_) bar_->finish();
    bar_.reset();
  }

 private:
  std::optional<Progress> bar_;
  std::string label_;
  int64_t shown_ = 0;
};

}  // namespace

int eval(const Options& options) {
  const Pretrained pretrained =
      load_pretrained_model(options.model, options.base, "", options.load);
  EngineSubject subject(pretrained.model);
  Bars bars;
  const Interrupt interrupt;
  eval::EvalCallbacks callbacks;
  callbacks.progress = [&](const eval::EvalProgress& state) { bars.show(state); };
  callbacks.cancelled = [&] { return interrupt.pressed(); };
  const eval::Report report =
      eval::evaluate(options.eval, subject, eval::standard_scorers(), callbacks);
  bars.finish();
  if (options.json)
    std::cout << eval::to_json(report).dump(1, ' ', false,
                                            nlohmann::ordered_json::error_handler_t::replace)
              << "\n";
  else
    std::cout << eval::to_text(report);
  std::cerr << fmt::format("report: {}\n", (options.eval.out / "report.html").string());
  if (report.finished) return 0;
  std::cerr << "isthmus: stopped; the same command goes on where this one ended\n";
  return 130;
}

}  // namespace isthmus::cli
