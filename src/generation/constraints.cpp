#include "generation/constraints.h"

#include <algorithm>
#include <utility>

#include "grammar/automaton.h"
#include "grammar/gbnf.h"
#include "grammar/json_schema.h"

namespace isthmus::generation {

namespace {

constexpr size_t kMostKnown = 8;

}  // namespace

Constraints::Constraints(std::shared_ptr<const text::Tokenizer> tokenizer)
    : tokenizer_(std::move(tokenizer)) {}

std::shared_ptr<grammar::StateMasks> Constraints::masks_for(const GenerationConfig& config) {
  const std::lock_guard lock(mutex_);
  const auto found = std::ranges::find_if(known_, [&](const Known& known) {
    return known.json_schema == config.json_schema && known.grammar == config.grammar;
  });
  if (found != known_.end()) {
    std::rotate(found, found + 1, known_.end());
    return known_.back().masks;
  }
  auto automaton = std::make_shared<const grammar::Automaton>(
      grammar::compile(config.grammar.empty() ? grammar::json_schema_rules(config.json_schema)
                                              : grammar::parse_gbnf(config.grammar)));
  if (!vocabulary_) vocabulary_ = std::make_shared<const grammar::Vocabulary>(*tokenizer_);
  if (known_.size() == kMostKnown) known_.erase(known_.begin());
  known_.push_back({config.json_schema, config.grammar,
                    std::make_shared<grammar::StateMasks>(std::move(automaton), vocabulary_)});
  return known_.back().masks;
}

std::unique_ptr<grammar::TokenConstraint> Constraints::for_answer(
    const GenerationConfig& config, std::span<const int64_t> eos_ids) {
  if (config.json_schema.empty() && config.grammar.empty()) return nullptr;
  std::vector<int64_t> ends(eos_ids.begin(), eos_ids.end());
  ends.insert(ends.end(), config.stop_ids.begin(), config.stop_ids.end());
  return std::make_unique<grammar::TokenConstraint>(masks_for(config), std::move(ends));
}

}  // namespace isthmus::generation
