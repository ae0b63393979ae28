// Ctrl-C while an answer is written ends the answer, not the program; of a training run it saves first.
#pragma once

namespace isthmus::cli {

// Catches SIGINT and SIGTERM while alive; a second press falls through to the default action.
class Interrupt {
 public:
  Interrupt();
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;
  bool pressed() const;
};

}  // namespace isthmus::cli
