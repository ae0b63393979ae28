// Whether the words that a template counts on survive a tokenizer.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "text/tokenizer.h"

namespace isthmus::families {

// Collects what is missing, and tells it all at once.
class TemplateCheck {
 public:
  TemplateCheck(std::string_view name, const text::Tokenizer& tokenizer)
      : name_(name), tokenizer_(tokenizer) {}

  // `spelling` is one token of the vocabulary wherever markup holds it. `why`: "ends every answer".
  void one_token(std::string_view spelling, std::string_view why);
  // The tokenizer begins every text with BOS, and with nothing else.
  void begins(std::string_view why);
  // It knows an end of the text.
  void ends(std::string_view why);
  // Throws UsageError: template, the tokenizer's file, and everything that is missing.
  void finish() const;

 private:
  std::string name_;
  const text::Tokenizer& tokenizer_;
  std::vector<std::string> missing_;
};

}  // namespace isthmus::families
