// The modalities without a table: sounds, motion, brain activity.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "media/imu.h"
#include "world/dice.h"
#include "world/text.h"

namespace isthmus::world {

struct SoundOptions {
  int sample_rate = 16000;
  double seconds = 1.2;  // of which the sounds take the second in the middle
};

// A sound wave within [-1, 1]: one to four beeps (sine), buzzes (square) or hisses (a band of noise
// around the pitch) in a second's four quarters, and a little noise everywhere. Low, middle and
// high are 300, 800 and 2000 Hz, give or take 12 %.
std::vector<float> wave_of(Dice& dice, const Sounds& sounds, const SoundOptions& options = {});

// Acceleration in g (gravity on z) and rotation of a phone in a pocket, 200 samples a second.
media::ImuRecording motion_of(Dice& dice, const Activity& activity, int samples = 410);

// A brain: voxels answer linearly to what is seen, 8 x 8 cells of the picture in three colours, and
// to the shape and colour that are recognised; always the same ones. Immutable, safe from any
// thread.
class Brain {
 public:
  static constexpr int kUsualVoxels = 15724;  // of the Natural Scenes Dataset's first subject
  explicit Brain(int voxels = kUsualVoxels);

  int voxels() const { return voxels_; }
  // One value per voxel, with noise; of the first object of the scene.
  std::vector<float> activity(Dice& dice, const Scene& scene) const;

 private:
  int voxels_;
  std::vector<float> seen_, recognised_;  // [voxels, 192], [voxels, shapes + colours]
};

}  // namespace isthmus::world
