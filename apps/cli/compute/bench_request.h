// The questions that are measured.
#pragma once

#include <cstdint>

#include "../options.h"
#include "families/family.h"
#include "isthmus/model.h"

namespace isthmus::cli {

// Whether `bench` shows it something: not a language model alone, nor under --text-only.
bool sees_something(const Options& options, const families::Family& family);

// The examples of --shots and a question, each a medium and as many words of text as
// --prompt-tokens says. Without media on the command line a model that `sees` is shown grey
// pictures: of the question number `picture` behind the examples. `word`: what text is made of;
// other words are another question.
Request bench_request(const Options& options, bool sees, int64_t picture = 0,
                      const char* word = " a");

}  // namespace isthmus::cli
