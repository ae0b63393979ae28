#include "families/onellm/load.h"

#include <utility>
#include <vector>

#include "families/onellm/onellm.h"
#include "families/storage.h"
#include "layout/onellm_names.h"
#include "weights/bind.h"

namespace isthmus::families::onellm {
namespace {

weights::BindOptions bind_options(const layout::OneLlmModel& model, const LoadOptions& load) {
  weights::BindOptions options = storage_options(load);
  const layout::OneLlmConfig& config = model.config;
  options.config = "the model of these sizes";
  options.dimensions = {{"dim", config.language.hidden_size},
                        {"feed-forward", config.language.intermediate_size},
                        {"vocabulary", config.language.vocab_size},
                        {"encoder width", config.encoder.width}};
  return options;
}

}  // namespace

std::vector<weights::WeightSource> weight_sources(const layout::OneLlmModel& model) {
  std::vector<weights::WeightSource> all;
  for (const formats::Checkpoint& checkpoint : model.checkpoints) {
    layout::OneLlmNames names =
        layout::onellm_names(layout::onellm_prefix(checkpoint), model.config.modalities);
    all.push_back({checkpoint, std::move(names.map), std::move(names.ignores)});
  }
  return all;
}

std::shared_ptr<Family> load(const std::filesystem::path& model, const std::string& base,
                             const LoadOptions& options) {
  const auto locator = layout::ModelLocator::from_environment();
  auto opened = layout::OneLlmModel::open(layout::find_onellm(model, base, locator));
  auto modules = std::make_shared<OneLlmModules>(opened.config);
  const auto sources = weight_sources(opened);
  weights::bind_weights(*modules, sources, bind_options(opened, options));
  return std::make_shared<OneLlm>(std::move(opened), std::move(modules), fingerprint_of(sources));
}

}  // namespace isthmus::families::onellm
