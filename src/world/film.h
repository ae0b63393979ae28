// Videos of one object that moves over the table.
#pragma once

#include <vector>

#include "media/image.h"
#include "world/dice.h"
#include "world/render.h"
#include "world/text.h"

namespace isthmus::world {

struct Film {
  std::vector<media::Image> frames;
  double frames_per_second = 0;
};

struct FilmOptions {
  View view{96, 96};
  // Frames are looked at every fifth of (seconds - 1); here those are the first five.
  double seconds = 2, frames_per_second = 5;
};

// Where the object is, and what it leaves behind, `seconds` after the beginning.
struct Path {
  Scene scene;                    // at the beginning
  double step_x = 0, step_y = 0;  // per second
  Scene at(double seconds) const;
};
Path path_of(Dice& dice, const Movement& movement, double seconds = 2);

// The object moves at one speed, .4 or 1.2 units a second. A dark track, three times as long behind
// quick ones, follows it, so that every single frame tells direction and speed: encoders that
// average their frames lose the order.
Film film_of(Dice& dice, const Movement& movement, const FilmOptions& options = {});

}  // namespace isthmus::world
