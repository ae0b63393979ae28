// All that the files of a Flamingo say besides the values of its weights, held against each other.
// The published checkpoint loads into any model whose names happen to fit, so pieces that were not
// made for each other are found here, before anything is loaded.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/json_view.h"
#include "formats/checkpoint.h"
#include "layout/decoder_names.h"
#include "layout/flamingo_config.h"
#include "layout/flamingo_folder.h"
#include "layout/flamingo_tokens.h"
#include "layout/language_model_shape.h"
#include "layout/module_tree.h"
#include "layout/open_clip_config.h"

namespace isthmus::layout {

struct FlamingoModel {
  FlamingoSources sources;

  formats::Checkpoint vision_weights;
  OpenClipVisionConfig vision;  // of a Hugging Face folder too, which holds the same architecture

  formats::Checkpoint language_weights;
  JsonView language_config;   // config.json
  std::string language_type;  // its model_type
  LanguageModelShape language;
  DecoderNames language_names;

  std::optional<formats::Checkpoint> checkpoint;
  // From the checkpoint's shapes, or what the reference makes of a new model; with the options of
  // isthmus.json.
  FlamingoConfig config;

  FlamingoTokens tokens;
  int64_t vocab_size() const { return tokens.size(); }  // rows of the embedding once resized

  // Reads configs, the tokenizer and the headers of the weights. Throws what reading them throws,
  // and ModelError naming both sides where they do not fit: the checkpoint was trained with another
  // kind of language model, another width or depth, another cross_attn_every_n_layers than
  // isthmus.json (or the name of a released model) states, another vision tower, or a vocabulary of
  // another length.
  static FlamingoModel open(FlamingoSources sources);

  // As the reference prints it.
  ModuleNode module_tree() const;
};

}  // namespace isthmus::layout
