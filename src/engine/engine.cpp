#include "engine/engine.h"

#include <algorithm>
#include <chrono>
#include <optional>

#include <fmt/format.h>

#include "base/check.h"
#include "engine/answering.h"
#include "engine/text_stream.h"
#include "generation/continuation.h"
#include "generation/generation_config.h"
#include "isthmus/error.h"

namespace isthmus::engine {
namespace {

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

// The tokens of one answer of a batch while they grow: one row, or the rows of its beams.
class Growing {
 public:
  Growing(const GenerationConfig& config, const families::StopRules& rules,
          std::span<const int64_t> seen, bool beams_count_prompt, int64_t prompt_length,
          generation::StopStringMatcher matches_stop_string,
          std::unique_ptr<grammar::TokenConstraint> constraint) {
    if (config.num_beams > 1)
      beams_.emplace(config, rules.ids, seen,
                     beams_count_prompt ? generation::BeamLength::kWholeSequence
                                        : generation::BeamLength::kGenerated,
                     prompt_length);
    else
      single_.emplace(config, rules.ids, seen, std::move(matches_stop_string),
                      std::move(constraint));
  }

  // `logits` [rows, vocab_size] -> what each row continues with.
  std::vector<generation::BeamChoice> extend(std::span<const float> logits, int64_t vocab_size) {
    if (beams_) return beams_->extend(logits, vocab_size);
    return {{0, single_->extend(logits)}};
  }
  bool finished() const { return beams_ ? beams_->finished() : single_->finished().has_value(); }
  generation::Generated result() const {
    if (beams_) return beams_->result();
    return {single_->tokens(), *single_->finished()};
  }

 private:
  std::optional<generation::Continuation> single_;
  std::optional<generation::BeamContinuation> beams_;
};

std::vector<int64_t> without_end(std::vector<int64_t> ids, std::span<const int64_t> end_ids) {
  if (!ids.empty() && std::find(end_ids.begin(), end_ids.end(), ids.back()) != end_ids.end())
    ids.pop_back();
  return ids;
}

// What every way of generating reports at its end.
void conclude(Answer& answer, const generation::Generated& generated, const TextStream& text) {
  answer.text = text.text();
  answer.output_ids = generated.tokens;
  answer.finish_reason = generation::name_of(generated.finish_reason);
  answer.timings.generated_tokens = static_cast<int64_t>(generated.tokens.size());
}

}  // namespace

Engine::Engine(std::shared_ptr<families::Family> family, bool composed)
    : family_(std::move(family)),
      composed_(composed),
      media_(*family_),
      conversation_(*family_),
      constraints_(family_->tokenizer()) {}

Engine::~Engine() = default;

void Engine::draft_with(std::shared_ptr<families::Family> draft) {
  draft_ = std::make_unique<Draft>(std::move(draft), *family_);
}

void Engine::forget() {
  media_.forget();
  conversation_.forget();
  if (draft_) draft_->forget();
}

std::vector<int64_t> Engine::Prompt::rows_per_medium() const {
  std::vector<int64_t> rows;
  for (const auto& medium : media) rows.push_back(medium->encoded.rows());
  return rows;
}

std::vector<Engine::Prompt> Engine::assemble(std::span<const Request> requests, nn::Probe* probe) {
  Stopwatch watch;
  std::vector<families::MediaSource> sources;
  std::vector<size_t> counts;
  for (const Request& request : requests) {
    auto own = media_sources(request);
    counts.push_back(own.size());
    sources.insert(sources.end(), std::make_move_iterator(own.begin()),
                   std::make_move_iterator(own.end()));
  }
  const auto media = media_.load(sources, probe);
  const double encode_seconds = watch.lap();
  std::vector<Prompt> prompts(requests.size());
  auto next = media.begin();
  for (size_t i = 0; i < requests.size(); ++i) {
    Prompt& prompt = prompts[i];
    prompt.media.assign(next, next + static_cast<std::ptrdiff_t>(counts[i]));
    next += static_cast<std::ptrdiff_t>(counts[i]);
    prompt.encode_seconds = encode_seconds;
    prompt.segments = families::prompt_segments(*family_, requests[i], prompt.rows_per_medium());
    std::vector<families::AlignedMedia> aligned;
    for (const auto& medium : prompt.media) aligned.push_back({&medium->encoded, medium->id});
    prompt.sequence = families::build_sequence(prompt.segments, aligned, family_->language_model());
    check_prompt_length(prompt.sequence.length(), prompt.media, *family_);
  }
  return prompts;
}

void check_prompt_length(int64_t length, std::span<const std::shared_ptr<const CachedMedia>> media,
                         const families::Family& family) {
  const int64_t limit = family.context_length();
  if (length < limit) return;
  int64_t media_rows = 0;
  for (const auto& medium : media) media_rows += medium->encoded.rows();
  throw ResourceError(
      fmt::format("the prompt is {} tokens long ({} of them pictures); the model's context holds "
                  "{}, the answer "
                  "included. Shorten the text, show fewer pictures, or start the conversation anew",
                  length, media_rows, limit));
}

Rows Engine::continued(const Prompt& prompt, const GenerationConfig& config) {
  return conversation_.rows(prompt.sequence, family_->late_marker(config),
                            family_->decode_overlap(config, prompt.segments));
}

Guesses Engine::guesses_for(const Request& request, const Prompt& prompt,
                            const families::StopRules& rules) {
  const GenerationConfig& config = request.generate;
  // What ends an answer is the last of it, and behind a marker nothing reads what it would have.
  std::vector<int64_t> never = rules.ids;
  never.insert(never.end(), config.stop_ids.begin(), config.stop_ids.end());
  never.push_back(family_->media_marker());
  Guesses guesses(std::move(never));
  if (config.prompt_lookup_num_tokens > 0)
    guesses.add(std::make_unique<PromptLookup>(prompt.segments), config.prompt_lookup_num_tokens);
  if (draft_ && config.num_assistant_tokens > 0)
    guesses.add(draft_->source(request, prompt.segments), config.num_assistant_tokens);
  return guesses;
}

GenerationConfig Engine::capped(const GenerationConfig& config, int64_t prompt_length) const {
  generation::check_generation_config(config);
  GenerationConfig capped = config;
  capped.max_new_tokens =
      std::min(config.max_new_tokens, family_->context_length() - prompt_length);
  return capped;
}

Answer Engine::generate(const Request& request, const TextCallback& on_text) {
  if (request.generate.num_beams > 1) {
    Answer answer = std::move(generate_batch(std::span(&request, 1)).front());
    if (on_text && !answer.text.empty()) on_text(answer.text);
    return answer;
  }
  const ArithmeticMode mode(composed_);
  const Prompt prompt = std::move(assemble(std::span(&request, 1), nullptr).front());
  const GenerationConfig config = capped(request.generate, prompt.sequence.length());
  const families::StopRules rules = family_->stop_rules(request);
  auto constraint = constraints_.for_answer(config, rules.ids);

  Answer answer;
  Stopwatch watch;
  Rows rows = continued(prompt, config);
  Tensor logits = rows.last_logits(rows.prefill());
  answer.timings.reused_tokens = conversation_.reused();
  answer.timings.prefill = watch.lap();

  TextStream text(family_->tokenizer(), stop_strings(request, rules));
  generation::Continuation continuation(
      config, rules.ids, family_->seen_before(prompt.segments),
      [&](int64_t token) { return text.push(token); }, std::move(constraint));
  Guesses guesses = guesses_for(request, prompt, rules);
  std::vector<int64_t> guessed;  // Row i of the logits follows the first i of them.
  while (true) {
    size_t right = 0;
    int64_t token = 0;
    while (true) {
      token = continuation.extend(as_span(logits[static_cast<int64_t>(right)]));
      const std::string piece = text.take();
      if (!piece.empty() && on_text && !on_text(piece) && !continuation.finished())
        continuation.cancel();
      if (continuation.finished() || right == guessed.size() || guessed[right] != token) break;
      ++right;
    }
    guesses.note(static_cast<int64_t>(right));
    rows.retract(static_cast<int64_t>(guessed.size() - right));
    if (continuation.finished()) break;
    Stopwatch guessing;
    const std::vector<int64_t>& chosen = continuation.tokens();
    guessed = guesses.next(chosen, config.max_new_tokens - std::ssize(chosen));
    answer.timings.guess += guessing.lap();
    std::vector<int64_t> step = {token};
    step.insert(step.end(), guessed.begin(), guessed.end());
    logits = rows.all_logits(rows.step(step)).squeeze(0);
  }
  // The last token was not read.
  for (const int64_t token :
       std::span(continuation.tokens()).first(continuation.tokens().size() - 1))
    conversation_.append(prompt.sequence.key_after(token, family_->media_marker()));
  text.finish();
  if (const std::string rest = text.take(); !rest.empty() && on_text) on_text(rest);

  conclude(answer, {continuation.tokens(), *continuation.finished()}, text);
  answer.timings.encode = prompt.encode_seconds;
  answer.timings.decode = watch.lap();
  answer.timings.prompt_tokens = prompt.sequence.length();
  answer.timings.guessed_tokens = guesses.guessed();
  answer.timings.accepted_tokens = guesses.right();
  return answer;
}

std::vector<Answer> Engine::generate_batch(std::span<const Request> requests) {
  const ArithmeticMode mode(composed_);
  if (requests.empty()) return {};
  const std::vector<Prompt> prompts = assemble(requests, nullptr);
  const auto overlap_of = [&](size_t i) {
    return family_->decode_overlap(requests[i].generate, prompts[i].segments);
  };
  const int64_t overlap = overlap_of(0);
  for (size_t i = 1; i < requests.size(); ++i)
    // Rows that do not go on at the same place of the cache cannot be stepped together.
    if (overlap_of(i) != overlap) return generate_singly(requests);
  int64_t longest = 0, most_new = 0;
  std::vector<families::Sequence> sequences;
  for (const Prompt& prompt : prompts) {
    longest = std::max(longest, prompt.sequence.length());
    sequences.push_back(prompt.sequence);
  }
  std::vector<TextStream> texts;
  std::vector<Growing> growing;
  std::vector<Answer> answers(requests.size());
  texts.reserve(requests.size());  // the matchers point into it
  for (size_t i = 0; i < requests.size(); ++i) {
    const GenerationConfig config = capped(requests[i].generate, longest);
    most_new = std::max(most_new, config.max_new_tokens);
    const families::StopRules rules = family_->stop_rules(requests[i]);
    TextStream& text = texts.emplace_back(family_->tokenizer(), stop_strings(requests[i], rules));
    const auto seen = family_->seen_before(prompts[i].segments);
    const bool whole = family_->beams_count_prompt();
    // Quirk: the reference counts a prompt with the padding of its batch.
    growing.emplace_back(
        config, rules, seen, whole, whole ? longest : static_cast<int64_t>(seen.size()),
        [&text](int64_t token) { return text.push(token); },
        constraints_.for_answer(config, rules.ids));
    answers[i].timings.encode = prompts[i].encode_seconds;
    answers[i].timings.prompt_tokens = prompts[i].sequence.length();
  }

  Stopwatch watch;
  Rows rows(*family_, sequences,
            family_->new_cache(static_cast<int64_t>(requests.size()), longest + most_new),
            family_->late_marker(requests.front().generate), overlap);
  Tensor logits = rows.last_logits(rows.prefill());
  const double prefill_seconds = watch.lap();

  struct Open {
    size_t answer;
    int64_t first_row, rows;
  };
  std::vector<Open> open;
  for (size_t i = 0; i < requests.size(); ++i) open.push_back({i, static_cast<int64_t>(i), 1});
  const int64_t vocab_size = family_->language_model().vocab_size();
  while (true) {
    // Every open answer names the rows it continues from; the rows of finished ones are dropped.
    std::vector<Open> next;
    std::vector<int64_t> parents, tokens;
    for (const Open& from : open) {
      const auto choices = growing[from.answer].extend(
          as_span(logits.narrow(0, from.first_row, from.rows)), vocab_size);
      if (growing[from.answer].finished()) continue;
      next.push_back({from.answer, static_cast<int64_t>(parents.size()),
                      static_cast<int64_t>(choices.size())});
      for (const generation::BeamChoice& choice : choices) {
        parents.push_back(from.first_row + choice.parent);
        tokens.push_back(choice.token);
      }
    }
    if (next.empty()) break;
    open = std::move(next);
    rows.reorder(parents);
    logits = rows.last_logits(rows.step(tokens));
  }
  const double decode_seconds = watch.lap();

  for (size_t i = 0; i < requests.size(); ++i) {
    const generation::Generated generated = growing[i].result();
    if (requests[i].generate.num_beams > 1) {
      const auto ends = family_->stop_rules(requests[i]).ids;
      for (const int64_t token : without_end(generated.tokens, ends))
        if (texts[i].push(token)) break;
    }
    texts[i].finish();
    conclude(answers[i], generated, texts[i]);
    answers[i].timings.prefill = prefill_seconds;
    answers[i].timings.decode = decode_seconds;
  }
  return answers;
}

std::vector<Answer> Engine::generate_singly(std::span<const Request> requests) {
  std::vector<Answer> answers;
  for (size_t i = 0; i < requests.size(); ++i)
    answers.push_back(std::move(generate_batch(requests.subspan(i, 1)).front()));
  return answers;
}

std::vector<std::vector<double>> Engine::rank(std::span<const Request> contexts,
                                              std::span<const std::string> class_names,
                                              const RankOptions& options) {
  const ArithmeticMode mode(composed_);
  if (contexts.empty()) return {};
  std::vector<std::vector<int64_t>> names;
  size_t longest_name = 0;
  for (const std::string& name : class_names) {
    const text::TextSpan span{name, false};
    names.push_back(family_->tokenizer()->encode(std::span(&span, 1), false));
    if (names.back().empty())
      throw UsageError(fmt::format("the class name \"{}\" has no tokens", name));
    longest_name = std::max(longest_name, names.back().size());
  }
  std::vector<families::Sequence> sequences;
  int64_t longest = 0;
  for (const Prompt& prompt : assemble(contexts, nullptr)) {
    longest = std::max(longest, prompt.sequence.length());
    sequences.push_back(prompt.sequence);
  }
  const auto room = longest + static_cast<int64_t>(longest_name);
  if (room > family_->context_length())
    throw ResourceError(fmt::format(
        "the contexts and class names are up to {} tokens long, the model's context holds {}", room,
        family_->context_length()));
  const auto count = static_cast<int64_t>(contexts.size());
  Rows rows(*family_, sequences, family_->new_cache(count, room), families::LateMarker::kIgnored);
  const Tensor first = rows.last_logits(rows.prefill()).log_softmax(-1);

  std::vector<std::vector<double>> scores(contexts.size());
  for (int64_t context = 0; context < count; ++context)
    for (const auto& name : names)
      scores[static_cast<size_t>(context)].push_back(first[context][name.front()].item<double>());
  // Names of several tokens: as many (context, name) pairs at once as make a good product.
  std::vector<std::pair<int64_t, size_t>> pairs;
  for (int64_t context = 0; context < count; ++context)
    for (size_t name = 0; name < names.size(); ++name)
      if (names[name].size() > 1) pairs.emplace_back(context, name);
  constexpr size_t kPairsAtOnce = 32;
  for (size_t begin = 0; begin < pairs.size(); begin += kPairsAtOnce) {
    const auto group =
        std::span(pairs).subspan(begin, std::min(kPairsAtOnce, pairs.size() - begin));
    size_t width = 0;
    for (const auto& [context, name] : group) width = std::max(width, names[name].size() - 1);
    std::vector<int64_t> parents, tokens;
    for (const auto& [context, name] : group) {
      parents.push_back(context);
      // Nothing after the name looks back on what fills the row.
      for (size_t i = 0; i < width; ++i)
        tokens.push_back(names[name][std::min(i, names[name].size() - 1)]);
    }
    Rows forked = rows.repeated(parents);
    const Tensor logits =
        family_->language_model().logits(forked.step(tokens)).detach().log_softmax(-1);
    for (size_t row = 0; row < group.size(); ++row) {
      const auto& [context, name] = group[row];
      for (size_t i = 1; i < names[name].size(); ++i)
        scores[static_cast<size_t>(context)][name] +=
            logits[static_cast<int64_t>(row)][static_cast<int64_t>(i - 1)][names[name][i]]
                .item<double>();
    }
  }
  if (options.normalize_length)
    for (auto& row : scores)
      for (size_t name = 0; name < names.size(); ++name)
        row[name] /= static_cast<double>(names[name].size());
  return scores;
}

}  // namespace isthmus::engine
