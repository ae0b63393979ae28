#include "serving/scheduler.h"

#include <algorithm>
#include <cmath>
#include <future>
#include <utility>

#include <fmt/format.h>

#include "base/system_memory.h"
#include "engine/answering.h"
#include "engine/media_disk.h"
#include "generation/generation_config.h"
#include "isthmus/error.h"
#include "serving/answer.h"
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
  const auto available = available_memory();
  if (available && options.cache_bytes > *available)
    throw ResourceError(fmt::format(
        "--kv-cache-size: keys and values were given {} bytes, and {} bytes of memory are free",
        options.cache_bytes, *available));
  if (options.cache_bytes > 0) return std::max<int64_t>(options.cache_bytes / page, 1);
  // What all answers need at most; memory is only taken when it is used.
  const int64_t most = options.max_running * for_rows(family.context_length());
  const int64_t free = available.value_or(int64_t{4} << 30) / 4;
  return std::clamp<int64_t>(free / page, 1, most);
}

std::shared_ptr<const Variant> own_variant(std::shared_ptr<families::Family> family) {
  auto loader = std::make_unique<engine::MediaLoader>(*family);
  return std::make_shared<const Variant>(Variant{"", std::move(family), 0, std::move(loader)});
}

}  // namespace

Scheduler::Scheduler(std::shared_ptr<families::Family> family, Card card,
                     const SchedulerOptions& options, LoadOptions load)
    : own_(own_variant(std::move(family))),
      card_(std::move(card)),
      options_(options),
      load_options_(std::move(load)),
      constraints_(own_->family->tokenizer()),
      desk_({.others =
                 [this] {
                   take_in();
                   return turn();
                 },
             .between_blocks = [this] { interrupt(); }}),
      runner_(*own_->family,
              {pages_of(*own_->family, options), options.max_running, options.rows_per_pass}),
      thread_([this] { run(); }) {
  // The thread looks at nothing before it is asked.
  if (options.media_files)
    own_->media->cache().keep_on(
        std::make_unique<engine::MediaDisk>(*own_->family, options.media_files));
}

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
}

std::unique_ptr<Ticket> Scheduler::ask(Question question) {
  take_form(question);
  check(question);
  const auto chosen = variant(question.aligner);
  // What is wrong with a schema or a grammar is said here, and not when its turn has come.
  if (const GenerationConfig& config = question.request.generate;
      !config.json_schema.empty() || !config.grammar.empty())
    constraints_.for_answer(config, chosen->family->stop_rules(question.request).ids);
  auto asked = std::make_shared<Asked>();
  asked->variant = chosen;
  asked->constraints = &constraints_;
  asked->unfinished = question.answers;
  asked->question = std::move(question);
  asked->mailbox = std::make_shared<Mailbox>();
  {
    const std::lock_guard lock(mutex_);
    const auto waiting = static_cast<double>(load_.waiting);
    // A client may fill as many places as it leaves free, so that there is room for another; who
    // is not told apart by a name shares the whole queue.
    const int64_t free = options_.max_waiting - load_.waiting;
    const auto own = waiting_of_client_.find(asked->question.client);
    const bool has_its_share =
        !asked->question.client.empty() && own != waiting_of_client_.end() && own->second > free;
    if (draining_ || free <= 0 || has_its_share) {
      // Until half of those who wait are gone.
      const auto seconds = std::chrono::seconds(
          static_cast<int64_t>(std::ceil(seconds_between_ends_ * waiting / 2)));
      throw Busy{std::clamp(seconds, std::chrono::seconds(1), kLongestRetry)};
    }
    inbox_.push_back(asked);
    ++load_.waiting;
    ++waiting_of_client_[asked->question.client];
    idle_now_ = false;
  }
  wake_.notify_all();
  return ticket_of(asked->mailbox);
}

void Scheduler::perform(std::shared_ptr<const Variant> variant,
                        std::vector<families::MediaSource> sources,
                        std::function<void(const Media&)> finish) {
  // Shared: who fulfils it may still be at it when the other has what it waited for.
  const auto promise = std::make_shared<std::promise<void>>();
  {
    const std::lock_guard lock(mutex_);
    if (draining_) throw Busy{std::chrono::seconds(1)};
    new_errands_.push_back({Gathering(std::move(variant), std::move(sources)), std::move(finish),
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

int64_t Scheduler::count_tokens(const Request& request, const std::string& aligner) {
  const auto chosen = variant(aligner);
  auto sources = engine::media_sources(request);
  // Text is counted without the model.
  if (sources.empty()) return count_rows(*chosen->family, request, {});
  int64_t count = 0;
  perform(chosen, std::move(sources),
          [&](const Media& media) { count = count_rows(*chosen->family, request, media); });
  return count;
}

std::vector<std::vector<float>> Scheduler::embed(const std::vector<Part>& inputs,
                                                 const std::string& aligner) {
  const auto chosen = variant(aligner);
  std::vector<std::vector<float>> points;
  for (const Part& input : inputs) {
    Request alone;
    if (input.type == Part::Type::kMedia) alone.prompt.push_back(input);
    // One errand each, so that answers go on between them.
    perform(chosen, engine::media_sources(alone), [&](const Media& media) {
      points.push_back(media.empty() ? embed_text(*chosen->family, input.text)
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

namespace {

// Nobody waits for the medium any more.
struct GivenUp {};

}  // namespace

void Scheduler::run() {
  const engine::ArithmeticMode mode(/*composed=*/false);
  while (wait_for_work()) {
    take_in();
    turn();
    serve_media();
    publish();
  }
}

bool Scheduler::wait_for_work() {
  if (!waiting_.empty() || !errands_.empty() || !runner_.empty()) return true;
  std::unique_lock lock(mutex_);
  idle_now_ = inbox_.empty() && new_errands_.empty();
  if (idle_now_) idle_.notify_all();
  wake_.wait(lock, [&] { return ends_ || !inbox_.empty() || !new_errands_.empty(); });
  return !inbox_.empty() || !new_errands_.empty();
}

void Scheduler::take_in() {
  const std::lock_guard lock(mutex_);
  for (auto& asked : inbox_) {
    auto sources = engine::media_sources(asked->question.request);
    const int64_t turn = order_.turn_of(asked->question.client, asked->question.answers);
    const auto place = std::ranges::upper_bound(
        waiting_, turn, {}, [](const std::shared_ptr<Waiting>& waiting) { return waiting->turn; });
    Gathering gathering(asked->variant, std::move(sources));
    waiting_.insert(place, std::make_shared<Waiting>(std::move(asked), std::move(gathering), turn));
  }
  inbox_.clear();
  std::ranges::move(new_errands_, std::back_inserter(errands_));
  new_errands_.clear();
  if (cancel_all_) {
    runner_.cancel();
    for (const auto& waiting : waiting_) waiting->asked->mailbox->cancel();
  }
}

bool Scheduler::turn() {
  const auto begin = Clock::now();
  make_ready();
  const auto ready = Clock::now();
  end_abandoned();
  admit();
  const bool passes = !runner_.empty();
  if (passes) runner_.pass();
  publish();
  turned_ = block_ = Clock::now();
  seconds_in_turns_ += seconds(begin, turned_);
  if (passes) seconds_around_passes_ += seconds(ready, turned_);
  return passes;
}

void Scheduler::leave_queue(const Asked& asked) {
  const std::lock_guard lock(mutex_);
  const auto place = waiting_of_client_.find(asked.question.client);
  if (--place->second == 0) waiting_of_client_.erase(place);
}

void Scheduler::end_abandoned() {
  runner_.end_abandoned();
  const auto now = Clock::now();
  std::erase_if(waiting_, [&](const std::shared_ptr<Waiting>& waiting) {
    const std::string reason = abandoned(*waiting->asked, now);
    if (reason.empty()) return false;
    for (int64_t index = 0; index < waiting->asked->question.answers; ++index)
      end_unbegun(*waiting->asked, index, reason);
    leave_queue(*waiting->asked);
    return true;
  });
}

// Of those whose media are known, the first get their prompts. A question that fails has no answers
// left to finish.
void Scheduler::make_ready() {
  for (size_t i = 0; i < std::min(kReadyAhead, waiting_.size());) {
    Waiting& waiting = *waiting_[i];
    if (!waiting.asked->prompt && waiting.gathering.complete()) {
      try {
        make_prompt(*waiting.asked, waiting.gathering.media(), waiting.encode_seconds,
                    runner_.capacity());
      } catch (const std::exception& error) {
        fail(*waiting.asked, error);
        leave_queue(*waiting.asked);
        waiting_.erase(waiting_.begin() + static_cast<std::ptrdiff_t>(i));
        continue;
      }
    }
    ++i;
  }
}

void Scheduler::admit() {
  // In the order of their turns, but nobody waits for another's media.
  for (auto place = waiting_.begin(); place != waiting_.end();) {
    Waiting& waiting = **place;
    if (!waiting.asked->prompt) {
      ++place;
      continue;
    }
    if (!runner_.has_room(*waiting.asked)) return;
    order_.begins(waiting.turn);
    leave_queue(*waiting.asked);
    runner_.admit(std::move(waiting.asked));
    place = waiting_.erase(place);
  }
}

void Scheduler::serve_media() {
  turned_ = block_ = Clock::now();
  if (!errands_.empty()) {
    Errand errand = std::move(errands_.front());
    errands_.pop_front();
    run_errand(std::move(errand));
  }
  const auto first = waiting_.begin();
  const auto end = first + static_cast<std::ptrdiff_t>(std::min(kReadyAhead, waiting_.size()));
  const auto next =
      std::find_if(first, end, [](const auto& waiting) { return !waiting->gathering.complete(); });
  if (next == end) return;
  const std::shared_ptr<Waiting> waiting = *next;  // turns may take it from the queue meanwhile
  load_next(*waiting);
}

void Scheduler::load_next(Waiting& waiting) {
  const std::shared_ptr<Asked> asked = waiting.asked;
  const auto begin = Clock::now();
  const double in_turns = seconds_in_turns_;
  loading_ = asked.get();
  try {
    waiting.gathering.step(desk_);
  } catch (const GivenUp&) {
  } catch (const std::exception& error) {
    if (asked->unfinished > 0) {
      fail(*asked, error);
      leave_queue(*asked);
      std::erase_if(waiting_, [&](const auto& other) { return other.get() == &waiting; });
    }
  }
  loading_ = nullptr;
  waiting.encode_seconds += seconds(begin, Clock::now()) - (seconds_in_turns_ - in_turns);
  runner_.note_other_work(seconds(turned_, Clock::now()));
}

void Scheduler::run_errand(Errand errand) {
  try {
    while (!errand.gathering.complete()) errand.gathering.step(desk_);
    errand.finish(errand.gathering.media());
    errand.done(nullptr);
  } catch (...) {
    errand.done(std::current_exception());
  }
  runner_.note_other_work(seconds(turned_, Clock::now()));
}

void Scheduler::interrupt() {
  if (loading_ != nullptr && loading_->unfinished == 0) throw GivenUp();
  const auto now = Clock::now();
  const double block = seconds(block_, now), since_turn = seconds(turned_, now);
  block_ = now;
  if (runner_.empty()) {
    const std::lock_guard lock(mutex_);
    if (inbox_.empty() && !cancel_all_) return;
  } else if (since_turn + block <= runner_.patience()) {
    return;  // the next block, as long as this one, still fits in
  }
  runner_.note_other_work(since_turn);
  take_in();
  turn();
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
    const double each = seconds(last_end_, now) / static_cast<double>(ended);
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
  if (const engine::MediaDisk* disk = own_->media->cache().disk()) {
    load_.media_disk_queries = disk->queries();
    load_.media_disk_hits = disk->hits();
  }
  load_.preemptions = counts.preemptions;
  load_.model_seconds = counts.model_seconds;
  load_.scheduling_seconds = seconds_around_passes_ - counts.model_seconds;
}

}  // namespace isthmus::serving
