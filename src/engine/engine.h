// Answers requests with one loaded model.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include <torch/types.h>

#include "engine/media_cache.h"
#include "families/family.h"
#include "families/sequence_builder.h"
#include "isthmus/model.h"
#include "nn/kv_cache.h"

namespace isthmus::engine {
using torch::Tensor;

// A stage of one answer under its canonical name (docs/formats.md).
struct TracedTensor {
  std::string name, meaning;
  Tensor value;
};

struct Trace {
  std::vector<int64_t> input_ids, output_ids;
  std::string text, finish_reason;
  std::vector<TracedTensor> tensors;
  const Tensor* find(std::string_view name) const;
};

// Weights are shared and immutable; the engine keeps the keys and values of the last conversation
// and the features of the last pictures, so that a further question pays only for what is new. One
// thread at a time.
class Engine {
 public:
  // `composed`: plain tensor operations that record gradients, instead of fused kernels in
  // inference mode.
  Engine(std::shared_ptr<families::Family> family, bool composed);
  ~Engine();

  Answer generate(const Request& request, const TextCallback& on_text);
  // One padded batch; every request must ask for the same num_beams (1).
  std::vector<Answer> generate_batch(std::span<const Request> requests);
  // Generates while keeping every stage. `hidden`: also the states after each decoder layer.
  Trace trace(const Request& request, bool hidden);
  // Logits at the last real position of each prompt, all as one batch padded on the model's own
  // side. [batch, vocab]
  Tensor last_logits(std::span<const Request> requests);
  // Drops cached keys, values and pictures.
  void forget();
  families::Family& family() { return *family_; }

 private:
  struct Prompt {
    std::vector<families::Segment> segments;
    std::vector<std::shared_ptr<const CachedMedia>> media;
    families::Sequence sequence;
    double encode_seconds = 0;
  };
  Prompt assemble(const Request& request, nn::Probe* probe);
  void check_length(const Prompt& prompt) const;
  // Checks `config` and shortens max_new_tokens to what the context still holds.
  GenerationConfig capped(const GenerationConfig& config, int64_t prompt_length) const;
  // Runs the rows after the reused prefix; returns hidden states of the new rows and how many were
  // reused.
  Tensor prefill(const families::Sequence& sequence, int64_t& reused, nn::Probe* probe);
  Answer search_beams(const Request& request, const Prompt& prompt, const TextCallback& on_text);

  std::shared_ptr<families::Family> family_;
  bool composed_;
  MediaCache media_cache_;
  std::unique_ptr<nn::KvCache> cache_;
  std::vector<int64_t> cached_keys_;  // row keys of the positions in cache_
};

}  // namespace isthmus::engine
