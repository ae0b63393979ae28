// A Flamingo put together from its pieces, as OpenFlamingo's own factory does it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <tuple>

#include "isthmus/export.h"
#include "isthmus/model.h"

namespace isthmus {

// create_model_and_transforms of open_flamingo, with its parameters and defaults.
//   clip_vision_encoder_path: name of an open_clip model ("ViT-L-14"), or a CLIP file or folder
//   clip_vision_encoder_pretrained: "openai", or the file with its weights
//   lang_encoder_path, tokenizer_path: folders, or repositories in the local Hugging Face cache
//   cross_attn_every_n_layers: a gated block stands before every n-th layer
//   use_local_files: nothing is ever downloaded, so both values do the same
//   decoder_layers_attr_name: path of the list of blocks in the language model; "": known
//   freeze_lm_embeddings: which rows training changes; an answer does not depend on it
//   cache_dir: a Hugging Face cache to look in instead of the environment's
//   checkpoint: checkpoint.pt, which the reference loads afterwards; "": resampler and gated
//   blocks start as the reference initialises them: gates closed, so that the language model
//   answers as if there were no picture
// Returns model, image processor and tokenizer. Throws the errors of isthmus/error.h.
ISTHMUS_EXPORT std::tuple<Model, ImageProcessor, Tokenizer> create_model_and_transforms(
    const std::string& clip_vision_encoder_path, const std::string& clip_vision_encoder_pretrained,
    const std::string& lang_encoder_path, const std::string& tokenizer_path,
    int64_t cross_attn_every_n_layers = 1, bool use_local_files = false,
    const std::string& decoder_layers_attr_name = "", bool freeze_lm_embeddings = false,
    const std::string& cache_dir = "", const std::string& checkpoint = "",
    const LoadOptions& options = {});

// A literal prompt in the reference's spelling: <image> stands for the next of `images`, and
// <|endofchunk|> for that token. Throws UsageError when there are more or fewer <image> than
// images, naming both numbers.
ISTHMUS_EXPORT Request flamingo_prompt(const std::string& text,
                                       std::span<const std::filesystem::path> images);

}  // namespace isthmus
