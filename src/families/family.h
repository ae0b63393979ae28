// A loaded multimodal model: the parts of one family and the rules that join them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <torch/types.h>

#include "decoders/language_model.h"
#include "families/example.h"
#include "families/output.h"
#include "families/segment.h"
#include "isthmus/input.h"
#include "isthmus/model.h"
#include "modalities/prepared.h"
#include "nn/forward_context.h"
#include "nn/kv_cache.h"
#include "samples/sample.h"
#include "text/tokenizer.h"

namespace isthmus::families {
using torch::Tensor;

// A medium as the user gave it, and what messages call it.
struct MediaSource {
  const Part* part;
  std::string name;
};

// While alive, gradients are recorded where they were before only if a weight of `part` asks for
// them: a frozen encoder leaves nothing behind to go back through.
class RecordingFor {
 public:
  explicit RecordingFor(const torch::nn::Module& part);

 private:
  torch::AutoGradMode mode_;
};

// What an encoder eats, as a tensor: a view of the medium, or a copy where gradients are recorded,
// which may need it after the medium is gone.
Tensor tensor_of(const modalities::Prepared& medium);

// For families that take pictures as they are: throws UnsupportedError for any other kind of
// medium, UsageError for a detail (crop, rgb, start, end …) that no picture of theirs has.
void require_plain_picture(const MediaSource& source);

// One medium behind the encoder: all an aligner needs of it.
struct MediaFeatures {
  Tensor values;         // [tiles, patches, encoder width]
  std::string modality;  // as the aligner's weights name it
  modalities::Geometry geometry;
};

// One medium on its way into the language model. Each family fills one of the two ports.
struct EncodedMedia {
  Tensor features;   // [tiles, patches, encoder width]: what the aligner takes
  Tensor projected;  // [tiles, patches, hidden_size]: sequence port only
  Tensor tokens;     // [rows, hidden_size]: soft tokens in the order they enter the sequence
  Tensor routing;    // [rows, experts]: what each expert of an aligner counts, if it has several
  std::shared_ptr<const nn::MediaMemory> memory;  // depth port: latents, and their keys and values

  int64_t rows() const { return tokens.defined() ? tokens.size(0) : 0; }
  size_t bytes() const;
};

enum class Padding { kLeft, kRight };

// What a marker does that turns up after the prompt, where no medium can follow it.
enum class LateMarker {
  kIgnored,  // it is text: what could be read before can be read after it
  // Quirk: OpenFlamingo with a KV cache takes the markers of the latest tokens for those of the
  // whole sequence, in every row of the batch: rows that hold one read their first medium from
  // then on, the others none.                     flamingo_lm.py, FlamingoLMMixin.forward
  kResets,
  kCounts,  // it opens a medium that is not there (the same without a KV cache)
};

struct StopRules {
  std::vector<int64_t> ids;          // end tokens of the model
  std::vector<std::string> strings;  // ends of a turn that the template writes as text
};

struct Package;

// Immutable once loaded; `encode` and the language model may be used by one thread at a time per
// context.
class Family {
 public:
  virtual ~Family() = default;

  virtual std::shared_ptr<const text::Tokenizer> tokenizer() const = 0;
  virtual decoders::LanguageModel& language_model() = 0;
  // How the caches of the language model hold keys and values; float32 unless asked otherwise.
  void hold_cache_in(nn::KvStorage storage) { kv_storage_ = storage; }
  nn::KvStorage cache_storage() const { return kv_storage_; }
  // An empty one for `batch` rows of at most `max_length` positions.
  std::shared_ptr<nn::KvCache> new_cache(int64_t batch, int64_t max_length);
  // All weights: encoder.*, aligner.*, decoder.*, whichever the model has.
  virtual torch::nn::Module& modules() = 0;
  virtual int64_t context_length() const = 0;         // longest sequence, media rows included
  virtual int64_t reference_context_len() const = 0;  // what the reference's loader returns

  virtual modalities::Prepared prepare(const MediaSource& source) const = 0;
  // All media of a request together: weights are read once for as many as fit. Gradients are
  // recorded only if an encoder's weights ask for them.
  virtual std::vector<MediaFeatures> features(std::span<const modalities::Prepared> media,
                                              nn::Probe* probe = nullptr) = 0;
  // MediaFeatures::modality of media that requests call `modality`.
  virtual std::string feature_modality(const std::string& modality) const { return modality; }
  // Gradients reach the aligner's weights and, where the features ask for them, those. Throws
  // UnsupportedError for a model without an aligner.
  virtual std::vector<EncodedMedia> align(std::span<const MediaFeatures> features,
                                          nn::Probe* probe = nullptr) = 0;
  std::vector<EncodedMedia> encode(std::span<const modalities::Prepared> media, nn::Probe* probe);
  // Pictures as points of the space in which the encoder compares them, of length 1: examples like
  // a question are found there. Throws UnsupportedError where the encoder has no such space.
  virtual std::vector<std::vector<float>> embed_images(std::span<const modalities::Prepared> media);
  // The blocks of a depth port; null where media enter the sequence.
  virtual nn::BlockHook* block_hook() { return nullptr; }

  // `rows[i]`: soft tokens of medium i. Throws UsageError (unknown template, a token the tokenizer
  // lacks).
  virtual std::vector<Segment> segments(const Request& request,
                                        std::span<const int64_t> rows) const = 0;
  // The ids as the reference shows them for this prompt: a marker, or one image id per soft token.
  virtual std::vector<int64_t> displayed_ids(std::span<const Segment> segments,
                                             std::span<const int64_t> rows) const = 0;
  // A sample as the model is trained on it: labels fall out of the segments. Safe from any thread.
  // Throws BadSample for a sample that cannot be used, UsageError for options that no sample could
  // fulfil, UnsupportedError for kinds of samples or models that are not trained.
  virtual Example example(const samples::Sample& sample, const ExampleOptions& options) const;
  // Before any sample is read: throws UsageError, naming the tokenizer's file, for a template that
  // is none of this family's, and for words that the template counts on and the tokenizer lacks.
  virtual void check_template(const ExampleOptions& options) const;
  virtual StopRules stop_rules(const Request& request) const = 0;
  // False where the keys of a prefix depend on how long the whole sequence is (dynamic rotary
  // scaling).
  virtual bool reuses_prefix() const = 0;
  virtual Padding padding() const = 0;  // side on which the reference pads a batch
  // Ids before the answer as the reference's logits processors see them.
  virtual std::vector<int64_t> seen_before(std::span<const Segment> segments) const = 0;
  // How the reference counts a hypothesis of a beam search, and whether padding counts too.
  virtual bool beams_count_prompt() const { return false; }
  virtual LateMarker late_marker(const GenerationConfig& config) const {
    (void)config;
    return LateMarker::kIgnored;
  }
  virtual int64_t media_marker() const { return -1; }  // the id LateMarker speaks of
  // How many rows at the end of such a prompt the answer overwrites, in the cache and in position.
  virtual int64_t decode_overlap(const GenerationConfig& config,
                                 std::span<const Segment> segments) const {
    (void)config, (void)segments;
    return 0;
  }
  // The token that fills the rows of a batch that have ended.
  virtual int64_t pad_id() const { return 0; }
  // Of the files the weights came from: their paths, sizes and times of change.
  virtual std::string fingerprint() const = 0;
  // All but weights and the medium that decides what a medium becomes: how it is prepared, what is
  // taken of the encoder, how rows are laid out; as text, in no particular form.
  virtual std::string media_settings() const = 0;
  // The module tree as print(model) shows it.
  virtual std::string print() const = 0;
  // Writes the weights as they are now into `folder`, in files that the original code loads, whole
  // or not at all. Throws UnsupportedError for a model of which there are no such files.
  virtual void save(const std::filesystem::path& folder, const OutputOptions& options);
  // What it consists of on disk. Throws UsageError for a model that lies in several places and is
  // to be merged first, UnsupportedError for one that cannot be written.
  virtual Package package() const;
  // Writes model.gguf and, of a model that sees, mmproj.gguf for llama.cpp into `folder`, whole or
  // not at all; other files in it stay. Throws UnsupportedError for what llama.cpp has no words
  // for.
  virtual void save_gguf(const std::filesystem::path& folder, GgufStorage storage);
  // Probe name of the state after the modality tokenizer (embeddings, before any encoder block).
  virtual std::string tokens_probe() const = 0;
  // The same model with the aligner in `folder`, and the low-rank branches beside it, in place of
  // its own, as training leaves them. What those files do not bring is this model's, the same
  // memory, and this model may be answering meanwhile. Throws ModelError and UnsupportedError for
  // files that do not fit this model or bring more than that.
  virtual std::shared_ptr<Family> with_aligner(const std::filesystem::path& folder,
                                               const LoadOptions& options) const;
  // Equal where features() of every medium are: of models that share an encoder and prepare alike.
  virtual std::string feature_fingerprint() const { return fingerprint(); }

 private:
  nn::KvStorage kv_storage_ = nn::KvStorage::kF32;
};

// The segments of a request: of Request::prompt_ids as they are, of everything else as the family
// makes them. Throws UsageError, naming it, for an id that stands for no token, or for one that
// marks a medium: no medium would belong to it.
std::vector<Segment> prompt_segments(const Family& family, const Request& request,
                                     std::span<const int64_t> rows);

}  // namespace isthmus::families
