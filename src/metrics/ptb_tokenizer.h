// Captions to the tokens that the caption metrics count.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace isthmus::metrics {

// The tokens of one line as the PTBTokenizer of Stanford CoreNLP 3.4.1 gives them with
// -preserveLines -lowerCase, punctuation included: "It's 5 o'clock." -> it 's 5 o'clock .
// The line is taken by itself: line breaks in it are blanks. Bytes that are not UTF-8 are dropped.
std::vector<std::string> ptb_tokens(std::string_view line);

// As pycocoevalcap prepares captions: the tokens without those that are punctuation, joined by
// single spaces.
std::string ptb_caption(std::string_view caption);

}  // namespace isthmus::metrics
