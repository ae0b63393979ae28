// What a frozen encoder made of media that were seen before.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <span>
#include <vector>

#include "base/content_hash.h"
#include "families/family.h"

namespace isthmus::training {
using torch::Tensor;

struct FeatureCacheOptions {
  size_t memory_bytes = 0;       // what is kept in memory; 0: nothing is
  std::filesystem::path folder;  // what is kept on disk, too; empty: nothing is
};

// Whether a weight of the encoder asks for gradients: what it makes of a medium then changes.
bool encoder_learns(families::Family& family);

// Features by the prepared medium and the encoder's weights: neither another picture under the same
// name nor another encoder ever gets them. On disk one file of float32 records per encoder; a last
// record that was cut off by a kill is overwritten. Of one thread; the folder of one process.
class FeatureCache {
 public:
  // Throws UsageError when a weight of the encoder asks for gradients; ResourceError.
  FeatureCache(families::Family& family, const FeatureCacheOptions& options);

  // As Family::features; only what is not there yet goes through the encoder.
  std::vector<families::MediaFeatures> features(std::span<const modalities::Prepared> media);

  int64_t found() const { return found_; }
  int64_t computed() const { return computed_; }

 private:
  struct Place {  // of values on disk
    uint64_t offset = 0;
    std::vector<int64_t> shape;
  };

  void open(const std::filesystem::path& folder, const ContentHash& encoder);
  Tensor load(const ContentHash& key);
  void store(const ContentHash& key, const Tensor& values);

  families::Family& family_;
  size_t memory_left_;
  std::map<ContentHash, Tensor> memory_;
  std::map<ContentHash, Place> places_;
  std::filesystem::path file_;
  std::fstream stream_;
  uint64_t end_ = 0;  // of the last whole record
  int64_t found_ = 0, computed_ = 0;
};

}  // namespace isthmus::training
