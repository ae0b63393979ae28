// Embeddings of pictures, kept on disk between runs.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

namespace isthmus::eval {

// One file per fingerprint of the weights. An embedding belongs to a path, a size and a time of
// change; a picture that changed has none. The file is written whole or not at all, and one that
// is cut short or damaged counts as empty. For one thread; of two programs that save, the last one
// wins.
class FeatureCache {
 public:
  // `folder` is made when something is saved.
  FeatureCache(std::filesystem::path folder, std::string fingerprint);

  const std::vector<float>* find(const std::filesystem::path& picture) const;
  void put(const std::filesystem::path& picture, std::vector<float> embedding);
  // Writes the file if something was put since it was read. ResourceError if the disk is full.
  void save();

  size_t size() const { return embeddings_.size(); }
  const std::filesystem::path& file() const { return file_; }

  // $XDG_CACHE_HOME/isthmus, else ~/.cache/isthmus, else the folder for temporary files.
  static std::filesystem::path default_folder();

 private:
  void load();

  std::filesystem::path file_;
  std::string fingerprint_;
  std::unordered_map<std::string, std::vector<float>> embeddings_;
  bool changed_ = false;
};

}  // namespace isthmus::eval
