// Looking into an engine: single passes and traces, where nothing is remembered.
#include <fmt/format.h>

#include "engine/answering.h"
#include "engine/engine.h"
#include "engine/text_stream.h"
#include "generation/continuation.h"
#include "isthmus/error.h"

namespace isthmus::engine {
namespace {

// Keeps the stages it is asked to look out for, in the order in which they happen.
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

}  // namespace

const Tensor* Trace::find(std::string_view name) const {
  for (const TracedTensor& tensor : tensors)
    if (tensor.name == name) return &tensor.value;
  return nullptr;
}

Engine::Pass Engine::forward_batch(std::span<const Request> requests, families::Padding side,
                                   nn::Probe* probe) {
  const ArithmeticMode mode(composed_);
  std::vector<families::Sequence> sequences;
  Pass pass;
  for (Prompt& prompt : assemble(requests, probe)) {
    pass.ids.push_back(family_->displayed_ids(prompt.segments, prompt.rows_per_medium()));
    sequences.push_back(std::move(prompt.sequence));
    pass.media.push_back(std::move(prompt.media));
  }
  const families::Batch batch = families::pad_batch(sequences, side);
  nn::ForwardContext context;
  context.positions = batch.positions;
  context.key_ranges = batch.key_ranges;
  context.hook = family_->block_hook();
  context.media = context.hook != nullptr ? &batch.media : nullptr;
  context.probe = probe;
  decoders::LanguageModel& model = family_->language_model();
  pass.logits = model.logits(model.forward(batch.embeddings, context)).detach();
  pass.real = batch.key_ranges;
  if (pass.real.empty()) pass.real.assign(sequences.size(), {0, batch.embeddings.size(1)});
  return pass;
}

families::Sequence Engine::sequence(const Request& request) {
  const ArithmeticMode mode(composed_);
  return std::move(assemble(std::span(&request, 1), nullptr).front().sequence);
}

std::vector<std::vector<float>> Engine::embed_images(std::span<const std::filesystem::path> files) {
  const ArithmeticMode mode(composed_);
  std::vector<modalities::Prepared> prepared;
  for (const auto& file : files) {
    const Part part = Part::of_image(file);
    prepared.push_back(family_->prepare({&part, file.string()}));
  }
  return family_->embed_images(prepared);
}

Trace Engine::trace(const Request& request, bool hidden) {
  const ArithmeticMode mode(composed_);
  if (request.generate.num_beams > 1)
    throw UsageError("num_beams: a trace follows one sequence, not beams");
  RecordingProbe probe(family_->tokens_probe(), hidden);
  const Prompt prompt = std::move(assemble(std::span(&request, 1), &probe).front());
  const GenerationConfig config = capped(request.generate, prompt.sequence.length());
  const families::StopRules rules = family_->stop_rules(request);
  auto constraint = constraints_.for_answer(config, rules.ids);

  Trace trace;
  for (size_t i = 0; i < prompt.media.size(); ++i) {
    const CachedMedia& media = *prompt.media[i];
    const auto add = [&](const char* stage, const char* meaning, const Tensor& value) {
      if (value.defined())
        trace.tensors.push_back({fmt::format("media.{}.{}", i, stage), meaning, value});
    };
    add("input", "what the encoder eats; of pictures [tiles or frames, 3, size, size]",
        torch::tensor(media.prepared.values).view(media.prepared.shape));
    add("tokens", "after the patch embedding or modality tokenizer, before the first encoder block",
        probe.tokens[i]);
    add("features", "what the aligner takes [tiles, patches, encoder width]",
        media.encoded.features);
    add("projected", "projector output per tile [tiles, patches, hidden_size]",
        media.encoded.projected);
    add("aligned", "soft tokens in the order they enter the sequence [rows, hidden_size]",
        media.encoded.tokens);
    add("routing", "weight of every expert of the aligner [rows, experts]", media.encoded.routing);
    if (media.encoded.memory != nullptr)
      add("aligned", "latents that cross-attention reads [latents, width]",
          media.encoded.memory->latents);
  }
  trace.input_ids = family_->displayed_ids(prompt.segments, prompt.rows_per_medium());
  trace.tensors.push_back(
      {"inputs_embeds", "assembled sequence [seq, hidden_size]", prompt.sequence.embeddings});

  conversation_.forget();  // what is traced is computed anew each time
  Rows rows = continued(prompt, config);
  const Tensor states = rows.prefill(&probe);
  for (size_t layer = 0; layer < probe.hidden_states.size(); ++layer)
    trace.tensors.push_back({fmt::format("hidden.{}", layer), "hidden state [seq, hidden_size]",
                             probe.hidden_states[layer].squeeze(0)});
  const Tensor logits = family_->language_model().logits(states.squeeze(0)).detach();
  trace.tensors.push_back({"logits", "logits at every prompt position [seq, vocab]", logits});

  TextStream text(family_->tokenizer(), stop_strings(request, rules));
  generation::Continuation continuation(
      config, rules.ids, family_->seen_before(prompt.segments),
      [&](int64_t token) { return text.push(token); }, std::move(constraint));
  std::vector<Tensor> steps{logits[logits.size(0) - 1].contiguous()};
  while (true) {
    const int64_t token = continuation.extend(as_span(steps.back()));
    if (continuation.finished()) break;
    steps.push_back(rows.last_logits(rows.step({&token, 1}))[0]);
  }
  text.finish();
  conversation_.forget();
  trace.tensors.push_back(
      {"step_logits", "logits that chose each token [new tokens, vocab]", torch::stack(steps)});
  trace.output_ids = continuation.tokens();
  trace.text = text.text();
  trace.finish_reason = generation::name_of(*continuation.finished());
  return trace;
}

}  // namespace isthmus::engine
