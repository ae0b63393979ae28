#include "serving/one_at_a_time.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <exception>
#include <new>
#include <utility>

#include "engine/answering.h"
#include "isthmus/error.h"
#include "nn/forward_context.h"

namespace isthmus::serving {

// A question, and what has happened to it so far. Shared by the worker and the ticket.
struct OneAtATime::Job {
  Question question;
  std::atomic<bool> cancelled = false;

  std::mutex mutex;
  std::condition_variable changed;
  std::deque<Event> events;  // guarded by mutex
  bool complete = false;     // guarded by mutex: nothing is added any more

  void put(Event event, bool last) {
    {
      const std::lock_guard lock(mutex);
      events.push_back(std::move(event));
      complete = complete || last;
    }
    changed.notify_all();
  }
  // The answers from `number` on are not given.
  void end_early(int64_t number, const std::string& reason) {
    for (; number < question.answers; ++number)
      put(Finished{number, reason, "", {}}, number + 1 == question.answers);
  }
  bool late() const { return question.deadline && Clock::now() > *question.deadline; }
};

namespace {

// A probe that looks at nothing: with it, the last block computes every row.
class EveryRow : public nn::Probe {
 public:
  bool wants(std::string_view) const override { return false; }
  void see(std::string_view, const torch::Tensor&) override {}
};

std::vector<float> of_length_one(const torch::Tensor& rows) {
  const torch::Tensor mean = rows.reshape({-1, rows.size(-1)}).to(torch::kFloat32).mean(0);
  const torch::Tensor point = (mean / mean.norm().clamp_min(1e-12)).contiguous();
  const auto values = engine::as_span(point);
  return {values.begin(), values.end()};
}

template <typename Job>
class JobTicket : public Ticket {
 public:
  explicit JobTicket(std::shared_ptr<Job> job) : job_(std::move(job)) {}
  ~JobTicket() override { cancel(); }

  std::optional<Event> next(Clock::duration patience) override {
    std::unique_lock lock(job_->mutex);
    job_->changed.wait_for(lock, patience, [&] { return !job_->events.empty() || job_->complete; });
    if (job_->events.empty()) return std::nullopt;
    Event event = std::move(job_->events.front());
    job_->events.pop_front();
    return event;
  }
  bool done() const override {
    const std::lock_guard lock(job_->mutex);
    return job_->complete && job_->events.empty();
  }
  void cancel() override { job_->cancelled = true; }

 private:
  std::shared_ptr<Job> job_;
};

}  // namespace

OneAtATime::OneAtATime(std::unique_ptr<engine::Engine> engine, Card card, size_t longest_queue)
    : engine_(std::move(engine)),
      card_(std::move(card)),
      longest_queue_(longest_queue),
      worker_([this] { work(); }) {}

OneAtATime::~OneAtATime() {
  drain(Clock::now());
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  worker_.join();
}

std::unique_ptr<Ticket> OneAtATime::ask(Question question) {
  if (question.answers < 1) throw UsageError("expected one answer or more");
  if (!question.aligner.empty()) throw UsageError("this model has no other aligner than its own");
  if (question.top_logprobs)
    throw UnsupportedError("probabilities of tokens are not kept by this engine");
  if (question.form) throw UnsupportedError("answers of a given form are not made by this engine");
  auto job = std::make_shared<Job>();
  job->question = std::move(question);
  {
    const std::lock_guard lock(mutex_);
    // Places of those who have left are free.
    std::erase_if(waiting_, [](const auto& waits) {
      if (!waits->cancelled) return false;
      waits->end_early(0, "cancelled");
      return true;
    });
    if (closed_ || waiting_.size() >= longest_queue_) {
      const double wait = seconds_per_question_ * static_cast<double>(waiting_.size() + 1);
      throw Busy{std::chrono::seconds(std::clamp<int64_t>(std::llround(wait), 1, 600))};
    }
    waiting_.push_back(job);
  }
  changed_.notify_all();
  return std::make_unique<JobTicket<Job>>(std::move(job));
}

void OneAtATime::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [&] { return stopping_ || !waiting_.empty() || !tasks_.empty(); });
    if (!tasks_.empty()) {
      auto task = std::move(tasks_.front());
      tasks_.pop_front();
      lock.unlock();
      task();
      lock.lock();
      changed_.notify_all();
      continue;
    }
    if (waiting_.empty()) return;
    running_ = std::move(waiting_.front());
    waiting_.pop_front();
    const auto begin = Clock::now();
    lock.unlock();
    answer(*running_);
    lock.lock();
    const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
    seconds_per_question_ = 0.7 * seconds_per_question_ + 0.3 * seconds;
    running_.reset();
    changed_.notify_all();
  }
}

void OneAtATime::on_worker(std::function<void()> task) {
  std::packaged_task<void()> packaged(std::move(task));
  auto done = packaged.get_future();
  {
    const std::lock_guard lock(mutex_);
    if (closed_ || tasks_.size() >= longest_queue_) throw Busy{std::chrono::seconds(1)};
    tasks_.push_back(std::move(packaged));
  }
  changed_.notify_all();
  done.get();
}

void OneAtATime::answer(Job& job) {
  try {
    for (int64_t number = 0; number < job.question.answers; ++number)
      if (!answer_once(job, number)) return;
  } catch (const Error& error) {
    job.put(Failed{error.what(), error.exit_code()}, true);
  } catch (const std::bad_alloc&) {
    job.put(Failed{"out of memory", 70}, true);
  } catch (const std::exception& error) {
    job.put(Failed{error.what(), 70}, true);
  }
}

bool OneAtATime::answer_once(Job& job, int64_t number) {
  const bool last = number + 1 == job.question.answers;
  if (job.cancelled || job.late()) {
    job.end_early(number, job.cancelled ? "cancelled" : "deadline");
    return false;
  }
  Request request = job.question.request;
  request.generate.seed += static_cast<uint64_t>(number);
  if (number == 0) job.put(Admitted{engine_->sequence(request).length(), 0}, false);
  Answer answer = engine_->generate(request, [&](std::string_view piece) {
    job.put(Piece{number, std::string(piece), {}}, false);
    return !job.cancelled && !job.late();
  });
  if (answer.finish_reason == "cancelled" && !job.cancelled) answer.finish_reason = "deadline";
  {
    const std::lock_guard counts(mutex_);
    counted_.prompt_tokens += answer.timings.prompt_tokens;
    counted_.generation_tokens += answer.timings.generated_tokens;
    counted_.prefix_queries += answer.timings.prompt_tokens;
    counted_.prefix_hits += answer.timings.reused_tokens;
  }
  // Which of several strings ended it, the engine does not tell.
  job.put(Finished{number, answer.finish_reason, "", answer.timings}, last);
  return !last;
}

int64_t OneAtATime::count_tokens(const Request& request) {
  int64_t length = 0;
  on_worker([&] { length = engine_->sequence(request).length(); });
  return length;
}

std::vector<std::vector<float>> OneAtATime::embed(const std::vector<Part>& inputs) {
  std::vector<std::vector<float>> points;
  for (const Part& input : inputs) on_worker([&] { points.push_back(point_of(input)); });
  return points;
}

std::vector<float> OneAtATime::point_of(const Part& input) {
  const engine::ArithmeticMode mode(false);
  if (input.type == Part::Type::kMedia) {
    const families::MediaSource source{&input, input.modality};
    const auto media = engine_->media().load(std::span(&source, 1), nullptr);
    const families::EncodedMedia& encoded = media.front()->encoded;
    return of_length_one(encoded.tokens.defined() ? encoded.tokens : encoded.memory->latents);
  }
  Request request;
  request.prompt = {input};
  const families::Sequence sequence = engine_->sequence(request);
  families::Family& family = engine_->family();
  if (sequence.length() >= family.context_length())
    throw ResourceError("the text is longer than the context of the model");
  engine::Rows rows(family, std::span(&sequence, 1), family.new_cache(1, sequence.length()),
                    families::LateMarker::kIgnored);
  EveryRow every_row;
  return of_length_one(rows.prefill(&every_row));
}

Load OneAtATime::load() const {
  const std::lock_guard lock(mutex_);
  Load load = counted_;
  load.running = running_ ? 1 : 0;
  load.waiting = static_cast<int64_t>(waiting_.size());
  return load;
}

void OneAtATime::drain(Clock::time_point until) {
  std::unique_lock lock(mutex_);
  closed_ = true;
  const auto idle = [&] { return waiting_.empty() && tasks_.empty() && !running_; };
  if (changed_.wait_until(lock, until, idle)) return;
  for (const auto& job : waiting_) job->cancelled = true;
  if (running_) running_->cancelled = true;
  changed_.wait(lock, idle);
}

}  // namespace isthmus::serving
