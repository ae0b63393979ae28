// How JSON spells what is written in it: the rules that all schemas share.
#pragma once

#include <optional>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

#include "grammar/expression.h"

namespace isthmus::grammar {

// One of `characters` within a string, plain or escaped as writers of JSON escape it.
Expr json_character(const CodePoints& characters);
// `text` with its quotes.
Expr json_string(std::string_view text);

// Adds to a grammar the rules it is asked for, each once. White space stands where writers of JSON
// put it, and is bounded, so that a model cannot fill an answer with it.
class JsonRules {
 public:
  explicit JsonRules(Rules& rules) : rules_(rules) {}

  Expr space();      // nothing, a space, or a new line with what it is indented by
  Expr character();  // any, within a string
  Expr string();
  Expr integer();
  Expr number();
  Expr boolean();
  Expr null();
  Expr array();
  Expr object();
  Expr value();  // any
  // Exactly this value, white space aside.
  Expr exactly(const nlohmann::ordered_json& value);

  // [ ] or { } around `inside`.
  Expr enclosed(char open, Expr inside, char close);
  Expr comma();

 private:
  template <typename Make>
  Expr once(std::optional<size_t>& number, const char* name, Make make);

  Rules& rules_;
  std::optional<size_t> space_, character_, string_, integer_, number_, array_, object_, value_;
};

}  // namespace isthmus::grammar
