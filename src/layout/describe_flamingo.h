// What `isthmus describe` says of a Flamingo besides its module tree, from configs, headers and the
// gates alone.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "layout/describe_parts.h"
#include "layout/flamingo_model.h"
#include "layout/picture_path.h"

namespace isthmus::layout {

// How much of a block's two halves reaches the text: x + tanh(gate) · half(x).
struct GateDescription {
  int64_t layer;        // the block stands before this layer
  double attention;     // tanh(attn_gate)
  double feed_forward;  // tanh(ff_gate)
};

struct SpecialToken {
  std::string token;
  int64_t id;
};

struct FlamingoDescription : ModelDescription {
  int64_t cross_attn_every_n_layers, num_blocks;
  bool only_attend_immediate_media, vision_ln_post;
  // Parameters that an optimiser held: resampler, gated blocks, and the whole input embedding, of
  // which only the rows of <|endofchunk|> and <image> move.
  int64_t num_trained;
  std::vector<GateDescription> gates;  // empty when there is no checkpoint
  std::vector<PicturePath> pictures;   // a few sizes
  int64_t latents_per_picture;
  int64_t media_bytes;        // keys and values of one picture in every block, float32
  int64_t vocab_size_before;  // rows in the language model's own files
  int64_t tokenizer_size;     // tokens before Flamingo's were added
  int64_t vocab_size;         // rows after the embedding was resized to the tokenizer
  std::vector<SpecialToken> special_tokens;
  int64_t context_length;
  int64_t cache_bytes_per_token;  // of the language model, float32
  std::string prompt;             // one example and a question, in the form for captions
  std::vector<std::string> prompt_forms;
};

// The way of one picture; nothing of it enters the sequence but its <image> token.
PicturePath picture_path(const FlamingoModel& model, PixelSize picture);

// Throws what reading a gate's bytes throws; a tensor that is missing or misshapen is listed.
FlamingoDescription describe_flamingo(const FlamingoModel& model);

std::string to_text(const FlamingoDescription& description);
nlohmann::json to_json(const FlamingoDescription& description);

}  // namespace isthmus::layout
