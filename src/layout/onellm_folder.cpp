#include "layout/onellm_folder.h"

#include <algorithm>
#include <map>
#include <optional>
#include <regex>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "isthmus/error.h"
#include "layout/onellm_names.h"
#include "layout/onellm_tensors.h"
#include "layout/paths.h"

namespace isthmus::layout {
namespace {

namespace fs = std::filesystem;

// consolidated.01-of-02.s3.pth
struct PartName {
  int64_t rank = 0;
  std::optional<int64_t> ranks, part;
};

std::optional<PartName> parse_name(const fs::path& file) {
  static const std::regex kPattern(
      R"(consolidated\.(\d{1,4})(-of-(\d{1,4}))?(\.s(\d{1,4}))?\.pth)");
  std::smatch match;
  const std::string name = file.filename().string();
  if (!std::regex_match(name, match, kPattern)) return std::nullopt;
  PartName parsed;
  parsed.rank = std::stoll(match[1]);
  if (match[3].matched) parsed.ranks = std::stoll(match[3]);
  if (match[5].matched) parsed.part = std::stoll(match[5]);
  return parsed;
}

// What tells one family of a folder from another.
struct FamilyKey {
  std::optional<int64_t> ranks;
  bool in_parts;
  auto operator<=>(const FamilyKey&) const = default;
};
using Members = std::map<std::pair<int64_t, int64_t>, fs::path>;  // by rank and part

std::map<FamilyKey, Members> families_in(const fs::path& folder) {
  std::map<FamilyKey, Members> families;
  for (const fs::path& file : files_in(folder))
    if (const auto name = parse_name(file))
      families[{name->ranks, name->part.has_value()}][{name->rank, name->part.value_or(0)}] = file;
  return families;
}

RankFiles in_ranks(const FamilyKey& key, const Members& members, const fs::path& folder) {
  const int64_t ranks = key.ranks.value_or(members.rbegin()->first.first + 1);
  const auto name_of = [&](int64_t rank, int64_t part) {
    return fmt::format("consolidated.{:02}{}{}.pth", rank,
                       key.ranks ? fmt::format("-of-{:02}", *key.ranks) : "",
                       key.in_parts ? fmt::format(".s{}", part) : "");
  };
  RankFiles files(static_cast<size_t>(ranks));
  std::vector<int64_t> next_part(files.size(), 0);
  std::vector<std::string> missing;
  for (const auto& [place, file] : members) {
    const auto& [rank, part] = place;
    if (rank >= ranks)
      throw ModelError(fmt::format("{}: there is no rank {} of {}", file.string(), rank, ranks));
    int64_t& next = next_part[static_cast<size_t>(rank)];
    for (; next < part; ++next) missing.push_back(name_of(rank, next));
    ++next;
    files[static_cast<size_t>(rank)].push_back(file);
  }
  for (int64_t rank = 0; rank < ranks; ++rank)
    if (files[static_cast<size_t>(rank)].empty()) missing.push_back(name_of(rank, 0));
  if (!missing.empty())
    throw ModelError(fmt::format("{}: missing beside {}: {}", folder.string(),
                                 members.begin()->second.filename().string(),
                                 fmt::join(missing, ", ")));
  return files;
}

RankFiles find_ranks(const fs::path& model) {
  std::error_code ignored;
  if (!fs::is_directory(model, ignored)) {
    const auto name = parse_name(model);
    if (!name) return {{model}};
    const FamilyKey key{name->ranks, name->part.has_value()};
    const auto families = families_in(folder_of(model));
    const auto found = families.find(key);
    return found == families.end() ? RankFiles{{model}}
                                   : in_ranks(key, found->second, folder_of(model));
  }
  const auto families = families_in(model);
  if (families.empty())
    throw ModelError(fmt::format("{}: no consolidated.*.pth in it", model.string()));
  std::vector<FamilyKey> stated;
  for (const auto& [key, members] : families)
    if (key.ranks) stated.push_back(key);
  if (stated.size() > 1)
    throw ModelError(
        fmt::format("{}: holds several checkpoints ({} and {}); name the file of the one you mean",
                    model.string(), families.at(stated[0]).begin()->second.filename().string(),
                    families.at(stated[1]).begin()->second.filename().string()));
  const FamilyKey key = stated.empty() ? families.begin()->first : stated.front();
  return in_ranks(key, families.at(key), model);
}

// Beside the weights, in config/llama2, and the same one level up.
std::vector<fs::path> places_around(const RankFiles& weights) {
  const fs::path folder = folder_of(weights.front().front());
  const fs::path parent = fs::absolute(folder).lexically_normal().parent_path();
  return {folder, folder / "config" / "llama2", parent, parent / "config" / "llama2"};
}

// JSON files that could be a LLaMA's params: params.json first. Tokenizers keep large tables in
// files of their own.
void add_params(const fs::path& place, std::vector<fs::path>& params) {
  constexpr uintmax_t kLargest = 1 << 16;
  std::error_code ignored;
  if (fs::exists(place / "params.json", ignored)) params.push_back(place / "params.json");
  for (const fs::path& file : files_in(place)) {
    const std::string name = file.filename().string();
    if (file.extension() == ".json" && name != "params.json" && name != "onellm.json" &&
        !name.starts_with("tokenizer") && fs::file_size(file, ignored) < kLargest)
      params.push_back(file);
  }
}

void add_places(const RankFiles& weights, OneLlmSources& sources) {
  const std::vector<fs::path> places = places_around(weights);
  std::error_code ignored;
  if (sources.options.empty() && fs::exists(places.front() / "onellm.json", ignored))
    sources.options = places.front() / "onellm.json";
  for (const fs::path& place : places) {
    if (sources.tokenizer_folder.empty() && fs::exists(place / "tokenizer.model", ignored))
      sources.tokenizer_folder = place;
    // The folder above may hold anything; only its params.json is meant for its neighbours.
    if (place != places[2])
      add_params(place, sources.params);
    else if (fs::exists(place / "params.json", ignored))
      sources.params.push_back(place / "params.json");
  }
}

}  // namespace

bool is_onellm(const fs::path& model) {
  std::error_code ignored;
  if (fs::is_directory(model, ignored)) return !families_in(model).empty();
  if (parse_name(model)) return true;
  const std::string extension = model.extension().string();
  if (extension != ".pth" && extension != ".pt" && extension != ".bin" &&
      extension != ".safetensors")
    return false;
  try {
    return !onellm_prefix(formats::Checkpoint::open(model)).empty();
  } catch (const Error&) {
    return false;  // whoever opens it says what is wrong
  }
}

OneLlmSources find_onellm(const fs::path& model, const std::string& base,
                          const ModelLocator& locator) {
  OneLlmSources sources;
  std::error_code ignored;
  const fs::path named = fs::absolute(model).lexically_normal();
  sources.name = (named.has_filename() ? named : named.parent_path()).filename().string();
  sources.weights = find_ranks(model);
  if (!base.empty()) sources.base = find_ranks(locator.find_model(base));
  add_places(sources.weights, sources);
  if (!sources.base.empty()) add_places(sources.base, sources);
  if (sources.tokenizer_folder.empty()) {
    std::vector<std::string> looked_at;
    for (const fs::path& place : places_around(sources.weights))
      looked_at.push_back((place / "tokenizer.model").string());
    throw ModelError(fmt::format("{}: its tokenizer.model is not there; looked at:\n  {}",
                                 sources.first_file().string(), fmt::join(looked_at, "\n  ")));
  }
  return sources;
}

formats::Checkpoint open_ranks(const RankFiles& ranks, formats::JoinedBytes bytes) {
  std::vector<formats::Checkpoint> opened;
  for (const auto& files : ranks) opened.push_back(formats::Checkpoint::open_files(files));
  return formats::join_shards(opened, onellm_cut_axis, bytes);
}

}  // namespace isthmus::layout
