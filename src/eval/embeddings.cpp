#include "eval/embeddings.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "base/check.h"
#include "isthmus/error.h"

namespace isthmus::eval {
namespace {

using Pictures = std::span<const std::filesystem::path>;

constexpr size_t kSaveEvery = 4096;  // pictures; writing the file takes a second or two

void embed(Pictures pictures, Subject& subject, FeatureCache& cache) {
  auto embeddings = subject.image_embeddings(pictures);
  ISTHMUS_CHECK(embeddings.size() == pictures.size(), "one embedding per picture");
  for (size_t i = 0; i < pictures.size(); ++i) cache.put(pictures[i], std::move(embeddings[i]));
}

// A batch with a broken picture is computed picture by picture.
void embed_what_can_be(Pictures pictures, Subject& subject, FeatureCache& cache,
                       samples::BrokenEntries& broken) {
  try {
    embed(pictures, subject, cache);
  } catch (const InputError&) {
    for (const auto& picture : pictures)
      broken.guard([&] { embed(Pictures(&picture, 1), subject, cache); });
  }
}

// Saves what is there however the work ends.
class SavedAtTheEnd {
 public:
  explicit SavedAtTheEnd(FeatureCache& cache) : cache_(cache) {}
  ~SavedAtTheEnd() {
    try {
      cache_.save();
    } catch (const Error&) {  // another error is on its way, or a cache is not worth one
    }
  }

 private:
  FeatureCache& cache_;
};

}  // namespace

bool compute_embeddings(std::span<const Sample> samples, const std::string& label, int64_t batch,
                        Subject& subject, FeatureCache& cache, samples::BrokenEntries& broken,
                        const EvalCallbacks& callbacks) {
  std::vector<std::filesystem::path> missing;
  std::unordered_set<std::string> seen;
  for (const Sample& sample : samples)
    if (seen.insert(sample.image.native()).second && cache.find(sample.image) == nullptr)
      missing.push_back(sample.image);
  const auto report = [&](size_t computed) {
    if (callbacks.progress)
      callbacks.progress({label, static_cast<int64_t>(seen.size() - missing.size() + computed),
                          static_cast<int64_t>(seen.size())});
  };
  report(0);
  const SavedAtTheEnd saved(cache);
  const auto step = static_cast<size_t>(std::max<int64_t>(batch, 1));
  size_t unsaved = 0;
  for (size_t first = 0; first < missing.size(); first += step) {
    if (callbacks.cancelled && callbacks.cancelled()) return false;
    const size_t count = std::min(step, missing.size() - first);
    embed_what_can_be(Pictures(missing).subspan(first, count), subject, cache, broken);
    if ((unsaved += count) >= kSaveEvery) {
      cache.save();
      unsaved = 0;
    }
    report(first + count);
  }
  return true;
}

std::vector<const std::vector<float>*> embeddings_of(std::span<const Sample> samples,
                                                     const FeatureCache& cache) {
  // Many questions share a picture, and finding one asks the file system.
  std::unordered_map<std::string, const std::vector<float>*> known;
  std::vector<const std::vector<float>*> embeddings;
  embeddings.reserve(samples.size());
  for (const Sample& sample : samples) {
    const auto [place, is_new] = known.try_emplace(sample.image.native(), nullptr);
    if (is_new) place->second = cache.find(sample.image);
    embeddings.push_back(place->second);
  }
  return embeddings;
}

}  // namespace isthmus::eval
