#include "world/words.h"

#include <algorithm>

namespace isthmus::world {
namespace {

constexpr std::array<std::string_view, 9> kMarks{"<pad>", "<bos>", "<eos>", "<img>", "<sep>",
                                                 ".",     "?",     ",",     ":"};
constexpr std::array<std::string_view, 60> kRest{
    "a",      "an",    "the",     "and",     "or",     "at",      "in",     "of",       "on",
    "to",     "is",    "are",     "it",      "this",   "there",   "what",   "which",    "where",
    "how",    "many",  "does",    "do",      "you",    "see",     "seeing", "describe", "picture",
    "scene",  "table", "object",  "objects", "color",  "shape",   "size",   "place",    "yes",
    "no",     "none",  "nothing", "neither", "larger", "nearest", "behind", "moving",   "move",
    "moves",  "way",   "fast",    "sound",   "pitch",  "person",  "doing",  "turning",  "facing",
    "called", "name",  "like",    "hear",    "words",  "answer"};

}  // namespace

std::vector<std::string> vocabulary() {
  std::vector<std::string> words;
  const auto add = [&](const auto& list) {
    for (const std::string_view word : list)
      if (std::find(words.begin(), words.end(), word) == words.end()) words.emplace_back(word);
  };
  add(kMarks);
  add(kShapes);
  add(kColours);
  add(kSizes);
  add(kPlaces);
  add(kNumbers);
  add(kDirections);
  add(kSpeeds);
  add(kPitches);
  add(kSounds);
  add(kSoundPlurals);
  add(kActivities);
  add(kTurns);
  add(kNames);
  add(kRest);
  return words;
}

std::vector<std::string_view> split_words(std::string_view text) {
  std::vector<std::string_view> words;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find(' ', begin), text.size());
    if (end > begin) words.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return words;
}

std::string_view article(std::string_view word) {
  return std::string_view("aeiou").find(word.front()) != std::string_view::npos ? "an" : "a";
}

}  // namespace isthmus::world
