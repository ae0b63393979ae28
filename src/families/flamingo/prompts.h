// From a request to the text ids and media markers of a Flamingo prompt.
#pragma once

#include <string>
#include <vector>

#include "families/family.h"
#include "isthmus/input.h"
#include "layout/flamingo_tokens.h"

namespace isthmus::families::flamingo {

// A literal prompt: text as given, <image> at each picture. Messages are solved examples and a
// question, rendered by the few-shot form that `conversation_template` names (unless given: "vqa"
// when the last message ends with a question mark, else "plain"): user and assistant turns in
// pairs, a last user turn. Throws UsageError for an unknown form, for an example without answer,
// for tokens that only the program may write.
std::vector<Segment> tokenize(const Request& request, const layout::FlamingoTokens& tokens);

// Where the text of an answer in the request's form begins to ask its next question.
std::vector<std::string> form_stop_strings(const Request& request);

}  // namespace isthmus::families::flamingo
