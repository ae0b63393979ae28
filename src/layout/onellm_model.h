// All that the files of a OneLLM say besides the values of its weights.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "formats/checkpoint.h"
#include "formats/join_shards.h"
#include "layout/module_tree.h"
#include "layout/onellm_config.h"
#include "layout/onellm_folder.h"
#include "layout/onellm_tensors.h"
#include "text/tokenizer.h"

namespace isthmus::layout {

struct OneLlmModel {
  OneLlmSources sources;
  // In the order in which they are laid over each other: the LLaMA below, if any, then the weights.
  std::vector<formats::Checkpoint> checkpoints;
  OneLlmTensors tensors;
  OneLlmConfig config;
  std::shared_ptr<const text::Tokenizer> tokenizer;

  // `bytes`: kNone for those who read no values of the large matrices. Throws what reading the
  // files throws, and ModelError where they do not fit each other.
  static OneLlmModel open(OneLlmSources sources,
                          formats::JoinedBytes bytes = formats::JoinedBytes::kCopied);

  // As the reference prints it.
  ModuleNode module_tree() const;
};

}  // namespace isthmus::layout
