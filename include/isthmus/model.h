// A loaded model that answers questions about pictures.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <iosfwd>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "isthmus/export.h"
#include "isthmus/generation.h"
#include "isthmus/input.h"

namespace isthmus {

struct LoadOptions {
  // CLIP folder; empty: the one config.json names, searched for. Of a GGUF file: the mmproj file.
  std::filesystem::path vision;
  int threads = 0;  // 0: one per processor
  std::string device = "cpu";
  bool merge_lora = true;  // false: keep LoRA as a separate low-rank branch
  bool composed = false;   // use plain tensor operations instead of fused kernels
  // Flamingo: patch tokens pass ln_post before the resampler, as open_clip 2.23 and later hand them
  // over; the released models were trained without.
  bool vision_ln_post = false;
  // Storage of weights per part ("decoder", "encoder", "aligner"): "stored", "f32", "f16", "bf16",
  // "q8", "q6", "q5", "q4".
  std::string decoder_storage = "stored", encoder_storage = "stored", aligner_storage = "stored";
  // How keys and values of the tokens seen are held: "f32", "f16" (half the room), "q8" (a
  // quarter).
  std::string kv_cache = "f32";
  // A smaller model, named as the model itself is, that guesses how answers go on: the model checks
  // several tokens in one pass (GenerationConfig::num_assistant_tokens). Empty: none. It needs the
  // same vocabulary; its weights are held as `draft_storage` says.
  std::string draft, draft_storage = "stored";
  // Folder in which it is kept what media became behind encoder and aligner, for the next process
  // that loads this model; empty: nothing is kept. At most so many bytes, all models together.
  std::filesystem::path media_cache;
  int64_t media_cache_bytes = int64_t{10} << 30;
};

// Turns text into ids and back. Cheap to copy, safe from any thread.
class ISTHMUS_EXPORT Tokenizer {
 public:
  std::vector<int64_t> encode(std::string_view text, bool add_bos = true) const;
  std::string decode(std::span<const int64_t> ids, bool skip_special_tokens = true) const;
  size_t vocab_size() const;

  struct Impl;
  std::shared_ptr<const Impl> impl;
};

// Pixels as the vision tower eats them: [tiles, 3, size, size], normalised, row-major.
struct Pixels {
  std::vector<float> values;
  std::vector<int64_t> shape;
};

// Decodes and preprocesses pictures exactly as the checkpoint's reference code does.
class ISTHMUS_EXPORT ImageProcessor {
 public:
  Pixels operator()(const std::filesystem::path& image) const;

  struct Impl;
  std::shared_ptr<const Impl> impl;
};

// Seconds and counts of one answer.
struct Timings {
  double encode = 0, prefill = 0, decode = 0;
  double guess = 0;  // of `decode`: what guesses took to make
  int64_t prompt_tokens = 0, reused_tokens = 0, generated_tokens = 0;
  int64_t guessed_tokens = 0,
          accepted_tokens = 0;  // guesses that were checked; those that were right
};

struct Answer {
  std::string text;
  std::vector<int64_t> output_ids;  // new tokens, the end token included
  std::string finish_reason;        // "eos", "stop", "length" or "cancelled"
  Timings timings;
};

// Called with each piece of text that is complete; returning false ends the answer.
using TextCallback = std::function<bool(std::string_view piece)>;

// Immutable weights, shared by copies. One call at a time per object; copies may be used by other
// threads.
class ISTHMUS_EXPORT Model {
 public:
  Answer generate(const Request& request, const TextCallback& on_text = {}) const;
  // All requests as one padded batch; each is greedy, sampled, or searched with beams of its own.
  std::vector<Answer> generate_batch(std::span<const Request> requests) const;
  // [contexts][class_names]: mean log-probability of the tokens of a class name after a context.
  std::vector<std::vector<double>> rank(std::span<const Request> contexts,
                                        std::span<const std::string> class_names) const;
  // Pictures in the space in which the vision encoder compares them (CLIP's), of length 1. Throws
  // UnsupportedError where the model has no such space.
  std::vector<std::vector<float>> image_embeddings(
      std::span<const std::filesystem::path> images) const;
  // Changes when the files of the weights change; for caches of what was computed with them.
  std::string fingerprint() const;

  struct Impl;
  std::shared_ptr<Impl> impl;
};

// The module tree as print(model) shows it in the reference implementation.
ISTHMUS_EXPORT std::ostream& operator<<(std::ostream& stream, const Model& model);

struct Pretrained {
  Tokenizer tokenizer;
  Model model;
  ImageProcessor image_processor;
  int64_t context_len;
};

// Reads a published checkpoint. `model_path`: a folder, a file (GGUF among others), or a repository
// id in the local Hugging Face cache. `model_base`: the language model under a projector-only or
// LoRA folder. `model_name`: only a hint for the choice of the conversation template; what a folder
// is gets decided from its files. Throws the errors of isthmus/error.h.
ISTHMUS_EXPORT Pretrained load_pretrained_model(const std::string& model_path,
                                                const std::string& model_base = "",
                                                const std::string& model_name = "",
                                                const LoadOptions& options = {});

// "llava-v1.5-7b" of "/models/llava-v1.5-7b/"; the parent is put in front of a "checkpoint-N".
ISTHMUS_EXPORT std::string get_model_name_from_path(const std::string& model_path);

}  // namespace isthmus
