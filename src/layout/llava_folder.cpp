#include "layout/llava_folder.h"

#include <array>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "isthmus/error.h"

namespace isthmus::layout {

namespace fs = std::filesystem;

namespace {

constexpr std::array kWeights = {"model.safetensors.index.json", "model.safetensors",
                                 "pytorch_model.bin.index.json", "pytorch_model.bin"};
constexpr std::array kAdapters = {"adapter_model.safetensors", "adapter_model.bin"};
constexpr std::array kProjectors = {"mm_projector.safetensors", "mm_projector.bin"};

template <size_t N>
fs::path first_present(const fs::path& folder, const std::array<const char*, N>& names) {
  std::error_code ignored;
  for (const char* name : names)
    if (fs::is_regular_file(folder / name, ignored)) return folder / name;
  return {};
}

void read_generation_config(const fs::path& file, LlavaConfig& config) {
  std::error_code ignored;
  if (!fs::is_regular_file(file, ignored)) return;
  const JsonView json = JsonView::load(file);
  const auto eos = json.find("eos_token_id");
  if (!eos) return;
  config.eos_token_ids.clear();
  if (!eos->is_array()) {
    config.eos_token_ids.push_back(eos->as_integer());
  } else {
    for (const JsonView& id : eos->elements()) config.eos_token_ids.push_back(id.as_integer());
  }
}

}  // namespace

LlavaFolder LlavaFolder::open(const fs::path& path) {
  std::error_code ignored;
  fs::path folder = path, trainer_projector;
  if (fs::is_regular_file(path, ignored)) {
    folder = fs::absolute(path, ignored).parent_path();
    if (folder.filename() == "mm_projector") {
      trainer_projector = path;
      folder = folder.parent_path();
    }
  }
  if (!fs::is_directory(folder, ignored))
    throw ModelError(fmt::format("{}: not a folder", folder.string()));
  if (!fs::is_regular_file(folder / "config.json", ignored))
    throw ModelError(fmt::format("{}: no config.json in this folder", folder.string()));

  LlavaFolder found{};
  found.path = folder;
  found.name = model_name_from_path(folder);
  found.config = LlavaConfig::parse(JsonView::load(folder / "config.json"));
  read_generation_config(folder / "generation_config.json", found.config);

  if (!trainer_projector.empty()) {
    found.contents = FolderContents::kProjectorOnly;
    found.projector_file = trainer_projector;
    return found;
  }
  // A merged model that was saved over its adapter is a full model, whatever else lies there.
  if (!first_present(folder, kWeights).empty()) {
    found.contents = FolderContents::kFullModel;
    return found;
  }
  found.adapter_file = first_present(folder, kAdapters);
  if (!found.adapter_file.empty()) {
    found.contents = FolderContents::kLora;
    if (!fs::is_regular_file(folder / "adapter_config.json", ignored))
      throw ModelError(fmt::format("{}: {} needs an adapter_config.json beside it", folder.string(),
                                   found.adapter_file.filename().string()));
    found.lora = LoraConfig::parse(JsonView::load(folder / "adapter_config.json"));
    constexpr std::array kRest = {"non_lora_trainables.bin"};
    found.non_lora_trainables_file = first_present(folder, kRest);
    return found;
  }
  found.projector_file = first_present(folder, kProjectors);
  if (!found.projector_file.empty()) {
    found.contents = FolderContents::kProjectorOnly;
    return found;
  }
  throw ModelError(fmt::format("{}: no weights; looked for {}, {}, {}", folder.string(),
                               fmt::join(kWeights, ", "), fmt::join(kAdapters, ", "),
                               fmt::join(kProjectors, ", ")));
}

ClipVisionConfig load_tower_config(const fs::path& tower) {
  std::error_code ignored;
  const fs::path folder = fs::is_regular_file(tower, ignored) ? tower.parent_path() : tower;
  const fs::path file = folder / "config.json";
  if (!fs::is_regular_file(file, ignored))
    throw ModelError(
        fmt::format("{}: no config.json; the vision tower's shape is unknown", folder.string()));
  return ClipVisionConfig::parse(JsonView::load(file));
}

std::string model_name_from_path(const fs::path& path) {
  std::vector<std::string> parts;
  for (const fs::path& part : fs::absolute(path).lexically_normal())
    if (!part.empty() && part != "/") parts.push_back(part.string());
  if (parts.empty()) return "";
  const size_t n = parts.size();
  constexpr std::string_view kHubPrefix = "models--";
  if (n >= 3 && parts[n - 2] == "snapshots" && parts[n - 3].starts_with(kHubPrefix)) {
    const std::string& repository = parts[n - 3];
    return repository.substr(repository.rfind("--") + 2);
  }
  if (n >= 2 && parts[n - 1].starts_with("checkpoint-")) return parts[n - 2] + "_" + parts[n - 1];
  return parts[n - 1];
}

}  // namespace isthmus::layout
