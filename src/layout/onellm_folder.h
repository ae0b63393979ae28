// A OneLLM on disk: which files hold the weights, and what lies beside them.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "formats/join_shards.h"
#include "layout/model_locator.h"

namespace isthmus::layout {

// The files of each rank of a model-parallel checkpoint: one, or a family of disjoint parts.
using RankFiles = std::vector<std::vector<std::filesystem::path>>;

struct OneLlmSources {
  std::string name;  // of the model, as the user would call it
  RankFiles weights;
  RankFiles base;                             // the files of a LLaMA below; empty: there is none
  std::vector<std::filesystem::path> params;  // JSON files that may describe the language model
  std::filesystem::path options;              // onellm.json; "" when there is none
  std::filesystem::path tokenizer_folder;     // with tokenizer.model

  const std::filesystem::path& first_file() const { return weights.front().front(); }
};

// Whether `model` (as ModelLocator::find_model returns it) is a OneLLM, or a LLaMA in Meta's own
// files: a folder with consolidated.*.pth, such a file, or a file with tensors below `llma.`.
bool is_onellm(const std::filesystem::path& model);

// `model`: a folder, or any one file of a family:
//   consolidated.RR-of-MM.pth       the ranks of a model-parallel checkpoint, one or more
//   consolidated.RR-of-MM.sN.pth    the same, each cut into disjoint parts
//   consolidated.RR.pth             Meta's own ranks
//   anything else                   a checkpoint by itself
// A folder with both RR-of-MM and RR has its weights in the former, as the reference looks for
// them. params.json and other *.json, onellm.json and tokenizer.model are looked for beside the
// weights, in config/llama2, one level up and in its config/llama2, and beside the base. `base`: a
// LLaMA that the checkpoint lacks, as `model`; "" for none. Throws ModelError naming what is
// missing.
OneLlmSources find_onellm(const std::filesystem::path& model, const std::string& base,
                          const ModelLocator& locator);

// The ranks of find_onellm as one checkpoint.
formats::Checkpoint open_ranks(const RankFiles& ranks, formats::JoinedBytes bytes);

}  // namespace isthmus::layout
