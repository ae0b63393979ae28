#include "families/onellm/save.h"

#include <set>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/atomic_file.h"
#include "base/atomic_folder.h"
#include "base/check.h"
#include "base/json_view.h"
#include "formats/checkpoint_plan.h"
#include "isthmus/error.h"
#include "layout/onellm_names.h"
#include "weights/publish.h"

namespace isthmus::families::onellm {
namespace {

namespace fs = std::filesystem;
using formats::OutgoingTensor;

constexpr DType kReferenceDType = DType::kBF16;  // --precision of util/misc.py, save_model
constexpr const char* kFile = "consolidated.00-of-01.pth";

std::vector<OutgoingTensor> tensors_of(const weights::Publisher& publisher,
                                       const layout::OneLlmModel& model,
                                       std::span<const weights::WeightSource> sources) {
  // A LLaMA alone keeps Meta's names.
  const std::string prefix = model.config.is_language_model()
                                 ? layout::onellm_prefix(model.checkpoints.back())
                                 : std::string(layout::kOneLlmPrefix);
  const layout::OneLlmNames names = layout::onellm_names(prefix, model.config.modalities);
  std::vector<OutgoingTensor> tensors;
  std::set<std::string> written;
  for (const std::string& slot : publisher.slots()) {
    const auto file = names.map.to_file(slot);
    ISTHMUS_CHECK(file.has_value(), slot + " has no name in OneLLM's files");
    tensors.push_back(publisher.tensor(slot, *file));
    written.insert(file->name);
  }
  // What is left of CLIP's text half: the original's model has it too.
  for (size_t i = sources.size(); i-- > 0;)
    for (const std::string& name : sources[i].checkpoint.names())
      if (name.starts_with("llma.clip.") && sources[i].ignores(name) && written.insert(name).second)
        tensors.push_back(publisher.copy(sources[i].checkpoint.at(name)));
  return tensors;
}

// The file that told of the language model, if one did.
fs::path params_file(const layout::OneLlmModel& model) {
  for (const fs::path& file : model.sources.params) {
    const JsonView json = JsonView::load(file);
    if (json.is_object() && json.contains("dim") &&
        json.positive("dim") == model.config.language.hidden_size)
      return file;
  }
  return {};
}

void copy_as(const fs::path& from, const fs::path& to) {
  if (!from.empty()) write_file(to, read_file(from));
}

}  // namespace

void save(OneLlmModules& modules, const layout::OneLlmModel& model,
          std::span<const weights::WeightSource> sources, const fs::path& folder,
          const OutputOptions& options) {
  const weights::Publisher publisher(modules, sources,
                                     {.dtype = output_dtype(options.dtype, kReferenceDType)});
  const std::vector<OutgoingTensor> tensors = tensors_of(publisher, model, sources);
  formats::CheckpointPlan plan = formats::plan_file(kFile);
  for (const OutgoingTensor& tensor : tensors) plan.shards.front().names.push_back(tensor.name);
  AtomicFolder out(folder);
  formats::write_checkpoint(plan, tensors, out.temporary());
  copy_as(params_file(model), out.temporary() / "params.json");
  copy_as(model.sources.options, out.temporary() / "onellm.json");
  out.copy(model.sources.tokenizer_folder / "tokenizer.model");
  out.merge();
}

Package package(const layout::OneLlmModel& model,
                const std::vector<weights::WeightSource>& sources) {
  if (sources.size() > 1)
    throw UsageError(
        "the model is a checkpoint on a LLaMA of its own; isthmus merge makes one model of them");
  Package package;
  // The folder's, not the file's.
  package.name = fs::absolute(model.sources.first_file()).parent_path().filename().string();
  const auto add = [&](const fs::path& file, const char* name) {
    if (!file.empty()) package.files[name] = read_file(file);
  };
  add(params_file(model), "params.json");
  add(model.sources.options, "onellm.json");
  add(model.sources.tokenizer_folder / "tokenizer.model", "tokenizer.model");
  package.weights.push_back({kFile, sources.front()});
  return package;
}

}  // namespace isthmus::families::onellm
