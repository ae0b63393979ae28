#include "layout/gguf_model.h"

#include <algorithm>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "base/ordered_json.h"
#include "formats/bytes.h"
#include "isthmus/error.h"
#include "layout/gguf_config.h"
#include "layout/gguf_names.h"
#include "layout/llava_config.h"
#include "layout/paths.h"
#include "text/conversation.h"

namespace isthmus::layout {

namespace fs = std::filesystem;

namespace {

constexpr const char* kArchitecture = "general.architecture";
constexpr const char* kOwnTemplate = "isthmus.conversation_template";
constexpr const char* kChatTemplate = "tokenizer.chat_template";

std::vector<fs::path> gguf_files_in(const fs::path& folder) {
  std::vector<fs::path> files = files_in(folder);
  std::erase_if(files, [](const fs::path& file) { return file.extension() != ".gguf"; });
  return files;
}

bool is_projector(const formats::GgufFile& file) { return file.text(kArchitecture) == "clip"; }

formats::GgufFile open_file(const fs::path& path) {
  return formats::GgufFile::open(MappedFile::open(path));
}

GgufFiles find_in(const fs::path& folder, bool wants_projector) {
  std::vector<fs::path> models, projectors;
  for (const fs::path& file : gguf_files_in(folder))
    (is_projector(open_file(file)) ? projectors : models).push_back(file);
  const auto names = [](const std::vector<fs::path>& files) {
    std::vector<std::string> names;
    for (const fs::path& file : files) names.push_back(file.filename().string());
    return names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", "));
  };
  if (models.size() != 1)
    throw ModelError(fmt::format("{}: expected one model in GGUF files, found {}; name the file",
                                 folder.string(), names(models)));
  if (wants_projector && projectors.size() > 1)
    throw ModelError(fmt::format("{}: holds several mmproj files ({}); name one with --mmproj",
                                 folder.string(), names(projectors)));
  return {models.front(), projectors.empty() || !wants_projector ? fs::path() : projectors.front()};
}

std::string template_of(const formats::GgufFile& file) {
  if (file.has(kOwnTemplate)) {
    const std::string& name = file.text(kOwnTemplate);
    if (text::find_template(name) == nullptr)
      throw ModelError(fmt::format("{}: {}: there is no conversation template \"{}\"; known are {}",
                                   file.path(), kOwnTemplate, formats::printable(name),
                                   fmt::join(text::template_names(), ", ")));
    return name;
  }
  if (file.has(kChatTemplate))
    if (const auto known = text::recognise_chat_template(file.text(kChatTemplate)))
      return std::string(*known);
  return "vicuna_v1";
}

// An id of the vocabulary; nothing where the key is missing or says none, which is -1.
std::optional<int64_t> token_id(const formats::GgufFile& file, const char* key,
                                int64_t vocabulary) {
  constexpr int64_t kNone = 0xffffffff;
  if (!file.has(key)) return std::nullopt;
  const int64_t id = file.integer(key);
  if (id == kNone || id == -1) return std::nullopt;
  if (id < 0 || id >= vocabulary)
    throw ModelError(fmt::format("{}: {}: {}, expected 0 to {} (rows of token_embd.weight)",
                                 file.path(), key, id, vocabulary - 1));
  return id;
}

void add_ids(const formats::GgufFile& file, nlohmann::json& config) {
  const int64_t vocabulary = config.at("vocab_size");
  for (const auto& [ours, key] : {std::pair("bos_token_id", "tokenizer.ggml.bos_token_id"),
                                  std::pair("pad_token_id", "tokenizer.ggml.padding_token_id")})
    if (const auto id = token_id(file, key, vocabulary)) config[ours] = *id;
  nlohmann::json ends = nlohmann::json::array();
  for (const char* key : {"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id"})
    if (const auto id = token_id(file, key, vocabulary)) ends.push_back(*id);
  if (!ends.empty()) config["eos_token_id"] = ends;
}

}  // namespace

bool is_gguf(const fs::path& path) {
  if (is_file(path)) return path.extension() == ".gguf";
  return !is_file(path / "config.json") && !gguf_files_in(path).empty();
}

GgufFiles find_gguf(const fs::path& path, const fs::path& projector) {
  GgufFiles files = is_file(path) ? GgufFiles{path, {}} : find_in(path, projector.empty());
  if (!projector.empty()) files.projector = projector;
  return files;
}

formats::NameMap GgufModel::projector_names() const {
  return gguf_projector_names(config.string("mm_projector_type") == "linear",
                              has_swapped_feed_forward(*projector));
}

GgufModel GgufModel::open(GgufFiles files) {
  formats::GgufFile language = open_file(files.model);
  if (is_projector(language))
    throw UsageError(
        fmt::format("{}: a mmproj file; name the language model and give this with "
                    "--mmproj",
                    files.model.string()));
  if (language.tensors().empty())
    throw ModelError(fmt::format("{}: holds no tensors; a vocabulary alone gives no answers",
                                 files.model.string()));
  nlohmann::json config = gguf_language_config(language);
  add_ids(language, config);
  GgufModel model{.files = files,
                  .name = files.model.stem().string(),
                  .language = std::move(language),
                  .projector = std::nullopt,
                  .model_type = config.at("model_type"),
                  .config = JsonView::of(config, files.model.string()),
                  .tower = std::nullopt,
                  .preprocessor = std::nullopt,
                  .conversation_template = {}};
  model.conversation_template = template_of(model.language);
  if (files.projector.empty()) return model;

  model.projector = open_file(files.projector);
  const std::string source = files.projector.string();
  if (!is_projector(*model.projector))
    throw UsageError(fmt::format("{}: --mmproj: {} is \"{}\", expected \"clip\"", source,
                                 kArchitecture,
                                 formats::printable(model.projector->text(kArchitecture))));
  if (!model.is_llama())
    throw UnsupportedError(fmt::format("{}: --mmproj goes with LLaMA and Mistral alone, {} is {}",
                                       source, files.model.string(), model.model_type));
  const GgufVision vision = gguf_vision_config(*model.projector);
  config.update(vision.llava);
  config["model_type"] = model.model_type == "mistral" ? "llava_mistral" : "llava_llama";
  model.config = JsonView::of(config, fmt::format("{} with {}", files.model.string(), source));
  model.tower = ClipVisionConfig::parse(JsonView::of(vision.tower, source));
  model.preprocessor = JsonView::of(vision.preprocessor, source);
  LlavaConfig::parse(model.config).check_tower(*model.tower, source);
  return model;
}

}  // namespace isthmus::layout
