// Shared by the tests of Flamingo's programs: the golden models and pictures.
#pragma once

#include <array>
#include <cstring>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "formats/npy.h"
#include "program.h"

namespace isthmus::testing_programs {

namespace fs = std::filesystem;

inline fs::path flamingo_fixture(const std::string& relative) {
  return fs::path(ISTHMUS_FIXTURES) / "openflamingo" / relative;
}

inline const fs::path kNeoxModel = flamingo_fixture("neox_rpj_every2/model");

inline fs::path neox_picture(int i) {
  const bool is_jpeg = i == 1 || i == 6;
  return flamingo_fixture("neox_rpj_every2/inputs/img" + std::to_string(i) +
                          (is_jpeg ? ".jpg" : ".png"));
}

inline std::vector<float> floats_of(const fs::path& file) {
  const auto array = formats::read_npy(file);
  std::vector<float> values(array.bytes.size() / sizeof(float));
  std::memcpy(values.data(), array.bytes.data(), array.bytes.size());
  return values;
}

// A picture of slowly changing colours.
inline fs::path write_bmp(const fs::path& file, int width, int height) {
  const auto little = [](uint32_t value, int bytes) {
    std::string text;
    for (int i = 0; i < bytes; ++i) text += static_cast<char>((value >> (8 * i)) & 0xff);
    return text;
  };
  const int stride = (width * 3 + 3) / 4 * 4;
  const auto size = static_cast<uint32_t>(stride * height);
  std::string bytes = "BM" + little(54 + size, 4) + little(0, 4) + little(54, 4) + little(40, 4) +
                      little(static_cast<uint32_t>(width), 4) +
                      little(static_cast<uint32_t>(height), 4) + little(1, 2) + little(24, 2) +
                      little(0, 4) + little(size, 4) + std::string(16, '\0');
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < stride; ++x)
      bytes += static_cast<char>((x / 3 + 2 * y + 60 * (x % 3)) & 0xff);
  return put_file(file, bytes);
}

}  // namespace isthmus::testing_programs
