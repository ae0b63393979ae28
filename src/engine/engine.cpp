#include "engine/engine.h"

#include <algorithm>
#include <chrono>
#include <optional>

#include <fmt/format.h>

#include "base/check.h"
#include "engine/text_stream.h"
#include "generation/generate_loop.h"
#include "generation/generation_config.h"
#include "isthmus/error.h"
#include "media/decode_image.h"

namespace isthmus::engine {
namespace {

constexpr size_t kCachedPictures = 16;

// Seconds since it was made or last read.
class Stopwatch {
 public:
  double lap() {
    const auto now = std::chrono::steady_clock::now();
    const double seconds = std::chrono::duration<double>(now - last_).count();
    last_ = now;
    return seconds;
  }

 private:
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

// How this engine's arithmetic runs: fused kernels without gradients, or plain operations with
// them.
class ArithmeticMode {
 public:
  explicit ArithmeticMode(bool composed) {
    if (composed)
      composed_.emplace();
    else
      inference_.emplace();
  }

 private:
  std::optional<c10::InferenceMode> inference_;
  std::optional<nn::ops::ComposedOnly> composed_;
};

std::span<const float> as_span(const Tensor& row) {
  return {row.data_ptr<float>(), static_cast<size_t>(row.numel())};
}

Tensor ids_tensor(std::vector<int64_t> ids, std::vector<int64_t> shape) {
  return torch::tensor(ids, torch::kInt64).view(shape);
}

// Keeps every stage it is told of.
class RecordingProbe : public nn::Probe {
 public:
  RecordingProbe(std::string tokens_name, bool hidden)
      : tokens_name_(std::move(tokens_name)), hidden_(hidden) {}
  bool wants(std::string_view name) const override {
    return name == tokens_name_ || (hidden_ && name.starts_with("decoder.hidden."));
  }
  void see(std::string_view name, const Tensor& value) override {
    if (name == tokens_name_)
      tokens.push_back(value.detach());
    else
      hidden_states.push_back(value.detach());
  }
  std::vector<Tensor> tokens, hidden_states;

 private:
  std::string tokens_name_;
  bool hidden_;
};

// One sequence behind the language model and its cache.
class SequenceDecoder : public generation::Decoder {
 public:
  SequenceDecoder(decoders::LanguageModel& model, nn::KvCache& cache,
                  std::vector<int64_t>& cached_keys, Tensor prompt_logits)
      : model_(model),
        cache_(cache),
        cached_keys_(cached_keys),
        logits_(std::move(prompt_logits)) {}

  std::span<const float> step(std::span<const int64_t> tokens) override {
    if (tokens.empty()) return as_span(logits_);
    const auto count = static_cast<int64_t>(tokens.size());
    nn::ForwardContext context;
    context.positions =
        torch::arange(cache_.length(), cache_.length() + count, torch::kInt64).unsqueeze(0);
    context.cache = &cache_;
    const Tensor ids = ids_tensor({tokens.begin(), tokens.end()}, {1, count});
    const Tensor hidden = model_.forward(model_.embed_tokens(ids), context);
    cached_keys_.insert(cached_keys_.end(), tokens.begin(), tokens.end());
    logits_ = model_.logits(hidden.select(1, count - 1)).detach().contiguous();
    return as_span(logits_);
  }

 private:
  decoders::LanguageModel& model_;
  nn::KvCache& cache_;
  std::vector<int64_t>& cached_keys_;
  Tensor logits_;  // [1, vocab]
};

// The beams of one prompt: rows of one batch that start as copies of it.
class BeamRows : public generation::BeamDecoder {
 public:
  BeamRows(decoders::LanguageModel& model, nn::KvCache& cache, Tensor prompt_logits)
      : model_(model), cache_(cache), logits_(std::move(prompt_logits)) {}

  int64_t vocab_size() const override { return model_.vocab_size(); }

  std::span<const float> step(std::span<const generation::BeamChoice> choices) override {
    if (choices.empty()) return as_span(logits_);
    std::vector<int64_t> parents, tokens;
    for (const generation::BeamChoice& choice : choices) {
      parents.push_back(choice.parent);
      tokens.push_back(choice.token);
    }
    const auto rows = static_cast<int64_t>(choices.size());
    cache_.reorder(ids_tensor(std::move(parents), {rows}));
    nn::ForwardContext context;
    context.positions = torch::full({rows, 1}, cache_.length(), torch::kInt64);
    context.cache = &cache_;
    const Tensor hidden =
        model_.forward(model_.embed_tokens(ids_tensor(std::move(tokens), {rows, 1})), context);
    logits_ = model_.logits(hidden.select(1, 0)).detach().contiguous();
    return as_span(logits_);
  }

 private:
  decoders::LanguageModel& model_;
  nn::KvCache& cache_;
  Tensor logits_;  // [rows, vocab]
};

std::vector<int64_t> without_end(std::vector<int64_t> ids, std::span<const int64_t> end_ids) {
  if (!ids.empty() && std::find(end_ids.begin(), end_ids.end(), ids.back()) != end_ids.end())
    ids.pop_back();
  return ids;
}

std::vector<std::string> stop_strings(const Request& request, const families::StopRules& rules) {
  std::vector<std::string> all = request.generate.stop;
  all.insert(all.end(), rules.strings.begin(), rules.strings.end());
  return all;
}

std::vector<const Part*> media_parts(const Request& request) {
  std::vector<const Part*> parts;
  const auto collect = [&](const std::vector<Part>& content) {
    for (const Part& part : content)
      if (part.type == Part::Type::kImage) parts.push_back(&part);
  };
  for (const Message& message : request.messages) collect(message.content);
  collect(request.prompt);
  return parts;
}

media::Image decode(const Part& part, size_t index) {
  if (!part.path.empty()) return media::load_image(part.path);
  return media::decode_image(part.data, fmt::format("image {} of the request", index + 1));
}

// The reference hands its logits processors a lone BOS in place of the prompt, because it generates
// from embeddings.
std::vector<int64_t> seen_before(const text::Tokenizer& tokenizer) {
  if (const auto bos = tokenizer.bos_id()) return {*bos};
  return {};
}

}  // namespace

const Tensor* Trace::find(std::string_view name) const {
  for (const TracedTensor& tensor : tensors)
    if (tensor.name == name) return &tensor.value;
  return nullptr;
}

Engine::Engine(std::shared_ptr<families::Family> family, bool composed)
    : family_(std::move(family)), composed_(composed), media_cache_(kCachedPictures) {}

Engine::~Engine() = default;

void Engine::forget() {
  media_cache_ = MediaCache(kCachedPictures);
  cache_.reset();
  cached_keys_.clear();
}

Engine::Prompt Engine::assemble(const Request& request, nn::Probe* probe) {
  Prompt prompt;
  std::vector<Tensor> tokens;
  std::vector<int64_t> media_ids, rows;
  Stopwatch watch;
  const auto parts = media_parts(request);
  for (size_t i = 0; i < parts.size(); ++i) {
    modalities::Prepared prepared = family_->prepare(decode(*parts[i], i));
    std::shared_ptr<const CachedMedia> media =
        probe == nullptr ? media_cache_.find(prepared) : nullptr;
    if (!media) {
      families::EncodedMedia encoded = family_->encode(prepared, probe);
      media = media_cache_.insert(std::move(prepared), std::move(encoded));
    }
    tokens.push_back(media->encoded.tokens);
    media_ids.push_back(media->id);
    rows.push_back(media->encoded.tokens.size(0));
    prompt.media.push_back(std::move(media));
  }
  prompt.encode_seconds = watch.lap();
  prompt.segments = family_->segments(request, rows);
  prompt.sequence =
      families::build_sequence(prompt.segments, tokens, media_ids, family_->language_model());
  check_length(prompt);
  return prompt;
}

void Engine::check_length(const Prompt& prompt) const {
  const int64_t length = prompt.sequence.length(), limit = family_->context_length();
  if (length < limit) return;
  int64_t media_rows = 0;
  for (const auto& media : prompt.media) media_rows += media->encoded.tokens.size(0);
  throw ResourceError(
      fmt::format("the prompt is {} tokens long ({} of them pictures); the model's context holds "
                  "{}, the answer "
                  "included. Shorten the text, show fewer pictures, or start the conversation anew",
                  length, media_rows, limit));
}

Tensor Engine::prefill(const families::Sequence& sequence, int64_t& reused, nn::Probe* probe) {
  if (!cache_ || probe != nullptr || !family_->reuses_prefix()) {
    cached_keys_.clear();
    cache_ = std::make_unique<nn::KvCache>(family_->language_model().cache_geometry(), 1,
                                           family_->context_length());
  }
  // The last row is always computed: its hidden state chooses the first token.
  const auto shorter = std::min<size_t>(cached_keys_.size(), sequence.row_keys.size() - 1);
  const auto differs =
      std::mismatch(cached_keys_.begin(), cached_keys_.begin() + static_cast<ptrdiff_t>(shorter),
                    sequence.row_keys.begin());
  reused = differs.first - cached_keys_.begin();
  cache_->truncate(reused);
  nn::ForwardContext context;
  context.positions = torch::arange(reused, sequence.length(), torch::kInt64).unsqueeze(0);
  context.cache = cache_.get();
  context.probe = probe;
  const Tensor rows = sequence.embeddings.slice(0, reused).unsqueeze(0);
  cached_keys_.clear();  // holds nothing while the cache is being written
  const Tensor hidden = family_->language_model().forward(rows, context);
  cached_keys_ = sequence.row_keys;
  return hidden;
}

GenerationConfig Engine::capped(const GenerationConfig& config, int64_t prompt_length) const {
  generation::check_generation_config(config);
  GenerationConfig capped = config;
  capped.max_new_tokens =
      std::min(config.max_new_tokens, family_->context_length() - prompt_length);
  return capped;
}

Answer Engine::generate(const Request& request, const TextCallback& on_text) {
  const ArithmeticMode mode(composed_);
  const Prompt prompt = assemble(request, nullptr);
  if (request.generate.num_beams > 1) return search_beams(request, prompt, on_text);
  const GenerationConfig config = capped(request.generate, prompt.sequence.length());
  const families::StopRules rules = family_->stop_rules(request);
  const auto tokenizer = family_->tokenizer();

  Answer answer;
  Stopwatch watch;
  const Tensor hidden = prefill(prompt.sequence, answer.timings.reused_tokens, nullptr);
  decoders::LanguageModel& model = family_->language_model();
  SequenceDecoder decoder(model, *cache_, cached_keys_,
                          model.logits(hidden.select(1, hidden.size(1) - 1)).detach().contiguous());
  answer.timings.prefill = watch.lap();

  TextStream text(tokenizer, stop_strings(request, rules));
  generation::Continuation continuation(config, rules.ids, seen_before(*tokenizer),
                                        [&](int64_t token) { return text.push(token); });
  const auto generated = generation::generate(decoder, continuation, [&](int64_t) {
    const std::string piece = text.take();
    return piece.empty() || !on_text || on_text(piece);
  });
  text.finish();
  if (const std::string rest = text.take(); !rest.empty() && on_text) on_text(rest);

  answer.text = text.text();
  answer.output_ids = generated.tokens;
  answer.finish_reason = generation::name_of(generated.finish_reason);
  answer.timings.encode = prompt.encode_seconds;
  answer.timings.decode = watch.lap();
  answer.timings.prompt_tokens = prompt.sequence.length();
  answer.timings.generated_tokens = static_cast<int64_t>(generated.tokens.size());
  return answer;
}

Answer Engine::search_beams(const Request& request, const Prompt& prompt,
                            const TextCallback& on_text) {
  const GenerationConfig config = capped(request.generate, prompt.sequence.length());
  const families::StopRules rules = family_->stop_rules(request);
  decoders::LanguageModel& model = family_->language_model();

  Answer answer;
  Stopwatch watch;
  nn::KvCache cache(model.cache_geometry(), 1, family_->context_length());
  nn::ForwardContext context;
  context.positions = torch::arange(prompt.sequence.length(), torch::kInt64).unsqueeze(0);
  context.cache = &cache;
  const Tensor hidden = model.forward(prompt.sequence.embeddings.unsqueeze(0), context);
  BeamRows rows(model, cache,
                model.logits(hidden.select(1, hidden.size(1) - 1)).detach().contiguous());
  answer.timings.prefill = watch.lap();
  const auto generated =
      generation::generate_with_beams(rows, config, rules.ids, seen_before(*family_->tokenizer()));

  answer.output_ids = generated.tokens;
  answer.finish_reason = generation::name_of(generated.finish_reason);
  TextStream text(family_->tokenizer(), stop_strings(request, rules));
  for (const int64_t token : without_end(generated.tokens, rules.ids))
    if (text.push(token)) break;
  text.finish();
  answer.text = text.text();
  if (on_text && !answer.text.empty()) on_text(answer.text);
  answer.timings.encode = prompt.encode_seconds;
  answer.timings.decode = watch.lap();
  answer.timings.prompt_tokens = prompt.sequence.length();
  answer.timings.generated_tokens = static_cast<int64_t>(generated.tokens.size());
  return answer;
}

std::vector<Answer> Engine::generate_batch(std::span<const Request> requests) {
  const ArithmeticMode mode(composed_);
  if (requests.empty()) return {};
  const auto tokenizer = family_->tokenizer();
  decoders::LanguageModel& model = family_->language_model();
  const auto count = static_cast<int64_t>(requests.size());

  std::vector<families::Sequence> sequences;
  std::vector<TextStream> texts;
  std::vector<generation::Continuation> continuations;
  std::vector<Answer> answers(requests.size());
  texts.reserve(requests.size());  // the continuations point into it
  int64_t longest = 0, most_new = 0;
  for (size_t row = 0; row < requests.size(); ++row) {
    if (requests[row].generate.num_beams > 1)
      throw UsageError("num_beams: a batch is greedy or sampled");
    Prompt prompt = assemble(requests[row], nullptr);
    answers[row].timings.encode = prompt.encode_seconds;
    answers[row].timings.prompt_tokens = prompt.sequence.length();
    longest = std::max(longest, prompt.sequence.length());
    sequences.push_back(std::move(prompt.sequence));
  }
  for (size_t row = 0; row < requests.size(); ++row) {
    const GenerationConfig config = capped(requests[row].generate, longest);
    most_new = std::max(most_new, config.max_new_tokens);
    const families::StopRules rules = family_->stop_rules(requests[row]);
    TextStream& text = texts.emplace_back(tokenizer, stop_strings(requests[row], rules));
    continuations.emplace_back(config, rules.ids, seen_before(*tokenizer),
                               [&text](int64_t token) { return text.push(token); });
  }

  Stopwatch watch;
  // Padding on the left puts the next token of every row at the same index.
  const families::Batch batch = families::pad_batch(sequences, families::Padding::kLeft);
  nn::KvCache cache(model.cache_geometry(), count, longest + most_new);
  nn::ForwardContext context;
  context.positions = batch.positions;
  context.key_ranges = batch.key_ranges;
  context.cache = &cache;
  Tensor hidden = model.forward(batch.embeddings, context);
  const double prefill_seconds = watch.lap();

  for (int64_t step = 0;; ++step) {
    const Tensor logits = model.logits(hidden.select(1, hidden.size(1) - 1)).detach().contiguous();
    std::vector<int64_t> next, positions;
    bool open = false;
    for (size_t row = 0; row < requests.size(); ++row) {
      generation::Continuation& continuation = continuations[row];
      // A finished row repeats its last token; nobody reads what it becomes.
      if (!continuation.finished()) continuation.extend(as_span(logits[static_cast<int64_t>(row)]));
      next.push_back(continuation.tokens().back());
      positions.push_back(sequences[row].length() + step);
      open = open || !continuation.finished();
    }
    if (!open) break;
    context.positions = ids_tensor(std::move(positions), {count, 1});
    for (nn::KeyRange& range : context.key_ranges) range.end = longest + step + 1;
    hidden = model.forward(model.embed_tokens(ids_tensor(std::move(next), {count, 1})), context);
  }
  const double decode_seconds = watch.lap();
  for (size_t row = 0; row < requests.size(); ++row) {
    texts[row].finish();
    answers[row].text = texts[row].text();
    answers[row].output_ids = continuations[row].tokens();
    answers[row].finish_reason = generation::name_of(*continuations[row].finished());
    answers[row].timings.prefill = prefill_seconds;
    answers[row].timings.decode = decode_seconds;
    answers[row].timings.generated_tokens = static_cast<int64_t>(answers[row].output_ids.size());
  }
  return answers;
}

Tensor Engine::last_logits(std::span<const Request> requests) {
  const ArithmeticMode mode(composed_);
  std::vector<families::Sequence> sequences;
  for (const Request& request : requests) sequences.push_back(assemble(request, nullptr).sequence);
  const families::Batch batch = families::pad_batch(sequences, family_->padding());
  nn::ForwardContext context;
  context.positions = batch.positions;
  context.key_ranges = batch.key_ranges;
  decoders::LanguageModel& model = family_->language_model();
  const Tensor hidden = model.forward(batch.embeddings, context);
  std::vector<Tensor> rows;
  for (size_t row = 0; row < sequences.size(); ++row) {
    const int64_t end = batch.key_ranges.empty() ? hidden.size(1) : batch.key_ranges[row].end;
    rows.push_back(hidden[static_cast<int64_t>(row)][end - 1]);
  }
  return model.logits(torch::stack(rows)).detach();
}

Trace Engine::trace(const Request& request, bool hidden) {
  const ArithmeticMode mode(composed_);
  if (request.generate.num_beams > 1)
    throw UsageError("num_beams: a trace follows one sequence, not beams");
  RecordingProbe probe(family_->tokens_probe(), hidden);
  const Prompt prompt = assemble(request, &probe);
  const GenerationConfig config = capped(request.generate, prompt.sequence.length());
  const families::StopRules rules = family_->stop_rules(request);
  decoders::LanguageModel& model = family_->language_model();

  Trace trace;
  std::vector<int64_t> rows;
  for (size_t i = 0; i < prompt.media.size(); ++i) {
    const CachedMedia& media = *prompt.media[i];
    const auto add = [&](const char* stage, const char* meaning, const Tensor& value) {
      trace.tensors.push_back({fmt::format("media.{}.{}", i, stage), meaning, value});
    };
    add("input", "what the encoder eats [tiles, 3, size, size]",
        torch::tensor(media.prepared.values).view(media.prepared.shape));
    add("tokens", "after the patch embedding, before the first encoder block", probe.tokens[i]);
    add("features", "what the aligner takes [tiles, patches, encoder width]",
        media.encoded.features);
    add("projected", "projector output per tile [tiles, patches, hidden_size]",
        media.encoded.projected);
    add("aligned", "soft tokens in the order they enter the sequence [rows, hidden_size]",
        media.encoded.tokens);
    rows.push_back(media.encoded.tokens.size(0));
  }
  trace.input_ids = family_->displayed_ids(prompt.segments, rows);
  trace.tensors.push_back(
      {"inputs_embeds", "assembled sequence [seq, hidden_size]", prompt.sequence.embeddings});

  int64_t reused = 0;
  const Tensor states = prefill(prompt.sequence, reused, &probe);
  for (size_t layer = 0; layer < probe.hidden_states.size(); ++layer)
    trace.tensors.push_back({fmt::format("hidden.{}", layer), "hidden state [seq, hidden_size]",
                             probe.hidden_states[layer].squeeze(0)});
  const Tensor logits = model.logits(states.squeeze(0)).detach();
  trace.tensors.push_back({"logits", "logits at every prompt position [seq, vocab]", logits});

  TextStream text(family_->tokenizer(), stop_strings(request, rules));
  generation::Continuation continuation(config, rules.ids, seen_before(*family_->tokenizer()),
                                        [&](int64_t token) { return text.push(token); });
  SequenceDecoder decoder(model, *cache_, cached_keys_,
                          logits.slice(0, logits.size(0) - 1).contiguous());
  std::vector<Tensor> steps;
  std::vector<int64_t> last;
  while (!continuation.finished()) {
    const auto row = decoder.step(last);
    steps.push_back(torch::tensor(at::ArrayRef<float>(row.data(), row.size())));
    last = {continuation.extend(row)};
  }
  text.finish();
  trace.tensors.push_back(
      {"step_logits", "logits that chose each token [new tokens, vocab]", torch::stack(steps)});
  trace.output_ids = continuation.tokens();
  trace.text = text.text();
  trace.finish_reason = generation::name_of(*continuation.finished());
  return trace;
}

}  // namespace isthmus::engine
