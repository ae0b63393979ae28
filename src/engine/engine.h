// Answers requests with one loaded model.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include <torch/types.h>

#include "engine/conversation_cache.h"
#include "engine/draft.h"
#include "engine/media_loader.h"
#include "engine/rows.h"
#include "families/family.h"
#include "families/sequence_builder.h"
#include "generation/constraints.h"
#include "isthmus/model.h"

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

// Mean (or summed) log-probabilities of continuations, and what follows from them.
struct RankOptions {
  bool normalize_length = true;  // mean over the tokens of a class name; false: their sum
};

// Weights are shared and immutable; the engine keeps the keys and values of the last conversation
// and what the last media became, so that a further question pays only for what is new. One thread
// at a time.
class Engine {
 public:
  // `composed`: plain tensor operations that record gradients, instead of fused kernels in
  // inference mode.
  Engine(std::shared_ptr<families::Family> family, bool composed);
  ~Engine();
  // Another model guesses what this one then checks, several tokens in one pass; of answers that
  // are not searched with beams. Throws UsageError where the vocabularies differ.
  void draft_with(std::shared_ptr<families::Family> draft);

  // Streams when greedy or sampled; beams give their text at the end.
  Answer generate(const Request& request, const TextCallback& on_text);
  // One padded batch, each row greedy, sampled, or with beams of its own.
  std::vector<Answer> generate_batch(std::span<const Request> requests);
  // Log-probability of each class name as the continuation of each context. [contexts][classes]
  std::vector<std::vector<double>> rank(std::span<const Request> contexts,
                                        std::span<const std::string> class_names,
                                        const RankOptions& options = {});
  // Generates while keeping every stage. `hidden`: also the states after each decoder layer.
  Trace trace(const Request& request, bool hidden);

  // One pass over padded prompts, nothing generated.
  struct Pass {
    std::vector<std::vector<int64_t>> ids;  // per request, as displayed
    std::vector<nn::KeyRange> real;         // where each request's rows stand in the batch
    std::vector<std::vector<std::shared_ptr<const CachedMedia>>> media;  // per request
    Tensor logits;                                                       // [batch, seq, vocab]
  };
  Pass forward_batch(std::span<const Request> requests, families::Padding side, nn::Probe* probe);
  // What a request becomes before the language model reads it.
  families::Sequence sequence(const Request& request);
  // Points of the encoder's own space, of length 1 (families::Family::embed_images).
  std::vector<std::vector<float>> embed_images(std::span<const std::filesystem::path> files);
  MediaLoader& media() { return media_; }
  // Drops cached keys, values and media.
  void forget();
  families::Family& family() { return *family_; }

 private:
  struct Prompt {
    std::vector<families::Segment> segments;
    std::vector<std::shared_ptr<const CachedMedia>> media;
    families::Sequence sequence;
    double encode_seconds = 0;

    std::vector<int64_t> rows_per_medium() const;
  };
  std::vector<Prompt> assemble(std::span<const Request> requests, nn::Probe* probe);
  // A batch whose rows cannot be stepped together, one after the other.
  std::vector<Answer> generate_singly(std::span<const Request> requests);
  // Checks `config` and shortens max_new_tokens to what the context still holds.
  GenerationConfig capped(const GenerationConfig& config, int64_t prompt_length) const;
  // The single sequence behind the conversation's cache, as far as it is the same.
  Rows continued(const Prompt& prompt, const GenerationConfig& config);
  Guesses guesses_for(const Request& request, const Prompt& prompt,
                      const families::StopRules& rules);

  std::shared_ptr<families::Family> family_;
  bool composed_;
  MediaLoader media_;
  ConversationCache conversation_;
  std::unique_ptr<Draft> draft_;  // null: none
  generation::Constraints constraints_;
};

}  // namespace isthmus::engine
