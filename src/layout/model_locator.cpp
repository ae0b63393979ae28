#include "layout/model_locator.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdlib>
#include <fstream>
#include <optional>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "formats/bundle.h"
#include "isthmus/error.h"
#include "layout/gguf_model.h"
#include "layout/paths.h"

namespace isthmus::layout {

namespace fs = std::filesystem;

namespace {

std::optional<std::string> environment(const char* name) {
  const char* value = std::getenv(name);
  if (value == nullptr || *value == '\0') return std::nullopt;
  return value;
}

// Meta's files, and OneLLM's: consolidated.00.pth, consolidated.00-of-01.pth, …
bool holds_consolidated(const fs::path& folder) {
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error))
    if (it->path().extension() == ".pth" &&
        it->path().filename().string().starts_with("consolidated."))
      return true;
  return false;
}

// A repository of OpenFlamingo holds nothing but a checkpoint.pt.
bool is_model(const fs::path& path) {
  return is_file(path) || is_file(path / "config.json") ||
         is_file(path / "isthmus.json") || is_file(path / "checkpoint.pt") ||
         holds_consolidated(path) || is_gguf(path);
}

bool holds_clip(const fs::path& path) {
  return is_file(path) || is_file(path / "config.json") ||
         is_file(path / "open_clip_config.json") ||
         is_file(path / "open_clip_pytorch_model.bin") ||
         is_file(path / "open_clip_model.safetensors");
}

// Names of open_clip whose weights OpenAI published: as an archive, and in a repository of Hugging
// Face in other names.
struct PublishedClip {
  std::string_view name, archive, repository;
};
constexpr std::array kPublishedClips = {
    PublishedClip{"ViT-B-32", "ViT-B-32.pt", "openai/clip-vit-base-patch32"},
    PublishedClip{"ViT-B-16", "ViT-B-16.pt", "openai/clip-vit-base-patch16"},
    PublishedClip{"ViT-L-14", "ViT-L-14.pt", "openai/clip-vit-large-patch14"},
    PublishedClip{"ViT-L-14-336", "ViT-L-14-336px.pt", "openai/clip-vit-large-patch14-336"},
};

// `folder`, the one around it, and the one around that.
std::vector<fs::path> around(const fs::path& folder) {
  std::error_code ignored;
  const fs::path inside = (fs::absolute(folder, ignored).lexically_normal() / "").parent_path();
  return {inside, inside.parent_path(), inside.parent_path().parent_path()};
}

// The part of a name that may be appended to a search root: what follows the last "..", without "."
// and without a leading "/". Empty when nothing is left.
fs::path below_root(const std::string& name) {
  fs::path safe;
  for (const fs::path& part : fs::path(name).relative_path()) {
    if (part == "..") {
      safe.clear();
    } else if (!part.empty() && part != ".") {
      safe /= part;
    }
  }
  return safe;
}

// One path component that cannot lead anywhere else: a commit hash or a tag of the cache.
bool is_plain_component(std::string_view text) {
  return !text.empty() && text.size() < 128 && text.front() != '.' &&
         std::ranges::all_of(text, [](unsigned char ch) {
           return std::isalnum(ch) != 0 || ch == '-' || ch == '_' || ch == '.';
         });
}

std::string read_reference(const fs::path& file) {
  std::ifstream stream(file);
  std::string text;
  std::getline(stream, text);
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back())) != 0)
    text.pop_back();
  return text;
}

// Looks at places in turn and remembers them for the message.
class Search {
 public:
  explicit Search(bool (*accepts)(const fs::path&) = is_model) : accepts_(accepts) {}

  std::optional<fs::path> at(const fs::path& path) {
    if (std::ranges::find(looked_at_, path.string()) != looked_at_.end()) return std::nullopt;
    looked_at_.push_back(path.string());
    if (accepts_(path)) return path;
    return std::nullopt;
  }

  // models--org--name/refs/main holds the commit whose folder below snapshots/ is the repository.
  std::optional<fs::path> in_hub(const fs::path& cache, const fs::path& repository) {
    if (cache.empty()) return std::nullopt;
    std::string folder = "models";
    for (const fs::path& part : repository) folder += "--" + part.string();
    const fs::path snapshots = cache / folder / "snapshots";
    const std::string commit = read_reference(cache / folder / "refs" / "main");
    if (is_plain_component(commit)) return at(snapshots / commit);
    // Files copied by hand may lack the reference; a single snapshot is still unambiguous.
    std::error_code error;
    std::vector<fs::path> found;
    for (fs::directory_iterator it(snapshots, error), end; !error && it != end; it.increment(error))
      found.push_back(it->path());
    if (found.size() == 1) return at(found.front());
    looked_at_.push_back(found.empty() ? (cache / folder).string()
                                       : fmt::format("{} ({} snapshots, no refs/main says which)",
                                                     snapshots.string(), found.size()));
    return std::nullopt;
  }

  [[noreturn]] void fail(const std::string& what, const std::string& advice) const {
    throw ModelError(
        fmt::format("{}; looked at:\n  {}\n{}", what, fmt::join(looked_at_, "\n  "), advice));
  }

 private:
  bool (*accepts_)(const fs::path&);
  std::vector<std::string> looked_at_;
};

bool is_path(const std::string& name) {
  return !name.empty() && name.find('\0') == std::string::npos;
}

// Below the roots, then in the Hugging Face cache.
std::optional<fs::path> search_by_name(const ModelLocator& locator, const std::string& model,
                                       Search& search) {
  const fs::path name = below_root(model);
  if (fs::path(model).is_absolute() || name.empty()) return std::nullopt;
  for (const fs::path& root : locator.roots) {
    if (const auto found = search.at(root / name)) return found;
    if (const auto found = search.at(root / name.filename())) return found;
  }
  return search.in_hub(locator.hub_cache, name);
}

}  // namespace

ModelLocator ModelLocator::from_environment() {
  ModelLocator locator;
  if (const auto roots = environment("ISTHMUS_MODELS")) {
    size_t first = 0;
    while (first <= roots->size()) {
      const size_t last = std::min(roots->find(':', first), roots->size());
      if (last > first) locator.roots.emplace_back(roots->substr(first, last - first));
      first = last + 1;
    }
  }
  if (auto cache = environment("HF_HUB_CACHE")) {
    locator.hub_cache = *cache;
  } else if (cache = environment("HUGGINGFACE_HUB_CACHE"); cache) {
    locator.hub_cache = *cache;
  } else if (auto home = environment("HF_HOME")) {
    locator.hub_cache = fs::path(*home) / "hub";
  } else if (home = environment("XDG_CACHE_HOME"); home) {
    locator.hub_cache = fs::path(*home) / "huggingface" / "hub";
  } else if (home = environment("HOME"); home) {
    locator.hub_cache = fs::path(*home) / ".cache" / "huggingface" / "hub";
  }
  if (const auto home = environment("HOME"))
    locator.clip_cache = fs::path(*home) / ".cache" / "clip";
  return locator;
}

fs::path ModelLocator::shared_files() {
  std::vector<fs::path> places;
  if (const auto given = environment("ISTHMUS_SHARE")) places.emplace_back(*given);
  std::error_code ignored;
  // bin/isthmus, or libexec/isthmus/isthmus-compute
  const fs::path program = fs::read_symlink("/proc/self/exe", ignored).parent_path();
  places.push_back(program / "../share/isthmus");
  places.push_back(program / "../../share/isthmus");
  places.emplace_back(ISTHMUS_SOURCE_DIR);
  for (const fs::path& place : places)
    if (is_file(place / "demo/models/vision/config.json"))
      return fs::weakly_canonical(place, ignored);
  std::vector<std::string> names;
  for (const fs::path& place : places) names.push_back(place.lexically_normal().string());
  throw ModelError(fmt::format(
      "the models that come with Isthmus were not found in {}; ISTHMUS_SHARE can name their place",
      fmt::join(names, ", ")));
}

fs::path ModelLocator::find_model(const std::string& model) const {
  if (!is_path(model)) throw ModelError("the name of the model is empty or not a path");
  std::error_code ignored;
  // A folder without config.json is still what the user means; opening it says what is missing.
  if (fs::exists(model, ignored))
    return formats::is_bundle(model) ? formats::mount_bundle(model) : fs::path(model);

  Search search;
  (void)search.at(model);
  if (const auto found = search_by_name(*this, model, search)) return *found;
  constexpr std::string_view kOwn = "demo-";
  if (model.starts_with(kOwn))
    // LLaVA's original code tells the template from the folder's name.
    if (const auto found =
            search.at(shared_files() / "demo/models" /
                      (model == "demo-llava" ? "llava-v1.5" : model.substr(kOwn.size()))))
      return *found;
  search.fail(
      fmt::format("{}: model not found", model),
      "Give a folder, set ISTHMUS_MODELS to the folder that holds your models, or download the "
      "repository into the Hugging Face cache first");
}

fs::path ModelLocator::find_vision_tower(const std::string& name, const fs::path& model_folder,
                                         const fs::path& chosen) const {
  std::error_code ignored;
  if (!chosen.empty()) {
    if (fs::exists(chosen, ignored)) return chosen;
    throw ModelError(fmt::format("{}: no such vision tower (--vision)", chosen.string()));
  }
  if (!is_path(name))
    throw ModelError(
        fmt::format("{}/config.json: mm_vision_tower is empty or not a path; give --vision",
                    model_folder.string()));
  Search search;
  if (fs::path(name).is_absolute())
    if (const auto found = search.at(name)) return *found;

  const fs::path safe = below_root(name);
  if (!safe.empty()) {
    std::vector<fs::path> places = around(model_folder);
    places.insert(places.end(), roots.begin(), roots.end());
    for (const fs::path& place : places) {
      if (const auto found = search.at(place / safe)) return *found;
      if (const auto found = search.at(place / safe.filename())) return *found;
    }
    if (const auto found = search.in_hub(hub_cache, safe)) return *found;
  }
  search.fail(
      fmt::format("{}/config.json: mm_vision_tower: \"{}\" not found", model_folder.string(), name),
      "Give the folder with --vision, or put it into a folder named by ISTHMUS_MODELS");
}

fs::path ModelLocator::find_piece(const std::string& name, const fs::path& folder,
                                  const std::string& named_by, const std::string& advice) const {
  if (!is_path(name)) throw ModelError(fmt::format("{}: empty or not a path", named_by));
  std::error_code ignored;
  // An absolute name replaces the folder.
  if (fs::exists(folder / name, ignored)) return (folder / name).lexically_normal();
  Search search;
  (void)search.at(folder / name);
  if (const auto found = search_by_name(*this, name, search)) return *found;
  search.fail(fmt::format("{}: \"{}\" not found", named_by, name), advice);
}

fs::path ModelLocator::find_clip(const std::string& name, const fs::path& folder,
                                 const std::string& named_by, const std::string& advice) const {
  if (!is_path(name)) throw ModelError(fmt::format("{}: empty or not a path", named_by));
  std::error_code ignored;
  if (fs::exists(folder / name, ignored)) return (folder / name).lexically_normal();

  Search search(holds_clip);
  (void)search.at(folder / name);
  const fs::path safe = below_root(name);
  const auto* published = std::ranges::find(kPublishedClips, name, &PublishedClip::name);
  const bool is_published = published != kPublishedClips.end();
  if (!fs::path(name).is_absolute() && !safe.empty()) {
    const fs::path archive = is_published ? fs::path(published->archive) : fs::path(name + ".pt");
    std::vector<fs::path> places = around(folder);
    places.insert(places.end(), roots.begin(), roots.end());
    for (const fs::path& place : places) {
      if (const auto found = search.at(place / archive.filename())) return *found;
      if (const auto found = search.at(place / safe)) return *found;
    }
    if (!clip_cache.empty())
      if (const auto found = search.at(clip_cache / archive.filename())) return *found;
    const fs::path repository = is_published ? fs::path(published->repository) : safe;
    if (const auto found = search.in_hub(hub_cache, repository)) return *found;
  }
  search.fail(fmt::format("{}: \"{}\" not found", named_by, name), advice);
}

}  // namespace isthmus::layout
