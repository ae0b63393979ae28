// Guesses at how a text goes on, taken from the text itself; whoever asks checks several tokens in
// one pass over the weights.        Leviathan et al. 2023 (arXiv 2211.17192); Saxena 2023, prompt
// lookup decoding
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace isthmus::generation {

// What followed the last three tokens of `text` where they stood before, the latest such place; if
// they stood nowhere, the last two. At most `most` tokens; none where nothing repeats.
std::vector<int64_t> look_up(std::span<const int64_t> text, int64_t most);

}  // namespace isthmus::generation
