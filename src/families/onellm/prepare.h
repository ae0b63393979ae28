// From a user's file to what the encoder of a OneLLM eats, for every kind of medium.
#pragma once

#include "families/family.h"
#include "layout/onellm_config.h"
#include "modalities/prepared.h"

namespace isthmus::families::onellm {

// The modality's own reader, or the one its recipe in onellm.json names. Shapes: pictures and
// frames [frames, 3, S, S]; else as encoders::ModalityTokenizer takes it, without the items in
// front. Throws UnsupportedError naming the known kinds for one this model does not take,
// UsageError for a detail (crop, rgb, start …) that the kind has no use for or lacks, InputError
// for an input of another size than the tokenizer takes, and what the reader throws.
modalities::Prepared prepare(const MediaSource& source, const layout::OneLlmConfig& config);

}  // namespace isthmus::families::onellm
