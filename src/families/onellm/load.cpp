#include "families/onellm/load.h"

#include <algorithm>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/atomic_file.h"
#include "base/content_hash.h"
#include "families/onellm/onellm.h"
#include "families/storage.h"
#include "formats/raw_tensor.h"
#include "isthmus/error.h"
#include "layout/onellm_names.h"
#include "weights/bind.h"
#include "weights/share.h"

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

namespace {

using formats::RawTensor;

std::map<std::string, RawTensor> tensors_of(std::span<const weights::WeightSource> sources) {
  std::map<std::string, RawTensor> tensors;  // by slot; later sources win
  for (const weights::WeightSource& source : sources)
    for (const std::string& name : source.checkpoint.names()) {
      if (source.ignores && source.ignores(name)) continue;
      if (const auto slot = source.names.to_module(name))
        tensors[slot->name] = formats::apply(slot->transform, source.checkpoint.at(name));
    }
  return tensors;
}

bool equal(const RawTensor& one, const RawTensor& other) {
  if (one.dtype != other.dtype || one.shape != other.shape) return false;
  if (one.is_contiguous() && other.is_contiguous())
    return std::ranges::equal(one.bytes, other.bytes);
  return formats::to_contiguous(one) == formats::to_contiguous(other);
}

std::string options_of(const layout::OneLlmModel& model) {
  return model.sources.options.empty() ? "" : read_file(model.sources.options);
}

}  // namespace

std::shared_ptr<Family> load_beside(const OneLlm& model, const std::filesystem::path& folder,
                                    const LoadOptions& options) {
  const layout::OneLlmModel& loaded = model.model();
  const auto refuse = [&](const std::string& why) {
    throw UnsupportedError(fmt::format("{}: {}", folder.string(), why));
  };
  if (loaded.config.is_language_model())
    refuse("is to stand on a OneLLM; the loaded model is a language model alone");
  const auto locator = layout::ModelLocator::from_environment();
  auto opened = layout::OneLlmModel::open(layout::find_onellm(folder, "", locator));
  if (opened.config.is_language_model()) refuse("is a language model alone, without an aligner");
  if (opened.config.language != loaded.config.language ||
      opened.tokenizer->vocab_size() != loaded.tokenizer->vocab_size())
    refuse("has a language model or a vocabulary of another shape than the loaded model");
  std::vector<weights::WeightSource> sources = weight_sources(opened);
  const auto all = tensors_of(sources), own = tensors_of(weight_sources(loaded));
  std::set<std::string> shared;  // below the encoder
  bool own_encoder = opened.config.modalities.size() != loaded.config.modalities.size();
  for (const auto& [slot, tensor] : all) {
    const auto found = own.find(slot);
    const bool same = found != own.end() && equal(tensor, found->second);
    if (slot.starts_with("decoder.") && !same)
      refuse(fmt::format(
          "its language model is another than the loaded one ({} differs), as after a stage that "
          "trained it; serve it as a model of its own",
          slot));
    constexpr std::string_view kEncoder = "encoder.";
    if (same && slot.starts_with(kEncoder)) shared.insert(slot.substr(kEncoder.size()));
    own_encoder = own_encoder || (slot.starts_with("encoder.") && !same);
  }
  for (weights::WeightSource& source : sources)
    source.ignores = [own_encoder, names = source.names,
                      ignores = source.ignores](std::string_view name) {
      const auto slot = names.to_module(name);
      return (ignores && ignores(name)) ||
             (slot && (slot->name.starts_with("decoder.") ||
                       (!own_encoder && slot->name.starts_with("encoder."))));
    };
  OneLlmModules& from = *model.shared_modules();
  auto modules = std::make_shared<OneLlmModules>(opened.config, from, own_encoder);
  weights::BindOptions binding = bind_options(opened, options);
  binding.present = own_encoder ? "decoder.*" : "*coder.*";
  weights::bind_weights(*modules, sources, binding);
  // Of an encoder of its own, what it has in common with the loaded one.
  if (own_encoder)
    weights::share_weights(*from.encoder, *modules->encoder, binding.config,
                           [&](const std::string& slot) { return shared.contains(slot); });
  std::string fingerprint = hash_text(model.fingerprint() + fingerprint_of(sources)).hex();
  std::string features;  // what is prepared otherwise is encoded otherwise
  if (!own_encoder && options_of(opened) == options_of(loaded))
    features = model.feature_fingerprint();
  opened.tokenizer = loaded.tokenizer;
  return std::make_shared<OneLlm>(std::move(opened), std::move(modules), std::move(fingerprint),
                                  std::move(features));
}

}  // namespace isthmus::families::onellm
