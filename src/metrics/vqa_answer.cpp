#include "metrics/vqa_answer.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <utility>

#include "metrics/ptb_characters.h"
#include "metrics/words.h"

namespace isthmus::metrics {
namespace {

constexpr std::string_view kMarks = ";/[]\"{}()=+\\_-><@`,?!";
constexpr int kMostPeriods = 32;

constexpr std::array<std::pair<std::string_view, std::string_view>, 12> kNumbers{{{"none", "0"},
                                                                                  {"zero", "0"},
                                                                                  {"one", "1"},
                                                                                  {"two", "2"},
                                                                                  {"three", "3"},
                                                                                  {"four", "4"},
                                                                                  {"five", "5"},
                                                                                  {"six", "6"},
                                                                                  {"seven", "7"},
                                                                                  {"eight", "8"},
                                                                                  {"nine", "9"},
                                                                                  {"ten", "10"}}};

// Contractions that answers write without their apostrophe. Words with two are met with either one
// missing, but not with both.
constexpr std::string_view kContractions[] = {
    "ain't",        "aren't",       "can't",       "could've",    "couldn't",       "couldn't've",
    "didn't",       "doesn't",      "don't",       "hadn't",      "hadn't've",      "hasn't",
    "haven't",      "he'd",         "he'd've",     "he's",        "how'd",          "how'll",
    "how's",        "isn't",        "it'd",        "it'd've",     "it'll",          "ma'am",
    "mightn't",     "mightn't've",  "might've",    "mustn't",     "must've",        "needn't",
    "not've",       "o'clock",      "oughtn't",    "shan't",      "she'd've",       "should've",
    "shouldn't",    "shouldn't've", "somebody'll", "somebody's",  "somebody'd've",  "someone'd",
    "someone'd've", "someone'll",   "someone's",   "something'd", "something'd've", "something'll",
    "that's",       "there'd",      "there'd've",  "there're",    "there's",        "they'd",
    "they'd've",    "they'll",      "they're",     "they've",     "'twas",          "wasn't",
    "we'd've",      "we've",        "weren't",     "what'll",     "what're",        "what's",
    "what've",      "when's",       "where'd",     "where's",     "where've",       "who'd",
    "who'd've",     "who'll",       "who's",       "who've",      "why'll",         "why're",
    "why's",        "won't",        "would've",    "wouldn't",    "wouldn't've",    "y'all",
    "y'all'll",     "y'all'd've",   "you'd",       "you'd've",    "you'll",         "you're",
    "you've",       "'ow's'at"};

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Whether `word` is `full` with exactly one apostrophe missing.
bool lacks_one_apostrophe(std::string_view word, std::string_view full) {
  if (word.size() + 1 != full.size()) return false;
  for (size_t i = 0; i < full.size(); ++i)
    if (full[i] == '\'' && full.substr(0, i) == word.substr(0, i) &&
        full.substr(i + 1) == word.substr(i))
      return true;
  return false;
}

std::string_view with_apostrophe(std::string_view word) {
  if (word == "somebody'd") return "somebodyd";  // Quirk: the other way round in the table
  for (const std::string_view full : kContractions)
    if (lacks_one_apostrophe(word, full)) return full;
  return word;
}

bool has_comma_between_digits(std::string_view text) {
  for (size_t i = 1; i + 1 < text.size(); ++i)
    if (text[i] == ',' && is_digit(text[i - 1]) && is_digit(text[i + 1])) return true;
  return false;
}

bool is_beside_space(std::string_view text, char mark) {
  for (size_t i = 0; i + 1 < text.size(); ++i)
    if ((text[i] == mark && text[i + 1] == ' ') || (text[i] == ' ' && text[i + 1] == mark))
      return true;
  return false;
}

std::string lower_case(std::string_view text) {
  std::string lower;
  for (const char32_t c : decode_utf8(text)) append_utf8(ptb_lower_case(c), lower);
  return lower;
}

}  // namespace

std::string trim_vqa_answer(std::string_view answer) {
  std::string text(answer);
  std::replace_if(
      text.begin(), text.end(), [](char c) { return c == '\n' || c == '\t'; }, ' ');
  return std::string(strip(text));
}

std::string strip_vqa_punctuation(std::string_view answer) {
  const bool delete_all = has_comma_between_digits(answer);
  std::array<bool, 128> deleted{};
  for (const char mark : kMarks)
    deleted[static_cast<size_t>(mark)] = delete_all || is_beside_space(answer, mark);

  std::string spaced;
  for (const char c : answer) {
    if (kMarks.find(c) == std::string_view::npos)
      spaced += c;
    else if (!deleted[static_cast<size_t>(c)])
      spaced += ' ';
  }
  std::string text;
  int periods = 0;
  for (size_t i = 0; i < spaced.size(); ++i) {
    const bool goes = spaced[i] == '.' && periods < kMostPeriods &&
                      !(i + 1 < spaced.size() && is_digit(spaced[i + 1]));
    if (goes)
      ++periods;
    else
      text += spaced[i];
  }
  return text;
}

std::string normalize_vqa_words(std::string_view answer) {
  const std::string lower = lower_case(answer);
  std::string text;
  for (std::string_view word : split_white_space(lower)) {
    for (const auto& [name, digits] : kNumbers)
      if (word == name) word = digits;
    if (word == "a" || word == "an" || word == "the") continue;
    if (!text.empty()) text += ' ';
    text += with_apostrophe(word);
  }
  return text;
}

std::string normalize_vqa_answer(std::string_view answer) {
  return normalize_vqa_words(strip_vqa_punctuation(trim_vqa_answer(answer)));
}

std::string extract_vqa_answer(std::string_view generated) {
  for (const std::string_view next : {"Question", "Answer", "Short", ", "})
    generated = generated.substr(0, generated.find(next));
  return std::string(generated);
}

std::string extract_caption(std::string_view generated) {
  std::string caption(generated.substr(0, generated.find("Output")));
  std::erase(caption, '"');
  return caption;
}

}  // namespace isthmus::metrics
