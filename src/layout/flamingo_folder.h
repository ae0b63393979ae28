// A Flamingo on disk: a CLIP, the folder of a language model, and the checkpoint with the parts
// that were trained between them. Which files these are is decided here; they are read elsewhere.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "formats/checkpoint.h"
#include "layout/model_locator.h"

namespace isthmus::layout {

enum class VisionFiles {
  kOpenClip,    // one file of weights in open_clip's names: its own, or the archive OpenAI ships
  kHuggingFace  // a CLIP folder with config.json
};

struct FlamingoSources {
  std::string name;              // of the model, as the user would call it
  std::filesystem::path vision;  // kOpenClip: the weights file; kHuggingFace: the folder
  VisionFiles vision_files;
  std::filesystem::path vision_config;   // open_clip_config.json; "" when there is none
  std::filesystem::path language_model;  // a folder with config.json
  std::filesystem::path tokenizer;       // "": in the language model's folder
  // "": nothing is trained yet, resampler and gated cross-attention start as the reference
  // initialises them.
  std::filesystem::path checkpoint;

  // As isthmus.json states them. The number is absent when the file, or the key, is: then the
  // checkpoint tells, and a model without one has a block before every layer.
  std::optional<int64_t> cross_attn_every_n_layers;
  bool only_attend_immediate_media = true;
  // Quirk: open_clip 2.23 began to pass the patch tokens through ln_post; the published
  // checkpoints were trained with versions that did not.
  bool vision_ln_post = false;

  const std::filesystem::path& tokenizer_folder() const {
    return tokenizer.empty() ? language_model : tokenizer;
  }
};

// What the command line adds to MODEL; "" for what it leaves out.
struct FlamingoFlags {
  std::string base;    // --base: a language model, in place of any other
  std::string vision;  // --vision: a CLIP, in place of any other
};

// Whether `model` (as ModelLocator::find_model returns it) is a Flamingo: isthmus.json says so, or
// it is, or holds, a checkpoint with a resampler or gated cross-attention. Looks at names alone;
// throws only for an isthmus.json that cannot be read.
bool is_flamingo(const std::filesystem::path& model);

// The pieces of `model`:
//   - a folder with isthmus.json names them: vision, language_model, checkpoint, and tokenizer
//     where it is not the language model's; names are paths from that folder, or as for MODEL;
//   - a folder with checkpoint.pt, or checkpoint_N.pt (the last counts) as training leaves them,
//     holds the others in sub-folders;
//   - a checkpoint alone: --base and --vision name the others, or the name of the folder or
//     repository is one of the released models, whose pieces are known.
// Throws ModelError naming the piece that is missing, where it was looked for, and the flag that
// names it; UnsupportedError for a language model of a type Flamingo does not go with.
FlamingoSources find_flamingo(const std::filesystem::path& model, const FlamingoFlags& flags,
                              const ModelLocator& locator);

// Pieces by name, as find_clip and find_piece take them; `checkpoint` and `tokenizer` may be "".
struct FlamingoPieces {
  std::string vision, language_model, tokenizer, checkpoint;
  std::optional<int64_t> cross_attn_every_n_layers;
};
FlamingoSources assemble_flamingo(const FlamingoPieces& pieces, const ModelLocator& locator);

// model_type of the folder's config.json when it is a language model that can carry a Flamingo
// ("mpt", "mosaic_gpt", "gpt_neox", "opt", "llama"); nullopt for anything else, no config.json
// included.
std::optional<std::string> language_model_type(const std::filesystem::path& folder);

// Whether the tensors are those of a Flamingo's trained parts.
bool holds_flamingo(std::span<const std::string> names);

}  // namespace isthmus::layout
