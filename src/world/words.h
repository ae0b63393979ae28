// All words of the world. Text is lower-case words with one blank between them, so a tokenizer with
// one entry per word is exact.
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace isthmus::world {

inline constexpr size_t kNumShapes = 4, kNumColours = 8, kNumSizes = 2, kNumPlaces = 9;

inline constexpr std::array<std::string_view, kNumShapes> kShapes{"sphere", "cube", "cylinder",
                                                                  "cone"};
inline constexpr std::array<std::string_view, kNumColours> kColours{
    "red", "green", "blue", "yellow", "purple", "orange", "cyan", "gray"};
inline constexpr std::array<std::string_view, kNumSizes> kSizes{"small", "large"};
// Row by row from the back of the table, each from left to right: the order in which a picture is
// read, and in which objects are mentioned.
inline constexpr std::array<std::string_view, kNumPlaces> kPlaces{
    "back-left", "back",       "back-right", "left",       "center",
    "right",     "front-left", "front",      "front-right"};
inline constexpr std::array<std::string_view, 4> kNumbers{"one", "two", "three", "four"};
inline constexpr std::array<std::string_view, 4> kDirections{"left", "right", "away", "closer"};
inline constexpr std::array<std::string_view, 2> kSpeeds{"slowly", "quickly"};
inline constexpr std::array<std::string_view, 3> kPitches{"low", "middle", "high"};
inline constexpr std::array<std::string_view, 3> kSounds{"beep", "buzz", "hiss"};
inline constexpr std::array<std::string_view, 3> kSoundPlurals{"beeps", "buzzes", "hisses"};
inline constexpr std::array<std::string_view, 5> kActivities{"standing", "walking", "running",
                                                             "jumping", "shaking"};
inline constexpr std::array<std::string_view, 3> kTurns{"straight", "left", "right"};
// Mean nothing until a text gives them a meaning.
inline constexpr std::array<std::string_view, 16> kNames{
    "dax",  "wug",    "blick", "toma",   "fep",  "zorp", "kiki", "bouba",
    "lorp", "gazzer", "modi",  "tulver", "pilk", "roan", "sefo", "vash"};

// The marks come first: <pad> <bos> <eos> <img> <sep>. Then every word, once, in a fixed order:
// a word's place in this list can serve as its token id.
std::vector<std::string> vocabulary();

// The words of a text.
std::vector<std::string_view> split_words(std::string_view text);

// "a" or "an" before `word`.
std::string_view article(std::string_view word);

}  // namespace isthmus::world
