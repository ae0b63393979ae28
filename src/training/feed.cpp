#include "training/feed.h"

#include <utility>

#include <fmt/format.h>

#include "isthmus/error.h"
#include "training/data_sets.h"

namespace isthmus::training {
namespace {}  // namespace

Feed::Feed(const families::Family& family, const recipe::Stage& stage, samples::Mixture& data,
           samples::Share share, int64_t bad_samples)
    : family_(family),
      stage_(stage),
      data_(data),
      share_(share),
      bad_samples_(bad_samples),
      thread_([this] { run(); }) {}

Feed::~Feed() {
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

MicroBatch Feed::next() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return !ready_.empty() || error_; });
  if (ready_.empty()) std::rethrow_exception(error_);
  MicroBatch batch = std::move(ready_.front());
  ready_.pop_front();
  changed_.notify_all();
  return batch;
}

bool Feed::put(MicroBatch batch) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return ready_.size() < kBatchesAhead || stopped_; });
  if (stopped_) return false;
  ready_.push_back(std::move(batch));
  changed_.notify_all();
  return true;
}

void Feed::run() {
  try {
    for (bool goes_on = true; goes_on;) {
      if (stage_.combine == recipe::Combine::kTogether) {
        for (size_t e = 0; e < data_.size() && goes_on; ++e) goes_on = put(make(e, false));
      } else {
        const bool mixes = stage_.combine == recipe::Combine::kSamples;
        goes_on = put(make(mixes ? 0 : data_.turn(), mixes));
      }
    }
  } catch (...) {
    const std::lock_guard lock(mutex_);
    error_ = std::current_exception();
    changed_.notify_all();
  }
}

MicroBatch Feed::make(size_t entry, bool mixes) {
  const size_t size = own_batch(stage_, entry, mixes, share_);
  MicroBatch micro;
  micro.entry = entry;
  while (micro.examples.size() < size) {
    const samples::Mixture::Drawn drawn = mixes ? data_.next() : data_.next_of(entry);
    try {
      DrawnExample found = draw_example(family_, stage_, data_, drawn);
      micro.examples.push_back(std::move(found.example));
      micro.names.push_back(std::move(found.name));
    } catch (const samples::BadSample& error) {
      micro.notes.push_back(fmt::format("left out: {}", error.what()));
      if (++bad_samples_ > stage_.bad_samples)
        throw InputError(
            fmt::format("stage {}: {} samples could not be used, more than the {} "
                        "that bad_samples allows; the last: {}",
                        stage_.name, bad_samples_, stage_.bad_samples, error.what()));
    }
    const std::lock_guard lock(mutex_);
    if (stopped_) return micro;
  }
  micro.position = data_.position();
  micro.bad_samples = bad_samples_;
  return micro;
}

}  // namespace isthmus::training
