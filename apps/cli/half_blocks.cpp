#include "half_blocks.h"

#include <algorithm>
#include <cstdlib>
#include <string_view>

#include <unistd.h>

#include <fmt/format.h>

#include "media/resize.h"

namespace isthmus::cli {
namespace {

std::string_view variable(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

}  // namespace

bool shows_true_colour(int file) {
  const std::string_view colours = variable("COLORTERM"), terminal = variable("TERM");
  return ::isatty(file) != 0 && variable("NO_COLOR").empty() && terminal != "dumb" &&
         (colours == "truecolor" || colours == "24bit" || terminal.ends_with("-direct"));
}

std::vector<std::string> half_blocks(std::span<const media::Image> pictures, int64_t columns) {
  constexpr std::string_view kUpperHalf = "\u2580", kPlain = "\x1b[0m";
  std::vector<media::Image> small;
  int64_t height = 0;
  for (const media::Image& picture : pictures) {
    const int64_t rows = std::max<int64_t>(columns * picture.height / picture.width, 1);
    small.push_back(media::resize(picture, columns, rows + rows % 2, media::Filter::kBilinear));
    height = std::max(height, small.back().height);
  }
  std::vector<std::string> lines;
  for (int64_t y = 0; y < height; y += 2) {
    std::string& line = lines.emplace_back();
    for (const media::Image& picture : small) {
      if (!line.empty()) line += ' ';
      for (int64_t x = 0; x < columns; ++x) {
        if (y >= picture.height) {
          line += ' ';
          continue;
        }
        const uint8_t *upper = picture.row(y) + 3 * x, *lower = picture.row(y + 1) + 3 * x;
        line += fmt::format("\x1b[38;2;{};{};{};48;2;{};{};{}m{}", upper[0], upper[1], upper[2],
                            lower[0], lower[1], lower[2], kUpperHalf);
      }
      line += kPlain;
    }
  }
  return lines;
}

}  // namespace isthmus::cli
