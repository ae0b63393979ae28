// Media of those who wait, encoded one at a time, and what then becomes of them.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "engine/media_loader.h"
#include "families/family.h"

namespace isthmus::serving {

using Media = std::vector<std::shared_ptr<const engine::CachedMedia>>;

// Loads media and counts which were known. One thread at a time.
class MediaDesk {
 public:
  explicit MediaDesk(families::Family& family) : loader_(family) {}
  std::shared_ptr<const engine::CachedMedia> load(const families::MediaSource& source);
  int64_t queries() const { return queries_; }
  int64_t hits() const { return hits_; }

 private:
  engine::MediaLoader loader_;
  int64_t queries_ = 0, hits_ = 0;
  int64_t newest_ = -1;  // id: they are given in order
};

// Loads the media of one request step by step.
class Gathering {
 public:
  explicit Gathering(std::vector<families::MediaSource> sources) : sources_(std::move(sources)) {}
  bool complete() const { return media_.size() == sources_.size(); }
  // Loads the next medium. Throws what is wrong with it.
  void step(MediaDesk& desk) { media_.push_back(desk.load(sources_[media_.size()])); }
  const Media& media() const { return media_; }

 private:
  std::vector<families::MediaSource> sources_;
  Media media_;
};

}  // namespace isthmus::serving
