// What a model consists of on disk, to be written anew in another storage.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <torch/nn/module.h>

#include "formats/bundle.h"
#include "weights/bind.h"

namespace isthmus::families {

// Files are named by their paths below the model's folder, as it will be.
struct Package {
  std::string name;                          // of that folder
  std::string model = ".";                   // what a loader opens in it
  std::map<std::string, std::string> files;  // configuration and tokenizers, as text
  struct Weights {
    std::string file;
    weights::WeightSource source;
  };
  std::vector<Weights> weights;
  // Whoever made the files chose how many bits each tensor takes; only what is asked for by name is
  // held otherwise.
  bool storage_was_chosen = false;
  // Weights of it are in few bits already, which is such a choice too.
  bool holds_blocks() const;

  // The small files of a folder: configuration, tokenizer, templates.
  void add_files(const std::filesystem::path& from, const std::string& folder);
};

// The package as one file's contents, its matrices held as `storage` says and all else as it is
// stored; tensors that are no part of the model are left out. llama.cpp's blocks are stored as
// those they are held in. `modules`, the model as it is loaded, tells which are matrices. Values
// are made when they are written, a tensor at a time. `on_tensor`: called as each is made.
formats::BundleContents contents_of(const Package& package, torch::nn::Module& modules,
                                    const weights::StoragePolicy& storage,
                                    std::function<void()> on_tensor = {});

}  // namespace isthmus::families
