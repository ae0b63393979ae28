// The Service: one thread answers many questions at once, pass by pass.    Yu et al. 2022 (Orca),
// §3
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/disk_cache.h"
#include "families/family.h"
#include "generation/constraints.h"
#include "isthmus/model.h"
#include "serving/fair_order.h"
#include "serving/media_desk.h"
#include "serving/runner.h"
#include "serving/service.h"

namespace isthmus::serving {

struct SchedulerOptions {
  int64_t cache_bytes = 0;    // of keys and values; 0: a quarter of the memory that is free
  int64_t max_running = 32;   // answers
  int64_t max_waiting = 256;  // questions
  int64_t rows_per_pass = 256;
  std::shared_ptr<DiskCache> media_files = {};  // null: what media become is kept in memory alone
};

// Clients take turns, and each is served in the order in which it asked (FairOrder). Media are
// loaded one at a time: while a thread prepares one, passes go on, and between the blocks of its
// encoder too, as often as those need it who wait for a next token. What is known of media, and of
// the beginnings of prompts, is kept as long as there is room. All arithmetic of the model happens
// in the scheduler's own thread; the public functions may be called from any other.
class Scheduler : public Service {
 public:
  // `load`: how weights of aligners that are added are held.
  Scheduler(std::shared_ptr<families::Family> family, Card card, const SchedulerOptions& options,
            LoadOptions load = {});
  // Cancels what is left.
  ~Scheduler() override;

  std::unique_ptr<Ticket> ask(Question question) override;
  int64_t count_tokens(const Request& request, const std::string& aligner) override;
  std::vector<std::vector<float>> embed(const std::vector<Part>& inputs,
                                        const std::string& aligner) override;
  void add_aligner(const std::string& name, const std::filesystem::path& folder) override;
  void remove_aligner(const std::string& name) override;
  Card card() const override;
  Load load() const override;
  void drain(Clock::time_point until) override;

 private:
  // A question until it is admitted.
  struct Waiting {
    std::shared_ptr<Asked> asked;
    Gathering gathering;
    int64_t turn;
    double encode_seconds = 0;
  };
  // Something small that needs media or the model, for a caller who stands and waits.
  struct Errand {
    Gathering gathering;
    std::function<void(const Media&)> finish;
    std::function<void(std::exception_ptr)> done;
  };

  void run();
  bool wait_for_work();  // false: the scheduler ends
  // Everything but media, once: false when no pass was due.
  bool turn();
  void take_in();
  void end_abandoned();
  void make_ready();
  void admit();
  void publish();
  // Loads one medium of those who wait, or does one errand; `turn` is called meanwhile.
  void serve_media();
  void load_next(Waiting& waiting);
  void run_errand(Errand errand);
  // Between two blocks of an encoder.
  void interrupt();
  void leave_queue(const Asked& asked);
  void perform(std::shared_ptr<const Variant> variant, std::vector<families::MediaSource> sources,
               std::function<void(const Media&)> finish);
  void check(const Question& question) const;
  void check_free(const std::string& name) const;
  std::shared_ptr<const Variant> variant(const std::string& name) const;  // throws NoSuchAligner

  const std::shared_ptr<const Variant> own_;
  const Card card_;  // without aligners
  SchedulerOptions options_;
  LoadOptions load_options_;
  generation::Constraints constraints_;  // any thread

  // Of the scheduler's thread alone.
  MediaDesk desk_;
  Runner runner_;
  FairOrder order_;
  std::deque<std::shared_ptr<Waiting>> waiting_;  // by their turns
  std::deque<Errand> errands_;
  Clock::time_point last_end_ = Clock::now();
  const Asked* loading_ = nullptr;  // whose medium is being loaded; null: nobody's, or an errand's
  Clock::time_point turned_, block_;  // the end of the last turn, and of the encoder's last block
  double seconds_in_turns_ = 0, seconds_around_passes_ = 0;

  mutable std::mutex mutex_;
  std::condition_variable wake_, idle_;
  // Guarded by mutex_:
  std::deque<std::shared_ptr<Asked>> inbox_;
  std::map<std::string, int64_t> waiting_of_client_;
  std::deque<Errand> new_errands_;
  Load load_;
  std::vector<std::shared_ptr<const Variant>> variants_;  // that were added
  int64_t models_ = 1;                                    // Variant::model, so far
  double seconds_between_ends_ = 1;                       // of questions, of late
  bool idle_now_ = true, draining_ = false, cancel_all_ = false, ends_ = false;

  std::thread thread_;  // last: it uses all of the above
};

}  // namespace isthmus::serving
