#include "families/flamingo/save.h"

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/atomic_file.h"
#include "base/atomic_folder.h"
#include "base/check.h"
#include "formats/checkpoint_plan.h"
#include "isthmus/error.h"
#include "layout/flamingo_names.h"
#include "layout/flamingo_output.h"
#include "weights/publish.h"

namespace isthmus::families::flamingo {
namespace {

using formats::OutgoingTensor;

constexpr DType kReferenceDType = DType::kF32;
constexpr const char* kFile = "checkpoint.pt";

void require_frozen_encoder(const std::set<std::string>& trained) {
  const auto found = std::ranges::find_if(
      trained, [](const std::string& name) { return name.starts_with("encoder."); });
  if (found != trained.end())
    throw UnsupportedError(*found +
                           ": was trained, but OpenFlamingo's checkpoints hold no vision encoder");
}

// Weights of the checkpoint that the model began with: trained once, if not now.
std::set<std::string> slots_in(const weights::WeightSource& checkpoint) {
  std::set<std::string> slots;
  for (const std::string& name : checkpoint.checkpoint.names())
    if (!checkpoint.ignores(name))
      if (const auto slot = checkpoint.names.to_module(name)) slots.insert(slot->name);
  return slots;
}

// Matrices into which a low-rank branch is folded: no longer those of the language model's files.
std::set<std::string> folded_slots(const weights::Publisher& publisher) {
  constexpr std::string_view kFactor = "lora_A.weight";
  std::set<std::string> slots;
  for (const std::string& name : publisher.low_rank())
    if (name.ends_with(kFactor))
      slots.insert(name.substr(0, name.size() - kFactor.size()) + "weight");
  return slots;
}

std::vector<OutgoingTensor> tensors_of(const weights::Publisher& publisher,
                                       const layout::FlamingoOutputNames& names,
                                       const std::set<std::string>& trained) {
  std::vector<OutgoingTensor> tensors;
  for (const std::string& slot : publisher.slots()) {
    if (!slot.starts_with("aligner.") && !trained.contains(slot) && !names.keeps_frozen(slot))
      continue;
    const auto file = names.map.to_file(slot);
    ISTHMUS_CHECK(file.has_value(), slot + " has no name in checkpoint.pt");
    tensors.push_back(publisher.tensor(slot, *file));
  }
  const auto& decoder = names.decoder;
  if (decoder.tied_head.empty()) return tensors;
  const auto embedding = names.map.to_file(decoder.vocabulary.front());
  OutgoingTensor head = publisher.tensor(decoder.vocabulary.front(), *embedding);
  head.same_as = head.name;
  head.name = decoder.tied_head;
  tensors.push_back(std::move(head));
  return tensors;
}

}  // namespace

void save(FlamingoModules& modules, const layout::FlamingoModel& model,
          std::span<const weights::WeightSource> sources, const std::filesystem::path& folder,
          const OutputOptions& options) {
  std::set<std::string> trained = weights::trained_names(modules);
  require_frozen_encoder(trained);
  if (model.checkpoint) trained.merge(slots_in(sources.back()));
  const weights::Publisher publisher(modules, sources,
                                     {.dtype = output_dtype(options.dtype, kReferenceDType)});
  trained.merge(folded_slots(publisher));
  const layout::FlamingoOutputNames names(model.language_type, model.language_config);
  std::vector<OutgoingTensor> tensors = tensors_of(publisher, names, trained);
  if (model.checkpoint)
    for (const std::string& name : model.checkpoint->names())
      if (layout::is_flamingo_buffer(name))
        tensors.push_back(formats::outgoing(model.checkpoint->at(name)));

  formats::CheckpointPlan plan = formats::plan_file(kFile);
  if (options.as_training_state) plan.shards.front().layout = {{"model_state_dict"}, "module."};
  for (const OutgoingTensor& tensor : tensors) plan.shards.front().names.push_back(tensor.name);
  AtomicFolder out(folder);
  formats::write_checkpoint(plan, tensors, out.temporary());
  write_file(out.temporary() / "isthmus.json", layout::flamingo_json(model).dump(2) + "\n");
  out.merge();
}

Package package(const layout::FlamingoModel& model,
                const std::vector<weights::WeightSource>& sources) {
  const layout::FlamingoSources& from = model.sources;
  Package package;
  package.name = from.name;
  nlohmann::json json = layout::flamingo_json(model);
  const bool hugging_face = from.vision_files == layout::VisionFiles::kHuggingFace;
  package.add_files(hugging_face ? from.vision : from.vision.parent_path(), "vision");
  const std::string tower = "vision/" + (hugging_face ? std::string("model.safetensors")
                                                      : from.vision.filename().string());
  package.weights.push_back({tower, sources[0]});
  json["vision"] = hugging_face ? "vision" : tower;
  package.add_files(from.language_model, "language_model");
  package.weights.push_back({"language_model/model.safetensors", sources[1]});
  json["language_model"] = "language_model";
  if (!from.tokenizer.empty()) {
    package.add_files(from.tokenizer, "tokenizer");
    json["tokenizer"] = "tokenizer";
  }
  if (model.checkpoint)
    package.weights.push_back({kFile, sources[2]});
  else
    json.erase("checkpoint");
  package.files["isthmus.json"] = json.dump(2) + "\n";
  return package;
}

}  // namespace isthmus::families::flamingo
