#include "aligners/media_runs.h"

#include <algorithm>

namespace isthmus::aligners {
namespace {

// What a position of this index reads; the run's place is filled in by the caller.
MediaRun reading(int64_t index, int64_t media, bool immediate) {
  if (media == 0) return {};
  if (!immediate)
    return index > 0 ? MediaRun{0, 0, 0, std::min(index, media), false}
                     : MediaRun{0, 0, 0, media, true};
  if (index <= 0) return {};
  return index <= media ? MediaRun{0, 0, index - 1, index, false} : MediaRun{0, 0, 0, media, true};
}

bool same_media(const MediaRun& a, const MediaRun& b) {
  return a.begin == b.begin && a.end == b.end && a.uniform == b.uniform;
}

}  // namespace

std::vector<MediaRun> media_runs(const std::vector<int64_t>& index, int64_t media, bool immediate) {
  std::vector<MediaRun> runs;
  for (size_t position = 0; position < index.size(); ++position) {
    MediaRun run = reading(index[position], media, immediate);
    if (runs.empty() || !same_media(runs.back(), run)) {
      run.first = static_cast<int64_t>(position);
      runs.push_back(run);
    }
    ++runs.back().count;
  }
  return runs;
}

}  // namespace isthmus::aligners
