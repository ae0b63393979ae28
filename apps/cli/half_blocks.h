// Pictures in a terminal: two pixels to a character.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "media/image.h"

namespace isthmus::cli {

// `file` is a terminal that shows 24-bit colours, and the user has not asked for none
// (COLORTERM, TERM, NO_COLOR).
bool shows_true_colour(int file);

// The pictures side by side, each `columns` characters wide, one behind the other in the height of
// the tallest; lines without their ends. Every character is the upper half of a block: its colour
// is the upper pixel, that behind it the lower one.
std::vector<std::string> half_blocks(std::span<const media::Image> pictures, int64_t columns);

}  // namespace isthmus::cli
