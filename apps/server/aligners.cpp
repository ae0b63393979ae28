#include "aligners.h"

#include <algorithm>
#include <string_view>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "isthmus/error.h"
#include "protocol/body.h"
#include "protocol/failure.h"

namespace isthmus::server {
namespace {

namespace fs = std::filesystem;
using protocol::Failure;
using protocol::Json;

Json described(const std::string& model, const std::string& aligner) {
  return {
      {"id", model + ":" + aligner}, {"object", "aligner"}, {"name", aligner}, {"model", model}};
}

bool is_below(const fs::path& path, const fs::path& folder) {
  const auto [end, ignored] = std::ranges::mismatch(folder, path);
  return end == folder.end();
}

// Links may lead around inside the folder, not out of it.
void require_no_way_out(const fs::path& path, const fs::path& folder) {
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(path))
    if (entry.is_symlink() && !is_below(fs::canonical(entry.path()), folder))
      throw Failure{400,
                    fmt::format("{}: is a link out of the folder of aligners",
                                entry.path().lexically_relative(folder).string()),
                    "path"};
}

// The client knows the folder by what is in it.
std::string without(std::string text, const std::string& folder) {
  const std::string prefix = folder + "/";
  for (size_t at; (at = text.find(prefix)) != std::string::npos;) text.erase(at, prefix.size());
  return text;
}

std::string text_of(const JsonView& body, const char* key) {
  std::string text;
  protocol::reading_a_request([&] { text = body.string(key); });
  return text;
}

}  // namespace

Json Aligners::list() const {
  Json data = Json::array();
  for (const serving::Card& card : models_.cards())
    for (const std::string& aligner : card.aligners) data.push_back(described(card.name, aligner));
  return {{"object", "list"}, {"data", std::move(data)}};
}

Json Aligners::add(const std::string& body) const {
  require_allowed();
  const JsonView json = protocol::parse_body(body);
  std::string model;
  protocol::reading_a_request([&] { model = json.string("model", ""); });
  return add(model, text_of(json, "name"), text_of(json, "path"));
}

Json Aligners::add_lora(const std::string& body) const {
  require_allowed();
  const JsonView json = protocol::parse_body(body);
  std::string model;
  protocol::reading_a_request([&] { model = json.string("base_model_name", ""); });
  return add(model, text_of(json, "lora_name"), text_of(json, "lora_path"));
}

Json Aligners::remove_lora(const std::string& body) const {
  require_allowed();
  return remove(text_of(protocol::parse_body(body), "lora_name"));
}

Json Aligners::remove(const std::string& name) const {
  require_allowed();
  const Models::Chosen chosen = models_.chosen(name);
  if (chosen.aligner.empty())
    throw Failure{400,
                  fmt::format("\"{}\" is a model, not one of its aligners; only those are taken "
                              "away while the server runs",
                              name),
                  "aligner"};
  chosen.service->remove_aligner(chosen.aligner);
  Json json = described(chosen.service->card().name, chosen.aligner);
  json["deleted"] = true;
  return json;
}

Json Aligners::add(const std::string& model, const std::string& name,
                   const std::string& path) const {
  serving::Service& service = models_.named(model);
  const fs::path folder = inside(path);
  try {
    service.add_aligner(name, folder);
  } catch (const ResourceError&) {
    throw;
  } catch (const InternalError&) {
    throw;
  } catch (const Error& error) {
    throw Failure{400, without(error.what(), fs::canonical(folder_).string()), ""};
  }
  return described(service.card().name, name);
}

void Aligners::require_allowed() const {
  if (folder_.empty())
    throw Failure{403,
                  "aligners of this server are those it was started with; --aligners-from FOLDER "
                  "lets clients add and take away others",
                  ""};
}

fs::path Aligners::inside(const std::string& path) const {
  const fs::path relative(path);
  if (path.empty() || relative.is_absolute() || path.find('\0') != std::string::npos ||
      std::ranges::find(relative, fs::path("..")) != relative.end())
    throw Failure{400,
                  "path: expected the name of something in the folder of aligners, without \"..\" "
                  "and not from the root",
                  "path"};
  std::error_code failure;
  const fs::path folder = fs::canonical(folder_);
  const fs::path found = fs::canonical(folder / relative, failure);
  if (failure || !fs::exists(found, failure))
    throw Failure{404, fmt::format("there is no \"{}\" in the folder of aligners", path), "path"};
  if (!is_below(found, folder))
    throw Failure{400, fmt::format("{}: is a link out of the folder of aligners", path), "path"};
  // A file of weights has its config beside it.
  require_no_way_out(fs::is_directory(found) ? found : found.parent_path(), folder);
  return found;
}

}  // namespace isthmus::server
