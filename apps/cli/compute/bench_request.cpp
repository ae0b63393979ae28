#include "bench_request.h"

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "families/language_model/language_model.h"

namespace isthmus::cli {
namespace {

// An uncompressed 24-bit BMP of one grey, another one for every index below 256: a picture without
// a file.
std::vector<std::byte> grey_picture(uint32_t side, int64_t index) {
  const uint32_t row = (side * 3 + 3) / 4 * 4, pixels = row * side;
  std::vector<std::byte> bmp(54 + pixels, static_cast<std::byte>(128 + 7 * index));
  std::fill_n(bmp.begin(), 54, std::byte{0});
  const auto put = [&](size_t at, uint32_t value) {
    for (size_t i = 0; i < 4; ++i) bmp[at + i] = static_cast<std::byte>(value >> (8 * i));
  };
  bmp[0] = std::byte{'B'};
  bmp[1] = std::byte{'M'};
  put(2, 54 + pixels);
  put(10, 54);
  put(14, 40);
  put(18, side);
  put(22, side);
  bmp[26] = std::byte{1};
  bmp[28] = std::byte{24};
  put(34, pixels);
  return bmp;
}

}  // namespace

bool sees_something(const Options& options, const families::Family& family) {
  using families::language_model::PlainLanguageModel;
  return !options.text_only && dynamic_cast<const PlainLanguageModel*>(&family) == nullptr;
}

Request bench_request(const Options& options, bool sees, int64_t picture, const char* word) {
  constexpr uint32_t kSide = 336;
  Request request;
  const auto words = [&](const char* of) {
    std::string text;
    for (int64_t i = 0; i < options.prompt_tokens; ++i) text += of;
    return Part::of_text(text);
  };
  const int64_t shots = options.bench_shots.value_or(0);
  for (int64_t shot = 0; shot < shots; ++shot) {
    request.prompt.push_back(Part::of_image_data(grey_picture(kSide, shot)));
    request.prompt.push_back(words(" a"));
  }
  for (Part& medium : media_parts(options)) request.prompt.push_back(std::move(medium));
  if (options.media.empty() && sees)
    request.prompt.push_back(Part::of_image_data(grey_picture(kSide, shots + picture)));
  request.prompt.push_back(words(word));
  request.generate.max_new_tokens = options.new_tokens;
  request.generate.min_new_tokens = options.new_tokens;
  request.generate.num_beams = options.generate.num_beams;
  request.generate.prompt_lookup_num_tokens = options.generate.prompt_lookup_num_tokens;
  request.generate.num_assistant_tokens = options.generate.num_assistant_tokens;
  return request;
}

}  // namespace isthmus::cli
