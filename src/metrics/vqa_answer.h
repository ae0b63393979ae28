// Short answers: made comparable as the VQA evaluation does, and cut out of what a model wrote.
#pragma once

#include <string>
#include <string_view>

namespace isthmus::metrics {

// Tabs and line feeds become spaces; white space at both ends goes.
std::string trim_vqa_answer(std::string_view answer);

// Quirk: a mark becomes a space, but is deleted where it occurs beside a space anywhere in the
// answer, or where digit, comma, digit does; every period that no digit follows is deleted, the
// first 32 of them (the look-behind is mistyped, and a flag is passed as the count).
std::string strip_vqa_punctuation(std::string_view answer);

// Lower case, number words to digits, articles dropped, contractions with their apostrophe, words
// joined by single spaces. Quirk: contractions with a capital in the table ("Im") never match.
std::string normalize_vqa_words(std::string_view answer);

// All three, in this order. Digits are ASCII digits.
std::string normalize_vqa_answer(std::string_view answer);

// The answer in what a model wrote on: up to "Question", "Answer" or "Short", then up to ", ".
// (For OK-VQA the reference stems the words afterwards with WordNet, which is not done here.)
std::string extract_vqa_answer(std::string_view generated);

// The caption in what a model wrote on: up to "Output", without quotation marks.
std::string extract_caption(std::string_view generated);

}  // namespace isthmus::metrics
