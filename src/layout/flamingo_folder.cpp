#include "layout/flamingo_folder.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/json_view.h"
#include "isthmus/error.h"
#include "layout/llava_folder.h"
#include "layout/paths.h"

namespace isthmus::layout {

namespace fs = std::filesystem;

namespace {

constexpr std::array kLanguageModels = {"mpt", "mosaic_gpt", "gpt_neox", "opt", "llama"};

const char* const kBaseAdvice =
    "Name the language model's folder or repository with --base, or set ISTHMUS_MODELS to the "
    "folder that holds it";
const char* const kVisionAdvice =
    "Name the CLIP file or folder with --vision, or set ISTHMUS_MODELS to the folder that holds it";

// The models of the OpenFlamingo project; a repository of theirs holds the checkpoint alone.
struct ReleasedModel {
  std::string_view name, language_model;
  int64_t cross_attn_every_n_layers;
};
constexpr const char* kReleasedVision = "ViT-L-14";  // of all of them
constexpr std::array kReleasedModels = {
    ReleasedModel{"OpenFlamingo-3B-vitl-mpt1b", "anas-awadalla/mpt-1b-redpajama-200b", 1},
    ReleasedModel{"OpenFlamingo-3B-vitl-mpt1b-langinstruct",
                  "anas-awadalla/mpt-1b-redpajama-200b-dolly", 1},
    ReleasedModel{"OpenFlamingo-4B-vitl-rpj3b", "togethercomputer/RedPajama-INCITE-Base-3B-v1", 2},
    ReleasedModel{"OpenFlamingo-4B-vitl-rpj3b-langinstruct",
                  "togethercomputer/RedPajama-INCITE-Instruct-3B-v1", 2},
    ReleasedModel{"OpenFlamingo-9B-vitl-mpt7b", "anas-awadalla/mpt-7b", 4},
};

const ReleasedModel* released_model(std::string_view name) {
  const auto* found = std::ranges::find(kReleasedModels, name, &ReleasedModel::name);
  return found == kReleasedModels.end() ? nullptr : found;
}

bool is_folder(const fs::path& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored);
}

// "." for a file named without one.
// What a folder holds, by name, so that the answer does not depend on the file system.
std::vector<fs::path> entries_of(const fs::path& folder) {
  std::vector<fs::path> entries;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error))
    entries.push_back(it->path());
  std::ranges::sort(entries);
  return entries;
}

bool is_checkpoint_name(const fs::path& file) {
  return file.filename().string().starts_with("checkpoint") && file.extension() == ".pt";
}

// checkpoint_12.pt -> 12; -1 for other names.
int64_t epoch_of(const fs::path& file) {
  constexpr std::string_view kPrefix = "checkpoint_";
  const std::string stem = file.stem().string();
  int64_t epoch = -1;
  if (stem.starts_with(kPrefix))
    std::from_chars(stem.data() + kPrefix.size(), stem.data() + stem.size(), epoch);
  return epoch;
}

// checkpoint.pt, else the last epoch that training left, as the reference resumes; "" for none.
fs::path checkpoint_in(const fs::path& folder) {
  if (is_file(folder / "checkpoint.pt")) return folder / "checkpoint.pt";
  fs::path last;
  for (const fs::path& entry : entries_of(folder))
    if (is_checkpoint_name(entry) && is_file(entry))
      if (last.empty() || epoch_of(entry) > epoch_of(last)) last = entry;
  return last;
}

// False also for a file that is no checkpoint: whoever opens it says what is wrong.
template <typename Holds>
bool tensors_of_file(const fs::path& file, Holds holds) {
  try {
    return holds(formats::Checkpoint::open(file).names());
  } catch (const Error&) {
    return false;
  }
}

bool is_flamingo_file(const fs::path& file) { return tensors_of_file(file, holds_flamingo); }

bool holds_open_clip(std::span<const std::string> names) {
  return std::ranges::find(names, "visual.conv1.weight") != names.end();
}

bool is_hugging_face_clip(const fs::path& folder) {
  if (!is_file(folder / "config.json")) return false;
  const JsonView json = JsonView::load(folder / "config.json");
  return json.contains("vision_config") || json.string("model_type", "") == "clip_vision_model";
}

// The weights of an open_clip folder: the names of its own repositories, else the only archive.
fs::path open_clip_weights_in(const fs::path& folder) {
  for (const char* name : {"open_clip_model.safetensors", "open_clip_pytorch_model.safetensors",
                           "open_clip_pytorch_model.bin"})
    if (is_file(folder / name)) return folder / name;
  std::vector<fs::path> archives;
  for (const fs::path& entry : entries_of(folder))
    if (entry.extension() == ".pt" && is_file(entry) && tensors_of_file(entry, holds_open_clip))
      archives.push_back(entry);
  if (archives.size() > 1)
    throw ModelError(fmt::format(
        "{}: several CLIP files ({}, {}, …); name one of them with "
        "--vision",
        folder.string(), archives[0].filename().string(), archives[1].filename().string()));
  return archives.empty() ? fs::path() : archives.front();
}

bool is_clip(const fs::path& folder) {
  return is_hugging_face_clip(folder) || !open_clip_weights_in(folder).empty();
}

void use_vision(const fs::path& found, FlamingoSources& sources) {
  sources.vision = found;
  sources.vision_files = VisionFiles::kOpenClip;
  if (is_folder(found)) {
    // Repositories of open_clip may carry both; the names decide which code reads them, and both
    // hold the same weights.
    sources.vision = open_clip_weights_in(found);
    if (sources.vision.empty()) {
      if (!is_hugging_face_clip(found))
        throw ModelError(fmt::format(
            "{}: no CLIP in this folder; looked for open_clip_model.safetensors, "
            "open_clip_pytorch_model.bin, an archive like ViT-L-14.pt, and a config.json with "
            "vision_config. {}",
            found.string(), kVisionAdvice));
      sources.vision = found;
      sources.vision_files = VisionFiles::kHuggingFace;
      return;
    }
  }
  const fs::path config = folder_of(sources.vision) / "open_clip_config.json";
  if (is_file(config)) sources.vision_config = config;
}

void use_language_model(const fs::path& found, FlamingoSources& sources) {
  sources.language_model = is_file(found) ? folder_of(found) : found;
  const fs::path config = sources.language_model / "config.json";
  if (!is_file(config))
    throw ModelError(fmt::format("{}: no config.json; the language model's shape is unknown. {}",
                                 sources.language_model.string(), kBaseAdvice));
  if (!language_model_type(sources.language_model))
    throw UnsupportedError(fmt::format(
        "{}: model_type: \"{}\" is not a language model Flamingo goes with ({})", config.string(),
        JsonView::load(config).string("model_type", ""), fmt::join(kLanguageModels, ", ")));
}

// The one sub-folder that fits; "" for none.
fs::path only_folder(const fs::path& folder, bool (*fits)(const fs::path&), const char* what,
                     const char* advice) {
  std::vector<fs::path> found;
  for (const fs::path& entry : entries_of(folder))
    if (is_folder(entry) && fits(entry)) found.push_back(entry);
  if (found.size() > 1)
    throw ModelError(fmt::format("{}: several sub-folders hold a {}: {}, {}. {}", folder.string(),
                                 what, found[0].filename().string(), found[1].filename().string(),
                                 advice));
  return found.empty() ? fs::path() : found.front();
}

bool is_language_model(const fs::path& folder) { return language_model_type(folder).has_value(); }

constexpr std::array kKeys = {"family",
                              "vision",
                              "language_model",
                              "tokenizer",
                              "checkpoint",
                              "cross_attn_every_n_layers",
                              "only_attend_immediate_media",
                              "vision_ln_post"};

// Pieces that isthmus.json names; the flags stand above them.
void read_isthmus_json(const fs::path& folder, const FlamingoFlags& flags,
                       const ModelLocator& locator, FlamingoSources& sources) {
  const JsonView json = JsonView::load(folder / "isthmus.json");
  const auto named_by = [&](const char* key) { return fmt::format("{}: {}", json.where(), key); };
  // A key that nobody reads is a setting that would be missed.
  for (const auto& [key, value] : json.members())
    if (std::ranges::find(kKeys, key) == kKeys.end())
      throw ModelError(fmt::format("{}: \"{}\" is not known for a flamingo; known are {}",
                                   json.where(), key, fmt::join(kKeys, ", ")));
  if (flags.vision.empty())
    use_vision(locator.find_clip(json.string("vision"), folder, named_by("vision"), kVisionAdvice),
               sources);
  if (flags.base.empty())
    use_language_model(locator.find_piece(json.string("language_model"), folder,
                                          named_by("language_model"), kBaseAdvice),
                       sources);
  if (json.contains("tokenizer"))
    sources.tokenizer =
        locator.find_piece(json.string("tokenizer"), folder, named_by("tokenizer"),
                           "Take the key out where the tokenizer lies in the language model's "
                           "folder");
  if (json.contains("checkpoint")) {
    const fs::path found =
        locator.find_piece(json.string("checkpoint"), folder, named_by("checkpoint"),
                           "Correct the path, or take the key out for a model "
                           "that is not trained yet");
    sources.checkpoint = is_folder(found) ? checkpoint_in(found) : found;
    if (sources.checkpoint.empty())
      json.require(false, "checkpoint", fmt::format("{} holds no checkpoint.pt", found.string()));
  }
  if (json.contains("cross_attn_every_n_layers"))
    sources.cross_attn_every_n_layers = json.positive("cross_attn_every_n_layers");
  sources.only_attend_immediate_media =
      json.boolean("only_attend_immediate_media", sources.only_attend_immediate_media);
  sources.vision_ln_post = json.boolean("vision_ln_post", sources.vision_ln_post);
}

// Pieces that lie beside the checkpoint, or that the name of a released model tells.
void look_around(const fs::path& folder, const FlamingoFlags& flags, const ModelLocator& locator,
                 FlamingoSources& sources) {
  const ReleasedModel* released = released_model(sources.name);
  if (flags.base.empty()) {
    const fs::path found = only_folder(folder, is_language_model, "language model", kBaseAdvice);
    if (!found.empty()) {
      use_language_model(found, sources);
    } else if (released != nullptr) {
      use_language_model(
          locator.find_piece(std::string(released->language_model), folder,
                             fmt::format("{}: its language model", sources.name), kBaseAdvice),
          sources);
    } else {
      throw ModelError(fmt::format(
          "{}: no language model: no sub-folder of {} has a config.json of type {}, and \"{}\" is "
          "not the name of a released model. {}",
          sources.checkpoint.string(), folder.string(), fmt::join(kLanguageModels, ", "),
          sources.name, kBaseAdvice));
    }
  }
  if (flags.vision.empty()) {
    fs::path found = only_folder(folder, is_clip, "CLIP", kVisionAdvice);
    if (found.empty()) found = open_clip_weights_in(folder);
    if (found.empty() && released != nullptr)
      found = locator.find_clip(kReleasedVision, folder,
                                fmt::format("{}: its vision tower", sources.name), kVisionAdvice);
    if (found.empty())
      throw ModelError(fmt::format(
          "{}: no vision tower: {} and its sub-folders hold no CLIP (open_clip_model.safetensors, "
          "open_clip_pytorch_model.bin, an archive like ViT-L-14.pt, or a config.json with "
          "vision_config), and \"{}\" is not the name of a released model. {}",
          sources.checkpoint.string(), folder.string(), sources.name, kVisionAdvice));
    use_vision(found, sources);
  }
}

}  // namespace

bool holds_flamingo(std::span<const std::string> names) {
  return std::ranges::any_of(names, [](const std::string& name) {
    return name.starts_with("perceiver.") ||
           name.find(".gated_cross_attn_layer") != std::string::npos;
  });
}

std::optional<std::string> language_model_type(const fs::path& folder) {
  const fs::path config = folder / "config.json";
  if (!is_file(config)) return std::nullopt;
  const std::string type = JsonView::load(config).string("model_type", "");
  if (std::ranges::find(kLanguageModels, type) == kLanguageModels.end()) return std::nullopt;
  return type;
}

bool is_flamingo(const fs::path& model) {
  if (is_file(model)) return model.extension() == ".pt" && is_flamingo_file(model);
  if (is_file(model / "isthmus.json"))
    return JsonView::load(model / "isthmus.json").string("family", "") == "flamingo";
  // A folder with config.json is a model of its own, whatever training left beside it.
  if (is_file(model / "config.json")) return false;
  const fs::path checkpoint = checkpoint_in(model);
  return !checkpoint.empty() && is_flamingo_file(checkpoint);
}

FlamingoSources find_flamingo(const fs::path& model, const FlamingoFlags& flags,
                              const ModelLocator& locator) {
  FlamingoSources sources{};
  const fs::path folder = is_file(model) ? folder_of(model) : model;
  sources.name = model_name_from_path(folder);
  const bool is_described = !is_file(model) && is_file(folder / "isthmus.json");
  // A flag is taken before anything is looked for: it stands for a piece that is not there.
  if (!flags.base.empty())
    use_language_model(
        locator.find_piece(flags.base, "", "--base",
                           "Give a folder, or a repository that is in the Hugging Face cache"),
        sources);
  if (!flags.vision.empty())
    use_vision(locator.find_clip(flags.vision, "", "--vision", "Give a CLIP file or folder"),
               sources);
  if (is_described) {
    read_isthmus_json(folder, flags, locator, sources);
    return sources;
  }
  sources.checkpoint = is_file(model) ? model : checkpoint_in(model);
  if (sources.checkpoint.empty())
    throw ModelError(fmt::format("{}: neither isthmus.json nor a checkpoint.pt in this folder",
                                 folder.string()));
  look_around(folder, flags, locator, sources);
  if (const ReleasedModel* released = released_model(sources.name); released != nullptr)
    sources.cross_attn_every_n_layers = released->cross_attn_every_n_layers;
  return sources;
}

FlamingoSources assemble_flamingo(const FlamingoPieces& pieces, const ModelLocator& locator) {
  FlamingoSources sources{};
  use_vision(locator.find_clip(pieces.vision, "", "the vision encoder",
                               "Give a CLIP file or folder, or a published name"),
             sources);
  use_language_model(
      locator.find_piece(pieces.language_model, "", "the language model",
                         "Give a folder, or a repository that is in the Hugging Face cache"),
      sources);
  if (!pieces.tokenizer.empty())
    sources.tokenizer =
        locator.find_piece(pieces.tokenizer, "", "the tokenizer",
                           "Give a folder, or a repository that is in the Hugging Face cache");
  if (!pieces.checkpoint.empty()) {
    const fs::path found =
        locator.find_piece(pieces.checkpoint, "", "the checkpoint", "Give checkpoint.pt itself");
    sources.checkpoint = is_folder(found) ? checkpoint_in(found) : found;
    if (sources.checkpoint.empty())
      throw ModelError(fmt::format("{}: no checkpoint.pt in this folder", found.string()));
  }
  sources.cross_attn_every_n_layers = pieces.cross_attn_every_n_layers;
  sources.name = model_name_from_path(sources.checkpoint.empty() ? sources.language_model
                                                                 : folder_of(sources.checkpoint));
  return sources;
}

}  // namespace isthmus::layout
