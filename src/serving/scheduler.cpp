#include "serving/scheduler.h"

#include <algorithm>
#include <cmath>
#include <future>
#include <utility>

#include <fmt/format.h>

#include "base/system_memory.h"
#include "engine/answering.h"
#include "generation/generation_config.h"
#include "isthmus/error.h"
#include "serving/prompts.h"

namespace isthmus::serving {
namespace {

constexpr int64_t kMostAnswers = 128, kMostTopLogprobs = 20;
// So many of those who wait are made ready while there is no room for them yet: their media lie in
// memory.
constexpr size_t kReadyAhead = 8;
constexpr auto kLongestRetry = std::chrono::seconds(60);

int64_t pages_of(families::Family& family, const SchedulerOptions& options) {
  const int64_t page =
      nn::PagePool::page_bytes(family.language_model().cache_geometry(), family.cache_storage());
  const auto for_rows = [](int64_t rows) {
    return (rows + nn::PagePool::kPositions - 1) / nn::PagePool::kPositions;
  };
  if (options.max_running < 1 || options.max_waiting < 1 || options.rows_per_pass < 1 ||
      options.cache_bytes < 0)
    throw UsageError(fmt::format(
        "a server needs at least one answer at a time, one place in its queue and one row in a "
        "pass; "
        "found {}, {} and {}, and {} bytes for keys and values",
        options.max_running, options.max_waiting, options.rows_per_pass, options.cache_bytes));
  if (options.cache_bytes > 0) return std::max<int64_t>(options.cache_bytes / page, 1);
  // What all answers need at most; memory is only taken when it is used.
  const int64_t most = options.max_running * for_rows(family.context_length());
  const int64_t free = available_memory().value_or(int64_t{4} << 30) / 4;
  return std::clamp<int64_t>(free / page, 1, most);
}

}  // namespace

Scheduler::Scheduler(std::shared_ptr<families::Family> family, Card card,
                     const SchedulerOptions& options)
    : family_(std::move(family)),
      card_(std::move(card)),
      options_(options),
      constraints_(family_->tokenizer()),
      desk_(*family_),
      runner_(*family_, {pages_of(*family_, options), options.max_running, options.rows_per_pass}),
      thread_([this] { run(); }) {}

Scheduler::~Scheduler() {
  {
    const std::lock_guard lock(mutex_);
    draining_ = cancel_all_ = ends_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

// ---- What others call.

namespace {

// From what an API calls it to what generation does.
void take_form(Question& question) {
  if (!question.form) return;
  if (question.form->text.empty()) throw UsageError("the schema or grammar of the answer is empty");
  GenerationConfig& config = question.request.generate;
  const bool is_schema = question.form->kind == OutputForm::Kind::kJsonSchema;
  (is_schema ? config.json_schema : config.grammar) = std::move(question.form->text);
  question.form.reset();
}

}  // namespace

void Scheduler::check(const Question& question) const {
  const GenerationConfig& config = question.request.generate;
  generation::check_generation_config(config);
  if (config.num_beams > 1)
    throw UsageError("num_beams: a server answers greedily or by sampling, not with beams");
  if (question.answers < 1 || question.answers > std::min(kMostAnswers, options_.max_running))
    throw UsageError(fmt::format("the number of answers: expected 1 to {}, found {}",
                                 std::min(kMostAnswers, options_.max_running), question.answers));
  if (const auto& top = question.top_logprobs; top && (*top < 0 || *top > kMostTopLogprobs))
    throw UsageError(
        fmt::format("top_logprobs: expected 0 to {}, found {}", kMostTopLogprobs, *top));
  if (!question.aligner.empty())
    throw UsageError(
        fmt::format("there is no aligner \"{}\" besides the model's own", question.aligner));
}

std::unique_ptr<Ticket> Scheduler::ask(Question question) {
  take_form(question);
  check(question);
  // What is wrong with a schema or a grammar is said here, and not when its turn has come.
  if (const GenerationConfig& config = question.request.generate;
      !config.json_schema.empty() || !config.grammar.empty())
    constraints_.for_answer(config, family_->stop_rules(question.request).ids);
  auto asked = std::make_shared<Asked>();
  asked->constraints = &constraints_;
  asked->unfinished = question.answers;
  asked->question = std::move(question);
  asked->mailbox = std::make_shared<Mailbox>();
  {
    const std::lock_guard lock(mutex_);
    const auto waiting = static_cast<double>(load_.waiting);
    if (draining_ || load_.waiting >= options_.max_waiting) {
      // Until half of those who wait are gone.
      const auto seconds = std::chrono::seconds(
          static_cast<int64_t>(std::ceil(seconds_between_ends_ * waiting / 2)));
      throw Busy{std::clamp(seconds, std::chrono::seconds(1), kLongestRetry)};
    }
    inbox_.push_back(asked);
    ++load_.waiting;
    idle_now_ = false;
  }
  wake_.notify_all();
  return ticket_of(asked->mailbox);
}

void Scheduler::perform(std::vector<families::MediaSource> sources,
                        std::function<void(const Media&)> finish) {
  // Shared: who fulfils it may still be at it when the other has what it waited for.
  const auto promise = std::make_shared<std::promise<void>>();
  {
    const std::lock_guard lock(mutex_);
    if (draining_) throw Busy{std::chrono::seconds(1)};
    new_errands_.push_back({Gathering(std::move(sources)), std::move(finish),
                            [promise](const std::exception_ptr& error) {
                              if (error)
                                promise->set_exception(error);
                              else
                                promise->set_value();
                            }});
    idle_now_ = false;
  }
  wake_.notify_all();
  promise->get_future().get();
}

int64_t Scheduler::count_tokens(const Request& request) {
  auto sources = engine::media_sources(request);
  // Text is counted without the model.
  if (sources.empty()) return count_rows(*family_, request, {});
  int64_t count = 0;
  perform(std::move(sources),
          [&](const Media& media) { count = count_rows(*family_, request, media); });
  return count;
}

std::vector<std::vector<float>> Scheduler::embed(const std::vector<Part>& inputs) {
  std::vector<std::vector<float>> points;
  for (const Part& input : inputs) {
    Request alone;
    if (input.type == Part::Type::kMedia) alone.prompt.push_back(input);
    // One errand each, so that answers go on between them.
    perform(engine::media_sources(alone), [&](const Media& media) {
      points.push_back(media.empty() ? embed_text(*family_, input.text)
                                     : embed_medium(*media.front()));
    });
  }
  return points;
}

Load Scheduler::load() const {
  const std::lock_guard lock(mutex_);
  return load_;
}

void Scheduler::drain(Clock::time_point until) {
  std::unique_lock lock(mutex_);
  draining_ = true;
  if (idle_.wait_until(lock, until, [&] { return idle_now_; })) return;
  cancel_all_ = true;
  wake_.notify_all();
  idle_.wait(lock, [&] { return idle_now_; });
}

// ---- The scheduler's thread.

void Scheduler::run() {
  const engine::ArithmeticMode mode(/*composed=*/false);
  while (take_in()) {
    end_abandoned();
    prepare();
    admit();
    runner_.pass();
    publish();
  }
}

bool Scheduler::take_in() {
  std::unique_lock lock(mutex_);
  const bool busy = !waiting_.empty() || !errands_.empty() || !runner_.empty();
  if (!busy) {
    idle_now_ = inbox_.empty() && new_errands_.empty();
    if (idle_now_) idle_.notify_all();
    wake_.wait(lock, [&] { return ends_ || !inbox_.empty() || !new_errands_.empty(); });
    if (inbox_.empty() && new_errands_.empty()) return false;
  }
  for (auto& asked : inbox_) {
    auto sources = engine::media_sources(asked->question.request);
    waiting_.push_back({std::move(asked), Gathering(std::move(sources))});
  }
  inbox_.clear();
  std::ranges::move(new_errands_, std::back_inserter(errands_));
  new_errands_.clear();
  if (cancel_all_) {
    runner_.cancel();
    for (Waiting& waiting : waiting_) waiting.asked->mailbox->cancel();
  }
  return true;
}

void Scheduler::end_abandoned() {
  runner_.end_abandoned();
  const auto now = Clock::now();
  std::erase_if(waiting_, [&](Waiting& waiting) {
    const std::string reason = abandoned(*waiting.asked, now);
    if (reason.empty()) return false;
    for (int64_t index = 0; index < waiting.asked->question.answers; ++index)
      end_unbegun(*waiting.asked, index, reason);
    return true;
  });
}

// One medium is encoded, or one errand done, and what needs neither is made ready.
void Scheduler::prepare() {
  if (!errands_.empty() && step(errands_.front())) errands_.pop_front();
  for (size_t i = 0; i < std::min(kReadyAhead, waiting_.size());) {
    if (waiting_[i].asked->prompt) {
      ++i;
      continue;
    }
    const bool encodes = !waiting_[i].gathering.complete();
    step(waiting_[i]);
    if (waiting_[i].asked->unfinished == 0) {
      waiting_.erase(waiting_.begin() + static_cast<std::ptrdiff_t>(i));
    } else {
      ++i;
    }
    if (encodes) return;
  }
}

// A question that fails has no answers left to finish.
void Scheduler::step(Waiting& waiting) {
  const auto begin = Clock::now();
  try {
    if (!waiting.gathering.complete()) waiting.gathering.step(desk_);
    waiting.encode_seconds += std::chrono::duration<double>(Clock::now() - begin).count();
    if (!waiting.gathering.complete()) return;
    make_prompt(*waiting.asked, *family_, waiting.gathering.media(), waiting.encode_seconds,
                runner_.capacity());
  } catch (const std::exception& error) {
    fail(*waiting.asked, error);
  }
}

// True: it is done.
bool Scheduler::step(Errand& errand) {
  try {
    if (!errand.gathering.complete()) {
      errand.gathering.step(desk_);
      return false;
    }
    errand.finish(errand.gathering.media());
    errand.done(nullptr);
  } catch (...) {
    errand.done(std::current_exception());
  }
  return true;
}

void Scheduler::admit() {
  // In the order in which they came, but nobody waits for another's media.
  for (auto waiting = waiting_.begin(); waiting != waiting_.end();) {
    if (!waiting->asked->prompt) {
      ++waiting;
      continue;
    }
    if (!runner_.has_room(*waiting->asked)) return;
    runner_.admit(std::move(waiting->asked));
    waiting = waiting_.erase(waiting);
  }
}

void Scheduler::publish() {
  const Runner::Counts& counts = runner_.counts();
  const int64_t running = runner_.questions();
  const std::lock_guard lock(mutex_);
  // Those who ended since the last pass, as far as they were running.
  const int64_t ended = load_.running + load_.waiting - running -
                        static_cast<int64_t>(waiting_.size() + inbox_.size());
  if (ended > 0) {
    const auto now = Clock::now();
    const double each =
        std::chrono::duration<double>(now - last_end_).count() / static_cast<double>(ended);
    constexpr double kWeight = 0.2;  // of the newest in the running mean
    seconds_between_ends_ += kWeight * (each - seconds_between_ends_);
    last_end_ = now;
  }
  load_.running = running;
  load_.waiting = static_cast<int64_t>(waiting_.size() + inbox_.size());
  load_.kv_cache_usage = runner_.page_usage();
  load_.prompt_tokens = counts.prompt_tokens;
  load_.generation_tokens = counts.generation_tokens;
  load_.prefix_queries = counts.prefix_queries;
  load_.prefix_hits = counts.prefix_hits;
  load_.media_queries = desk_.queries();
  load_.media_hits = desk_.hits();
  load_.preemptions = counts.preemptions;
}

}  // namespace isthmus::serving
