#include "layout/onellm_model.h"

#include <utility>

#include <fmt/format.h>

#include "isthmus/error.h"
#include "layout/onellm_module_tree.h"

namespace isthmus::layout {

OneLlmModel OneLlmModel::open(OneLlmSources sources, formats::JoinedBytes bytes) {
  OneLlmModel model;
  model.sources = std::move(sources);
  if (!model.sources.base.empty())
    model.checkpoints.push_back(open_ranks(model.sources.base, bytes));
  model.checkpoints.push_back(open_ranks(model.sources.weights, bytes));
  for (const formats::Checkpoint& checkpoint : model.checkpoints) model.tensors.add(checkpoint);
  model.config = read_onellm_config(model.tensors, {model.sources.params, model.sources.options});
  model.tokenizer = text::Tokenizer::load(model.sources.tokenizer_folder);
  const auto tokens = static_cast<int64_t>(model.tokenizer->vocab_size());
  if (tokens > model.config.language.vocab_size)
    throw ModelError(fmt::format(
        "{}: {} has {} rows, but the tokenizer in {} has {} tokens. Is it another model's?",
        model.tensors.files(), model.tensors.at("tok_embeddings.weight").name,
        model.config.language.vocab_size, model.sources.tokenizer_folder.string(), tokens));
  return model;
}

ModuleNode OneLlmModel::module_tree() const { return onellm_module_tree(config); }

}  // namespace isthmus::layout
