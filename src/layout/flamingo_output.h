// What is written of a Flamingo: OpenFlamingo's checkpoint.pt, and isthmus.json beside it.
#pragma once

#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

#include "formats/name_map.h"
#include "layout/decoder_names.h"
#include "layout/flamingo_model.h"

namespace isthmus::layout {

// Names as OpenFlamingo's model has them in memory: its own, and below `lang_encoder.` the language
// model's, whose blocks stand wrapped (`….layers.3.decoder_layer.…`).
struct FlamingoOutputNames {
  formats::NameMap map;
  DecoderNames decoder;  // with the prefix, unwrapped

  FlamingoOutputNames(const std::string& model_type, const JsonView& config);
  // Whether the reference keeps a tensor of the language model that was not trained:
  // whatever has "embed" in its name, and the embedding itself.   train_utils.py,
  // filter_state_dict_to_trainable
  bool keeps_frozen(std::string_view slot) const;
};

// isthmus.json of a folder with checkpoint.pt: the other pieces by their paths.
nlohmann::json flamingo_json(const FlamingoModel& model);

}  // namespace isthmus::layout
