// From the media of requests to what the language model reads of them, each encoded once.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/media_cache.h"
#include "families/family.h"
#include "isthmus/input.h"

namespace isthmus::engine {

// The media of a request in their order. The request must outlive them.
std::vector<families::MediaSource> media_sources(const Request& request);

// Knows media again by all that decides what they become: kind, bytes, the files beside them, the
// piece that is asked for. Files above 32 MiB are known by path, size and time of change, for much
// of a long recording is never read. Nothing when a file cannot be read.
std::optional<ContentHash> identity_of(const Part& part);

// A medium that nobody has encoded yet, as the encoder eats it.
struct FreshMedium {
  modalities::Prepared prepared;
  std::optional<ContentHash> identity;
};

// One thread at a time, but for `prepare`.
class MediaLoader {
 public:
  using Preparer = std::function<modalities::Prepared(const families::MediaSource&)>;

  explicit MediaLoader(families::Family& family);
  // Of another aligner on the model of `first`: both keep what they know in one place, where
  // neither finds what only the other made, and share what their encoder makes of a medium where
  // Family::feature_fingerprint says that it is the same. Any thread; from then on both belong to
  // the same.
  MediaLoader(families::Family& family, const MediaLoader& first);
  ~MediaLoader();
  MediaLoader(const MediaLoader&) = delete;
  MediaLoader& operator=(const MediaLoader&) = delete;
  // Each source known or encoded once, in the order of the sources; what is new is encoded
  // together. With a probe everything is encoded anew, shown to it, and nothing is kept.
  std::vector<std::shared_ptr<const CachedMedia>> load(
      std::span<const families::MediaSource> sources, nn::Probe* probe);

  // The same step by step, for whoever has something else to do in between.
  std::shared_ptr<const CachedMedia> find(const std::optional<ContentHash>& identity);
  // Any thread. Throws what is wrong with the medium.
  FreshMedium prepare(const families::MediaSource& source,
                      const std::optional<ContentHash>& identity) const;
  // Keeps what has an identity; all of it, what only traces show included, where it is `traced`.
  std::vector<std::shared_ptr<const CachedMedia>> encode(std::vector<FreshMedium> fresh,
                                                         nn::Probe* probe, bool traced = false);

  // Prepares media in place of the family: golden cases bring the pixels their reference saw.
  void prepare_with(Preparer preparer) { preparer_ = std::move(preparer); }
  void forget();
  // Where what media became is kept besides memory.
  MediaCache& cache() { return cache_; }
  const MediaCache& cache() const { return cache_; }

 private:
  struct Shared;

  std::vector<families::EncodedMedia> aligned(std::span<const FreshMedium> fresh,
                                              std::span<const modalities::Prepared> prepared,
                                              nn::Probe* probe);
  // How this loader's media are known where several aligners keep theirs.
  ContentHash key_of(const ContentHash& identity) const;

  families::Family& family_;
  Preparer preparer_;
  std::shared_ptr<Shared> shared_;
  MediaCache& cache_;
  std::string salt_;  // of all but the first
};

}  // namespace isthmus::engine
