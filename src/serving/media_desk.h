// Media of those who wait, loaded one at a time, and what then becomes of them.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "engine/media_loader.h"
#include "families/family.h"
#include "serving/variant.h"

namespace isthmus::serving {

using Media = std::vector<std::shared_ptr<const engine::CachedMedia>>;

// What goes on while a medium is loaded.
struct Meanwhile {
  // Lets all others go on once, while the medium is prepared; false: they had nothing to do.
  std::function<bool()> others;
  // Between two blocks of encoder and aligner: lets others go on when it is time. May throw to give
  // the medium up.
  std::function<void()> between_blocks;
};

// Loads media and counts which were known. A file is read and prepared by a thread of its own;
// encoder and aligner are computed by the caller's, in pieces. One thread at a time.
class MediaDesk {
 public:
  explicit MediaDesk(Meanwhile meanwhile) : meanwhile_(std::move(meanwhile)) {}
  // By the loader of the question's aligner. Throws what is wrong with the medium, and what
  // `between_blocks` does.
  std::shared_ptr<const engine::CachedMedia> load(engine::MediaLoader& loader,
                                                  const families::MediaSource& source);
  int64_t queries() const { return queries_; }
  int64_t hits() const { return hits_; }

 private:
  Meanwhile meanwhile_;
  int64_t queries_ = 0, hits_ = 0;
};

// Loads the media of one request step by step.
class Gathering {
 public:
  Gathering(std::shared_ptr<const Variant> variant, std::vector<families::MediaSource> sources)
      : variant_(std::move(variant)), sources_(std::move(sources)) {}
  bool complete() const { return media_.size() == sources_.size(); }
  // Loads the next medium, as MediaDesk::load.
  void step(MediaDesk& desk) {
    media_.push_back(desk.load(*variant_->media, sources_[media_.size()]));
  }
  const Media& media() const { return media_; }

 private:
  std::shared_ptr<const Variant> variant_;
  std::vector<families::MediaSource> sources_;
  Media media_;
};

}  // namespace isthmus::serving
