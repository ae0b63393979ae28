#include "layout/model_locator.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <fstream>
#include <optional>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "isthmus/error.h"

namespace isthmus::layout {

namespace fs = std::filesystem;

namespace {

std::optional<std::string> environment(const char* name) {
  const char* value = std::getenv(name);
  if (value == nullptr || *value == '\0') return std::nullopt;
  return value;
}

bool is_model(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored) || fs::is_regular_file(path / "config.json", ignored) ||
         fs::is_regular_file(path / "isthmus.json", ignored);
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
  std::optional<fs::path> at(const fs::path& path) {
    if (std::ranges::find(looked_at_, path.string()) != looked_at_.end()) return std::nullopt;
    looked_at_.push_back(path.string());
    if (is_model(path)) return path;
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
  std::vector<std::string> looked_at_;
};

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
  return locator;
}

fs::path ModelLocator::find_model(const std::string& model) const {
  if (model.empty() || model.find('\0') != std::string::npos)
    throw ModelError("the name of the model is empty or not a path");
  std::error_code ignored;
  // A folder without config.json is still what the user means; opening it says what is missing.
  if (fs::exists(model, ignored)) return model;

  Search search;
  (void)search.at(model);
  const fs::path name = below_root(model);
  if (!fs::path(model).is_absolute() && !name.empty()) {
    for (const fs::path& root : roots) {
      if (const auto found = search.at(root / name)) return *found;
      if (const auto found = search.at(root / name.filename())) return *found;
    }
    if (const auto found = search.in_hub(hub_cache, name)) return *found;
  }
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
  if (name.empty() || name.find('\0') != std::string::npos)
    throw ModelError(
        fmt::format("{}/config.json: mm_vision_tower is empty or not a path; give --vision",
                    model_folder.string()));
  Search search;
  if (fs::path(name).is_absolute())
    if (const auto found = search.at(name)) return *found;

  const fs::path safe = below_root(name);
  if (!safe.empty()) {
    const fs::path folder = fs::absolute(model_folder, ignored).lexically_normal() / "";
    const fs::path inside = folder.parent_path();
    std::vector<fs::path> places = {inside, inside.parent_path(),
                                    inside.parent_path().parent_path()};
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

}  // namespace isthmus::layout
