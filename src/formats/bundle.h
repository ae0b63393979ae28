// A whole model in one file. It is a safetensors file: the weights of every file of the model stand
// in it as "FILE:NAME", the small files beside them (configuration, tokenizer) as bytes "FILE:",
// and __metadata__ names the model and what of it is to be opened. A file may be both: of a GGUF
// file the bytes are its metadata.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "formats/outgoing_tensor.h"
#include "formats/safetensors.h"

namespace isthmus::formats {

// Files are named by their paths below the model's folder ("vision/config.json"); those of weights
// keep the names by which loaders know them, whatever format these stand for.
struct BundleContents {
  std::string name;   // of the model's folder, which tells of some models what they are
  std::string model;  // what is opened in it; ".": the folder
  std::map<std::string, std::string> files;
  std::map<std::string, std::vector<OutgoingTensor>> weights;  // by file
};

// Throws ModelError for names that no file can have, ResourceError for a full disk. `room`: bytes
// for the names of files that are added later.
void write_bundle(const std::filesystem::path& path, const BundleContents& contents,
                  size_t room = 0);

// Adds small files to a bundle that was written with room for their names, about a hundred bytes
// each. Not whole or not at all: for a file that nobody else knows of yet.
void add_to_bundle(const std::filesystem::path& path,
                   const std::map<std::string, std::string>& files);

// Whether it is a safetensors file that says so. Never throws.
bool is_bundle(const std::filesystem::path& path);

// The folder of a bundle's model, for as long as the process lives: the small files in a folder
// below the system's one for temporary files, the weights where Checkpoint::open finds them,
// mapped. Returns what is to be opened. The same file is laid out once. Throws ModelError for a
// bundle that is broken, or has names that lead out of the folder.
std::filesystem::path mount_bundle(const std::filesystem::path& path);

// Below the model's folder: a golden case of its own answers (docs/formats.md).
inline constexpr const char* kBundledCase = "golden";
// The folder of that case, laid out as by mount_bundle; nothing where the bundle has none.
std::optional<std::filesystem::path> bundled_case(const std::filesystem::path& path);

// What a user calls a place: of what was laid out of a bundle the bundle, as it was named when that
// was done; any other path as it is. Safe from any thread.
std::filesystem::path path_for_users(const std::filesystem::path& path);

// The weights that stand at a place of such a folder, with the bundle's path as their file; null
// for any other path. Safe from any thread.
struct BundledWeights {
  std::filesystem::path bundle;
  std::vector<RawTensor> tensors;
};
std::shared_ptr<const BundledWeights> bundled_weights(const std::filesystem::path& path);

}  // namespace isthmus::formats
