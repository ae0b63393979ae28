// Golden Flamingos taken apart and put together again.
#pragma once

#include <functional>

#include "formats/checkpoint.h"
#include "formats/torch_checkpoint.h"
#include "layout/fixtures.h"
#include "layout/flamingo_folder.h"

namespace isthmus::layout {

inline const std::filesystem::path& mpt_case() {
  static const std::filesystem::path model = flamingo_case("mpt7b_every1") / "model";
  return model;
}

// A folder `to` that holds the files of `from`, or one file.
inline void link(const std::filesystem::path& from, const std::filesystem::path& to) {
  std::filesystem::create_directories(to.parent_path());
  std::filesystem::create_symlink(from, to);
}

// A copy of a checkpoint whose tensors `change` may alter, drop (false), or rename.
inline void rewrite(const std::filesystem::path& from, const std::filesystem::path& to,
                    const std::function<bool(formats::RawTensor&)>& change) {
  const auto checkpoint = formats::Checkpoint::open(from);
  std::vector<formats::RawTensor> kept;
  for (const std::string& name : checkpoint.names()) {
    formats::RawTensor tensor = checkpoint.at(name);
    if (change(tensor)) kept.push_back(std::move(tensor));
  }
  std::filesystem::create_directories(to.parent_path());
  formats::write_torch_checkpoint(to, kept);
}

}  // namespace isthmus::layout
