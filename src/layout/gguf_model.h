// A model in llama.cpp's files: MODEL.gguf and, for one that sees, the mmproj file beside it. What
// their metadata says is put into the words of config.json, from where everything else goes on as
// for any other model.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "base/json_view.h"
#include "formats/gguf.h"
#include "formats/name_map.h"
#include "layout/clip_vision_config.h"

namespace isthmus::layout {

// "" where there is no such file.
struct GgufFiles {
  std::filesystem::path model, projector;
};

// Whether `path` is a GGUF file, or a folder that holds some and no config.json.
bool is_gguf(const std::filesystem::path& path);

// `path` as is_gguf takes it. A folder must hold exactly one model, and at most one mmproj file;
// `projector`, unless empty, names the latter wherever it lies. Throws ModelError listing what a
// folder holds otherwise; UsageError for a mmproj file where a model is expected, or the other way.
GgufFiles find_gguf(const std::filesystem::path& path, const std::filesystem::path& projector);

struct GgufModel {
  GgufFiles files;
  std::string name;  // of the file, without its ending
  formats::GgufFile language;
  std::optional<formats::GgufFile> projector;
  // The language model's as config.json spells it: "llama", "mistral", "mpt", "gpt_neox".
  std::string model_type;
  // LLaVA's original layout where there is a projector. Vocabulary: rows of the embedding.
  JsonView config;
  std::optional<ClipVisionConfig> tower;
  // What a preprocessor_config.json beside the tower would say.
  std::optional<JsonView> preprocessor;
  // The template that the metadata ask for, as isthmus.conversation_template or as a chat template
  // that is recognised; otherwise vicuna_v1, which llama.cpp's users expect of a LLaVA.
  std::string conversation_template;

  bool is_llama() const { return model_type == "llama" || model_type == "mistral"; }
  // Of the mmproj file, which must be there.
  formats::NameMap projector_names() const;

  // Throws ModelError naming file and key for what is missing, of another type, out of bounds, or
  // contradicts another key; UnsupportedError for an architecture without a decoder here and for
  // keys that would change the answer and are not followed.
  static GgufModel open(GgufFiles files);
};

}  // namespace isthmus::layout
