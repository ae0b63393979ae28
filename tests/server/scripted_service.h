// A service whose answers a test decides.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "isthmus/error.h"
#include "serving/service.h"

namespace isthmus::server {

// What is answered to every question: "Hello", unless told otherwise.
struct Script {
  std::vector<std::string> pieces{"Hel", "lo"};
  std::string reason = "eos";
  std::chrono::milliseconds before_each{0};
  std::optional<serving::Failed> fails;         // in place of an answer
  std::optional<serving::Failed> breaks;        // behind the pieces
  std::optional<std::chrono::seconds> is_busy;  // ask() throws Busy
  bool endless = false;                         // the last piece comes again and again
};

// Any thread.
class ScriptedService : public serving::Service {
 public:
  struct Log {
    std::mutex mutex;
    std::vector<serving::Question> questions;  // guarded by mutex
    std::atomic<int> cancelled = 0, under_way = 0;
  };
  using Script = server::Script;

  explicit ScriptedService(Script script = {}, std::string name = "scripted")
      : script_(std::move(script)) {
    card_.name = std::move(name);
    card_.family = "llava";
    card_.modalities = {"image", "audio", "video"};
    card_.context_length = 2048;
    card_.conversation_template = "vicuna_v1";
  }

  std::shared_ptr<Log> log() { return log_; }

  std::unique_ptr<serving::Ticket> ask(serving::Question question) override {
    if (script_.is_busy) throw serving::Busy{*script_.is_busy};
    if (closed_) throw serving::Busy{std::chrono::seconds(1)};
    const int64_t answers = question.answers;
    {
      const std::lock_guard lock(log_->mutex);
      log_->questions.push_back(std::move(question));
    }
    return std::make_unique<Scripted>(script_, log_, answers);
  }
  int64_t count_tokens(const Request& request, const std::string&) override {
    return static_cast<int64_t>(request.messages.size()) * 10;
  }
  std::vector<std::vector<float>> embed(const std::vector<Part>& inputs,
                                        const std::string&) override {
    return std::vector<std::vector<float>>(inputs.size(), {1.0f, -0.5f});
  }
  // Of a folder that is called "broken", there is a complaint.
  void add_aligner(const std::string& name, const std::filesystem::path& folder) override {
    if (folder.filename() == "broken") throw ModelError(folder.string() + "/weights: are broken");
    const std::lock_guard lock(log_->mutex);
    card_.aligners.push_back(name);
  }
  void remove_aligner(const std::string& name) override {
    const std::lock_guard lock(log_->mutex);
    if (std::erase(card_.aligners, name) == 0) throw serving::NoSuchAligner{"no " + name};
  }
  serving::Card card() const override {
    const std::lock_guard lock(log_->mutex);
    return card_;
  }
  serving::Load load() const override {
    serving::Load load;
    load.running = log_->under_way;
    load.prompt_tokens = 42;
    return load;
  }
  void drain(serving::Clock::time_point until) override {
    closed_ = true;
    while (log_->under_way > 0 && serving::Clock::now() < until)
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }

 private:
  class Scripted : public serving::Ticket {
   public:
    Scripted(const Script& script, std::shared_ptr<Log> log, int64_t answers)
        : script_(script), log_(std::move(log)) {
      ++log_->under_way;
      if (script.fails) {
        events_.push_back(*script.fails);
        return;
      }
      events_.push_back(serving::Admitted{12, 4});
      for (int64_t answer = 0; answer < answers; ++answer) {
        for (const std::string& piece : script.pieces)
          events_.push_back(serving::Piece{answer, piece, {}});
        if (script.breaks) {
          events_.push_back(*script.breaks);
          return;
        }
        serving::Finished end{answer, script.reason, "", {}};
        end.timings.generated_tokens = static_cast<int64_t>(script.pieces.size());
        events_.push_back(std::move(end));
      }
    }
    ~Scripted() override {
      if (!done()) ++log_->cancelled;
      --log_->under_way;
    }
    std::optional<serving::Event> next(serving::Clock::duration patience) override {
      if (script_.before_each > patience) {
        std::this_thread::sleep_for(patience);
        waited_ += std::chrono::duration_cast<std::chrono::milliseconds>(patience);
        if (waited_ < script_.before_each) return std::nullopt;
      } else {
        std::this_thread::sleep_for(script_.before_each);
      }
      waited_ = {};
      if (done()) return std::nullopt;
      serving::Event event = events_.front();
      const bool repeats = script_.endless && std::holds_alternative<serving::Piece>(event);
      if (!repeats) events_.pop_front();
      return event;
    }
    bool done() const override { return events_.empty() || cancelled_; }
    void cancel() override {
      if (!done()) ++log_->cancelled;
      cancelled_ = true;
    }

   private:
    const Script script_;
    std::shared_ptr<Log> log_;
    std::deque<serving::Event> events_;
    std::chrono::milliseconds waited_{0};
    bool cancelled_ = false;
  };

  const Script script_;
  serving::Card card_;
  std::shared_ptr<Log> log_ = std::make_shared<Log>();
  std::atomic<bool> closed_ = false;
};

}  // namespace isthmus::server
