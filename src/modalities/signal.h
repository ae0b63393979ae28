// Kinds of input that no program knows: described by data, read from csv, npy, pictures or sound.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/json_view.h"
#include "base/shape.h"
#include "modalities/prepared.h"

namespace isthmus::modalities {

enum class SignalReader { kCsv, kNpy, kImage, kAudio };

// What the tokenizer eats.
enum class SignalShape {
  kSequence,  // [channels, length]: a convolution over one dimension
  kPicture,   // [channels, height, width]: over two
  kVector,    // [1, length]: one linear map
  kRows,      // [rows, channels]: a map of every row, a point
};

enum class Normalisation {
  kNone,
  kMeanStd,  // (x - mean) / std with the numbers given
  kZScore,   // (x - mean) / std of each channel of this very input; a constant channel becomes 0
  kMinMax,   // each channel of this very input to 0 … 1; a constant channel becomes 0
};

// docs/formats.md, "A modality of one's own".
struct SignalConfig {
  SignalReader reader;
  SignalShape shape;
  Shape window;                      // kPicture: height, width; else one number; empty: as it comes
  int64_t channels = 0;              // 0: as many as the file has
  std::vector<std::string> columns;  // csv: names, or numbers from 0, in order; empty: all
  std::string time_column;           // csv: tells the rate, is no channel; "": there is none
  double time_unit = 1;              // seconds in one unit of it
  double file_rate = 0;              // samples per second of files that do not tell; 0: unknown
  int64_t rate = 0;                  // samples per second that the model wants; 0: the file's own
  int64_t hop = 0;                   // from one window to the next; 0: one window, the first
  int64_t max_windows = 15;
  Normalisation normalisation = Normalisation::kNone;
  std::vector<double> mean, std;  // kMeanStd: one for all channels, or one each

  // Throws ModelError naming the key for what is unknown, missing or contradictory.
  static SignalConfig parse(const JsonView& json);
};

// The file as `config.shape`, after resampling to `rate`, normalising and cutting to the window, or
// following it by zeros. With a hop there is an axis of windows in front. 8-bit pictures are x /
// 255 and, as 16-bit ones, resized to the window. What was cut, filled or resampled is in `notes`;
// the caller, who knows the name, sets `modality`. Throws InputError naming file and column where
// the file cannot be used, UnsupportedError for variants of formats that are not read.
Prepared prepare_signal(const std::filesystem::path& path, const SignalConfig& config);

}  // namespace isthmus::modalities
