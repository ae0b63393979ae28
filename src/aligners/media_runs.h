// Which media the positions of a text read, as plain integers.
#pragma once

#include <cstdint>
#include <vector>

namespace isthmus::aligners {

// Consecutive positions that read the same media.
struct MediaRun {
  int64_t first, count;  // positions
  int64_t begin, end;    // media [begin, end) of the row; begin == end: nothing
  // Quirk: a position all of whose scores are masked attends evenly to every latent of the row
  // instead of to nothing: the reference fills masked scores with the lowest finite number, which
  // softmax cannot tell from any other constant. open_flamingo/helpers.py, MaskedCrossAttention
  bool uniform;
};

// `index`: how many media begin at or before each position, its own included. `immediate`
// (only_attend_immediate_media): a position reads the last medium before it, none before the first,
// and everything evenly when the text has more media than there are. Otherwise it reads all media
// before it, and everything evenly before the first.
std::vector<MediaRun> media_runs(const std::vector<int64_t>& index, int64_t media, bool immediate);

}  // namespace isthmus::aligners
