// A medium of any modality with all that is said of it, ready for a training sample.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "isthmus/input.h"
#include "world/encode.h"
#include "world/signals.h"
#include "world/text.h"

namespace isthmus::world {

// As requests name them.
inline constexpr std::array<std::string_view, 8> kModalities{"image", "video",  "audio", "points",
                                                             "depth", "normal", "imu",   "fmri"};

struct Example {
  std::string_view modality;
  std::string description;
  std::vector<Exchange> exchanges;  // in random order
  Bytes file;
  std::string_view extension;  // of the file: png, avi, wav, ply, csv or npy
  Bytes picture;               // depth, normal: PNG of the same scene
};

struct ExampleOptions {
  View view{96, 96, 1};  // of pictures, maps and frames
  SceneLimits limits{};  // of pictures, maps and points
  int questions = 6;     // of a scene; of the other modalities there are two to four, all taken
  AskWeights asks = kUsualAsks;
  bool sizes = true;  // in descriptions
  int points = 8192;
  int voxels = Brain::kUsualVoxels;
  int sample_rate = 16000;
};

// Examples of one split, by number. Immutable, safe from any thread.
class Examples {
 public:
  Examples(uint64_t seed, Split split, const ExampleOptions& options = {});

  // Example `index` of a modality. Of pictures, depth, normals and points it is the same scene.
  Example draw(std::string_view modality, uint64_t index) const;

 private:
  Example of_scene(std::string_view modality, uint64_t index, Dice& dice) const;

  uint64_t seed_;
  Split split_;
  ExampleOptions options_;
  Brain brain_;
};

// Writes FOLDER/NAME.EXTENSION, and NAME_picture.png for depth and normals; returns the piece of a
// request that shows it. Throws ResourceError if that cannot be written.
Part save(const Example& example, const std::filesystem::path& folder, const std::string& name);
// The same from memory; not of depth and normals, whose picture has to be a file.
Part part_of(const Example& example);

}  // namespace isthmus::world
