// How long a pass takes, learned from late passes.
#pragma once

#include <cstdint>

namespace isthmus::serving {

// Answers that write and rows of prompts cost differently (only the former need logits). What a
// pass takes in which n write and nothing is read is a line in n: what is the same for all (weights
// are read), and what each adds. Least squares over late passes, of which newer ones count more. A
// row of a prompt costs what a pass takes longer than that. One thread at a time.
class PassTimes {
 public:
  // Of a pass of which the language model took so many seconds.
  void note(int64_t writing, int64_t prompt_rows, double seconds);
  // Of a pass in which so many write: while there was none, as if rows were all alike. 0: nothing
  // is known.
  double writing(int64_t answers) const;
  double per_prompt_row() const { return per_prompt_row_; }

 private:
  void note_writing(double answers, double seconds);

  int64_t count_ = 0;
  // Weighted means: of answers, of seconds, of answers², of answers · seconds.
  double answers_ = 0, seconds_ = 0, squares_ = 0, products_ = 0;
  double fixed_ = 0, per_answer_ = 0;
  double per_prompt_row_ = 0;
};

}  // namespace isthmus::serving
