// Shared by the tests of grammar/: whether a text follows a grammar, and texts that do.
#pragma once

#include <memory>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "error_message.h"
#include "grammar/automaton.h"
#include "grammar/gbnf.h"
#include "grammar/json_schema.h"
#include "grammar/stack_sets.h"
#include "isthmus/error.h"

namespace isthmus::grammar {

inline std::shared_ptr<const Automaton> automaton_of(const Rules& rules) {
  return std::make_shared<const Automaton>(compile(rules));
}

inline std::shared_ptr<const Automaton> gbnf(std::string_view text) {
  return automaton_of(parse_gbnf(text));
}

inline std::shared_ptr<const Automaton> schema(std::string_view text) {
  return automaton_of(json_schema_rules(text));
}

inline bool accepts(const std::shared_ptr<const Automaton>& automaton, std::string_view text) {
  StackSets sets(automaton);
  StackSets::Set set = sets.start();
  for (const char c : text) set = sets.step(set, static_cast<uint8_t>(c));
  return sets.complete(set);
}

// Some text that the grammar allows; nothing when it does not end within `longest` bytes.
inline std::optional<std::string> random_text(const std::shared_ptr<const Automaton>& automaton,
                                              std::mt19937& random, size_t longest = 2000) {
  StackSets sets(automaton);
  StackSets::Set set = sets.start();
  std::string text;
  const auto below = [&](size_t count) { return random() % count; };
  while (text.size() < longest) {
    std::vector<uint8_t> all, structure;
    for (int byte = 0; byte < 256; ++byte) {
      sets.begin_work();
      if (sets.step(set, static_cast<uint8_t>(byte)) == StackSets::kNone) continue;
      all.push_back(static_cast<uint8_t>(byte));
      if (std::string_view("\"{}[],:-.").find(static_cast<char>(byte)) != std::string_view::npos)
        structure.push_back(static_cast<uint8_t>(byte));
    }
    if (all.empty() || (sets.complete(set) && below(4) == 0)) {
      EXPECT_TRUE(sets.complete(set)) << "nothing can follow " << text;
      return text;
    }
    // Otherwise most of a text would be what strings hold.
    const auto& choices = !structure.empty() && below(2) == 0 ? structure : all;
    const uint8_t byte = choices[below(choices.size())];
    text.push_back(static_cast<char>(byte));
    set = sets.step(set, byte);
  }
  return std::nullopt;
}

}  // namespace isthmus::grammar
