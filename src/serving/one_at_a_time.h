// The simplest service: one engine, one thread, one question after the other.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "engine/engine.h"
#include "serving/service.h"

namespace isthmus::serving {

// Answers in the order of the questions, each as the engine alone would. It keeps no probabilities
// and holds no answer to a form; both are refused.
class OneAtATime : public Service {
 public:
  // `longest_queue`: questions that wait behind the one that is answered.
  OneAtATime(std::unique_ptr<engine::Engine> engine, Card card, size_t longest_queue);
  ~OneAtATime() override;

  std::unique_ptr<Ticket> ask(Question question) override;
  int64_t count_tokens(const Request& request) override;
  std::vector<std::vector<float>> embed(const std::vector<Part>& inputs) override;
  Card card() const override { return card_; }
  Load load() const override;
  void drain(Clock::time_point until) override;

 private:
  struct Job;
  void work();
  // Waits for it. Threads that ask would each keep a set of computing threads of their own.
  void on_worker(std::function<void()> task);
  void answer(Job& job);
  // False when the question is to end here.
  bool answer_once(Job& job, int64_t number);
  std::vector<float> point_of(const Part& input);

  std::unique_ptr<engine::Engine> engine_;  // of the worker
  const Card card_;
  const size_t longest_queue_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::shared_ptr<Job>> waiting_;      // guarded by mutex_
  std::deque<std::packaged_task<void()>> tasks_;  // guarded by mutex_; before questions
  std::shared_ptr<Job> running_;                  // guarded by mutex_
  bool closed_ = false, stopping_ = false;        // guarded by mutex_
  Load counted_;                                  // guarded by mutex_
  double seconds_per_question_ = 1;               // guarded by mutex_; recent ones weigh more
  std::thread worker_;
};

}  // namespace isthmus::serving
