#include "families/llava/save.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/atomic_file.h"
#include "base/atomic_folder.h"
#include "base/check.h"
#include "base/ordered_json.h"
#include "formats/checkpoint_plan.h"
#include "isthmus/error.h"
#include "layout/llava_folder.h"
#include "layout/llava_names.h"
#include "layout/llava_output.h"
#include "layout/model_locator.h"
#include "nn/linear.h"
#include "weights/publish.h"

namespace isthmus::families::llava {
namespace {

namespace fs = std::filesystem;
using formats::OutgoingTensor;
using layout::LlavaOutput;

constexpr DType kReferenceDType = DType::kBF16;  // --bf16 True in all scripts of the original
constexpr std::string_view kAligner = "aligner.", kEncoder = "encoder.";
constexpr const char* kEmbedding = "decoder.embed_tokens.weight";
constexpr const char* kPeft = "base_model.model.";  // around the model in all names of PEFT

class Writer {
 public:
  Writer(LlavaModules& modules, const LlavaSettings& settings, const LlavaOrigin& origin,
         const OutputOptions& options)
      : modules_(modules),
        settings_(settings),
        origin_(origin),
        options_(options),
        dtype_(output_dtype(options.dtype, kReferenceDType)),
        trained_(weights::trained_names(modules)),
        publisher_(modules, origin.sources,
                   {.dtype = dtype_, .frozen_from_files = !origin.lora_is_merged}) {}

  void write(const fs::path& target) {
    const LlavaOutput output = chosen();
    const std::vector<std::string> files = files_of(output);
    layout::refuse_other_weights(target, files);
    AtomicFolder folder(target);
    if (output == LlavaOutput::kProjector) write_projector(folder.temporary());
    if (output == LlavaOutput::kLora) write_lora(folder.temporary(), files.front());
    if (output == LlavaOutput::kFull) write_full(folder);
    write_tower(folder.temporary() / "vision");
    write_config(folder.temporary(), target, output);
    folder.merge();
  }

 private:
  bool is_original() const { return settings_.config.layout == layout::LlavaLayout::kOriginal; }
  bool has_aligner() const { return modules_.aligner != nullptr; }

  // Whether a file of the projector alone has a place for it.
  bool goes_with_projector(const std::string& slot) const {
    return slot.starts_with(kAligner) ||
           (settings_.config.mm_use_im_start_end && slot == kEmbedding);
  }

  LlavaOutput chosen() const {
    const auto other = std::ranges::find_if(
        trained_, [&](const std::string& name) { return !goes_with_projector(name); });
    switch (options_.form) {
      case OutputForm::kFull: return LlavaOutput::kFull;
      case OutputForm::kTrained:
        if (!is_original() || !has_aligner() || origin_.lora_is_merged) return LlavaOutput::kFull;
        if (!publisher_.low_rank().empty()) return LlavaOutput::kLora;
        return other == trained_.end() ? LlavaOutput::kProjector : LlavaOutput::kFull;
      case OutputForm::kProjector:
        require_parts("a projector alone");
        if (other != trained_.end())
          throw UsageError(fmt::format(
              "a file of the projector alone would lose what else was trained ({}, …)", *other));
        if (origin_.lora_is_merged)
          throw UsageError(
              "a file of the projector alone would lose the adapter that was folded in");
        return LlavaOutput::kProjector;
      case OutputForm::kLora:
        require_parts("an adapter");
        if (publisher_.low_rank().empty())
          throw UsageError("there is no low-rank branch to be saved as an adapter");
        return LlavaOutput::kLora;
    }
    return LlavaOutput::kFull;
  }

  void require_parts(const char* what) const {
    if (!is_original())
      throw UsageError(
          fmt::format("models in the layout of llava-hf are saved whole; there is no form for {} "
                      "that their code loads",
                      what));
    if (!has_aligner())
      throw UsageError(
          fmt::format("a language model without a projector cannot be saved as {}", what));
  }

  std::vector<std::string> files_of(LlavaOutput output) const {
    if (output == LlavaOutput::kProjector) return {"mm_projector.bin"};
    if (output == LlavaOutput::kLora) return {"adapter_model.safetensors"};
    const auto plan = formats::plan_like(language().checkpoint);
    if (!plan.index_like.empty()) return {plan.index_like.filename().string()};
    return {plan.shards.front().file.filename().string()};
  }

  const weights::WeightSource& language() const { return origin_.sources[origin_.language_source]; }

  // Everything below a prefix, and whatever else is wanted, under the names of a file.
  template <typename Wanted>
  std::vector<OutgoingTensor> tensors(const formats::NameMap& names, const Wanted& wanted) const {
    std::vector<OutgoingTensor> out;
    for (const std::string& slot : publisher_.slots()) {
      if (!wanted(slot)) continue;
      const auto file = names.to_file(slot);
      ISTHMUS_CHECK(file.has_value(), slot + " has no name in the original layout");
      out.push_back(publisher_.tensor(slot, *file));
    }
    return out;
  }

  void write_file_of(const fs::path& file, const std::vector<OutgoingTensor>& tensors) const {
    formats::CheckpointPlan plan = formats::plan_file(file.filename());
    for (const OutgoingTensor& tensor : tensors) plan.shards.front().names.push_back(tensor.name);
    formats::write_checkpoint(plan, tensors, file.parent_path());
  }

  // Quirk: the original leaves out image_newline, which would be random when the file is loaded;
  // its loader takes it.                                              train.py, keys_to_match
  void write_projector(const fs::path& folder) const {
    write_file_of(folder / "mm_projector.bin",
                  tensors(layout::original_names().map,
                          [&](const std::string& slot) { return goes_with_projector(slot); }));
  }

  void write_lora(const fs::path& folder, const std::string& adapter_file) const {
    const auto names = layout::adapter_names().map;
    std::vector<OutgoingTensor> adapter;
    for (const std::string& slot : publisher_.low_rank()) {
      const auto file = names.to_file(slot);
      ISTHMUS_CHECK(file.has_value(), slot + " has no name in PEFT's files");
      adapter.push_back(publisher_.tensor(slot, *file));
    }
    write_file_of(folder / adapter_file, adapter);
    write_file(folder / "adapter_config.json", lora_config().dump(2) + "\n");
    write_file_of(folder / "non_lora_trainables.bin",
                  tensors(layout::original_names(kPeft).map, [&](const std::string& slot) {
                    return slot.starts_with(kAligner) || trained_.contains(slot);
                  }));
  }

  // Rank and scaling of the branches; one of each, as PEFT's file states them.
  nlohmann::json lora_config() const {
    layout::LoraConfig config{};
    std::set<std::string> modules;
    double scale = 0;
    for (const std::string& slot : publisher_.low_rank()) {
      const std::string layer = slot.substr(0, slot.size() - std::string(".lora_A.weight").size());
      const auto module = nn::find_module(modules_, layer);
      const auto* linear = dynamic_cast<const nn::LinearImpl*>(module.get());
      ISTHMUS_CHECK(linear != nullptr && linear->has_lora(), layer + " has no low-rank branch");
      const int64_t rank = linear->lora_a()->out_features();
      if (!modules.empty() && (rank != config.rank || linear->lora_scale() != scale))
        throw UnsupportedError(fmt::format(
            "{}: rank {} and scaling {}, other branches {} and {}; adapters of several ranks are "
            "not supported",
            layer, rank, linear->lora_scale(), config.rank, scale));
      config.rank = rank;
      scale = linear->lora_scale();
      modules.insert(layer.substr(layer.rfind('.') + 1));
    }
    const auto& before = origin_.lora;
    config.use_rslora = before && before->use_rslora;
    const auto r = static_cast<double>(config.rank);
    // The product of a scaling that was a quotient: 2/3 · 3 is 2.
    const double alpha = scale * (config.use_rslora ? std::sqrt(r) : r);
    config.lora_alpha = std::abs(alpha - std::round(alpha)) < 1e-9 * r ? std::round(alpha) : alpha;
    config.lora_dropout = options_.lora_dropout;
    config.base_model_name_or_path = !options_.base_name.empty() ? options_.base_name
                                     : before && !before->base_model_name_or_path.empty()
                                         ? before->base_model_name_or_path
                                         : origin_.language.string();
    return config.to_json(modules);
  }

  bool writes_tower() const {
    return std::ranges::any_of(trained_,
                               [](const auto& name) { return name.starts_with(kEncoder); });
  }

  // A tower that was trained, as a CLIP folder of its own besides: other models stand on it.
  void write_tower(const fs::path& folder) const {
    if (!writes_tower() || origin_.tower.empty()) return;
    const auto original = formats::Checkpoint::open(origin_.tower);
    const auto names = layout::vision_tower_names().map;
    formats::CheckpointPlan plan = formats::plan_file(original.shards().front().file.filename());
    std::vector<OutgoingTensor> all;
    for (const std::string& slot : publisher_.slots()) {
      if (!slot.starts_with(kEncoder)) continue;
      const auto file = names.to_file(slot);
      ISTHMUS_CHECK(file.has_value(), slot + " has no name in CLIP's files");
      plan.shards.front().names.push_back(file->name);
      all.push_back(publisher_.tensor(slot, *file));
    }
    fs::create_directories(folder);
    formats::write_checkpoint(plan, all, folder);
    for (const char* name : {"config.json", "preprocessor_config.json"})
      write_file(folder / name, read_file(origin_.tower / name));
  }

  // The files of the language model, with what stands beside it behind the last of its tensors.
  void write_full(AtomicFolder& folder) const {
    const weights::WeightSource& base = language();
    formats::CheckpointPlan plan = formats::plan_like(base.checkpoint);
    std::vector<OutgoingTensor> all;
    std::set<std::string> written;
    for (const std::string& name : base.checkpoint.names()) {
      const bool ignored = base.ignores && base.ignores(name);
      const auto slot = ignored ? std::nullopt : base.names.to_module(name);
      if (slot && publisher_.contains(slot->name)) {
        all.push_back(publisher_.tensor(slot->name, {name, slot->transform}));
        written.insert(slot->name);
      } else {
        all.push_back(publisher_.copy(base.checkpoint.at(name)));
      }
    }
    const bool tower = writes_tower();
    auto beside = tensors(base.names, [&](const std::string& slot) {
      return !written.contains(slot) && (tower || !slot.starts_with(kEncoder));
    });
    for (OutgoingTensor& tensor : beside) {
      plan.shards.back().names.push_back(tensor.name);
      all.push_back(std::move(tensor));
    }
    formats::write_checkpoint(plan, all, folder.temporary());
    for (const fs::path& file : layout::companion_files(origin_.language)) folder.copy(file);
  }

  void write_config(const fs::path& folder, const fs::path& target, LlavaOutput output) const {
    layout::LlavaConfig config = settings_.config;
    config.unfreeze_mm_vision_tower |= writes_tower();
    config.vision_tower = tower_name(target);
    const nlohmann::json json = layout::llava_config_json(
        config, origin_.config.raw(), output, dtype_ ? std::string(name_of(*dtype_)) : "");
    write_file(folder / "config.json", json.dump(2) + "\n");
  }

  // The published name where it leads to the same tower from the new folder too; else its path.
  std::string tower_name(const fs::path& target) const {
    const std::string& name = settings_.config.vision_tower;
    if (name.empty() || origin_.tower.empty()) return name;
    std::error_code ignored;
    try {
      const auto locator = layout::ModelLocator::from_environment();
      if (fs::equivalent(locator.find_vision_tower(name, fs::absolute(target)), origin_.tower,
                         ignored))
        return name;
    } catch (const Error&) {
      // not found from there
    }
    return fs::weakly_canonical(origin_.tower, ignored).string();
  }

  LlavaModules& modules_;
  const LlavaSettings& settings_;
  const LlavaOrigin& origin_;
  const OutputOptions& options_;
  std::optional<DType> dtype_;
  std::set<std::string> trained_;
  weights::Publisher publisher_;
};

}  // namespace

void save(LlavaModules& modules, const LlavaSettings& settings, const LlavaOrigin& origin,
          const fs::path& folder, const OutputOptions& options) {
  Writer(modules, settings, origin, options).write(folder);
}

Package package(const LlavaOrigin& origin) {
  if (origin.lora || origin.language_source + 1 != origin.sources.size())
    throw UsageError(
        "the model is a projector or an adapter on a base; isthmus merge makes one model of them");
  Package package;
  package.name = layout::model_name_from_path(origin.language);
  package.add_files(origin.language, "");
  package.weights.push_back({"model.safetensors", origin.sources[origin.language_source]});
  if (origin.tower.empty()) return package;
  const bool is_folder = fs::is_directory(origin.tower);
  package.add_files(is_folder ? origin.tower : origin.tower.parent_path(), "vision");
  nlohmann::json config = origin.config.raw();
  config["mm_vision_tower"] = "vision";
  package.files["config.json"] = config.dump(2) + "\n";
  if (origin.language_source > 0)
    package.weights.push_back({"vision/model.safetensors", origin.sources.front()});
  return package;
}

}  // namespace isthmus::families::llava
