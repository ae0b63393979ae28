// What an answer may say, from what a GenerationConfig asks for.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "grammar/token_constraint.h"
#include "isthmus/generation.h"
#include "text/tokenizer.h"

namespace isthmus::generation {

// Makes the constraints of all answers of one tokenizer: its vocabulary is sorted when the first
// one is asked for, and the last few grammars are kept, with what is known about them. Any thread
// may use it.
class Constraints {
 public:
  explicit Constraints(std::shared_ptr<const text::Tokenizer> tokenizer);

  // Null where `config` has neither a JSON schema nor a grammar. `eos_ids`: the model's end tokens.
  // Throws UsageError saying where the schema or the grammar is wrong.
  std::unique_ptr<grammar::TokenConstraint> for_answer(const GenerationConfig& config,
                                                       std::span<const int64_t> eos_ids);

 private:
  struct Known {
    std::string json_schema, grammar;
    std::shared_ptr<grammar::StateMasks> masks;
  };
  std::shared_ptr<grammar::StateMasks> masks_for(const GenerationConfig& config);

  std::shared_ptr<const text::Tokenizer> tokenizer_;
  std::mutex mutex_;
  std::shared_ptr<const grammar::Vocabulary> vocabulary_;  // guarded by mutex_; null at first
  std::vector<Known> known_;                               // guarded by mutex_; the oldest first
};

}  // namespace isthmus::generation
