// A loaded multimodal model: the parts of one family and the rules that join them.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include <torch/types.h>

#include "decoders/language_model.h"
#include "isthmus/input.h"
#include "media/image.h"
#include "modalities/prepared.h"
#include "nn/forward_context.h"
#include "text/tokenizer.h"

namespace isthmus::families {
using torch::Tensor;

// A prompt or training example before any tensor exists: text, with media in their places.
struct TextSegment {
  std::vector<int64_t> ids;
  bool is_target = false;  // contributes to the loss
};
struct MediaSegment {
  size_t input;  // index into the media of the request
};
using Segment = std::variant<TextSegment, MediaSegment>;

// One medium on its way into the language model.
struct EncodedMedia {
  Tensor features;   // [tiles, patches, encoder width]: what the aligner takes
  Tensor projected;  // [tiles, patches, hidden_size]
  Tensor tokens;     // [rows, hidden_size]: soft tokens in the order they enter the sequence
};

enum class Padding { kLeft, kRight };

struct StopRules {
  std::vector<int64_t> ids;          // end tokens of the model
  std::vector<std::string> strings;  // ends of a turn that the template writes as text
};

// Immutable once loaded; `encode` and the language model may be used by one thread at a time per
// context.
class Family {
 public:
  virtual ~Family() = default;

  virtual std::shared_ptr<const text::Tokenizer> tokenizer() const = 0;
  virtual decoders::LanguageModel& language_model() = 0;
  virtual int64_t context_length() const = 0;         // longest sequence, media rows included
  virtual int64_t reference_context_len() const = 0;  // what the reference's loader returns

  virtual modalities::Prepared prepare(const media::Image& image) const = 0;
  virtual EncodedMedia encode(const modalities::Prepared& medium, nn::Probe* probe) = 0;

  // `rows[i]`: soft tokens of medium i. Throws UsageError (unknown template, a token the tokenizer
  // lacks).
  virtual std::vector<Segment> segments(const Request& request,
                                        std::span<const int64_t> rows) const = 0;
  // The ids as the reference shows them for this prompt: a marker, or one image id per soft token.
  virtual std::vector<int64_t> displayed_ids(std::span<const Segment> segments,
                                             std::span<const int64_t> rows) const = 0;
  virtual StopRules stop_rules(const Request& request) const = 0;
  // False where the keys of a prefix depend on how long the whole sequence is (dynamic rotary
  // scaling).
  virtual bool reuses_prefix() const = 0;
  virtual Padding padding() const = 0;  // side on which the reference pads a batch
  // The module tree as print(model) shows it.
  virtual std::string print() const = 0;
  // Probe name of the state after the modality tokenizer (embeddings, before any encoder block).
  virtual std::string tokens_probe() const = 0;
};

}  // namespace isthmus::families
