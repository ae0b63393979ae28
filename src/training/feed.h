// The batches of a stage, made ready on a thread of their own while the last ones are learnt from.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "families/family.h"
#include "recipe/recipe.h"
#include "samples/mixture.h"

namespace isthmus::training {

// That are made ready before they are asked for.
inline constexpr size_t kBatchesAhead = 3;

struct MicroBatch {
  size_t entry = 0;
  std::vector<std::string> names;  // of the samples
  std::vector<families::Example> examples;
  std::vector<std::string> notes;  // samples that were left out, and why
  // Where the run stands once this batch is learnt from.
  samples::MixturePosition position;
  int64_t bad_samples = 0;
};

// The same batches in the same order however fast either side is. One reader.
class Feed {
 public:
  // Starts behind `bad_samples` broken ones at the mixture's position. Neither is touched by anyone
  // else until the feed is gone.
  Feed(const families::Family& family, const recipe::Stage& stage, samples::Mixture& data,
       samples::Share share, int64_t bad_samples);
  ~Feed();
  Feed(const Feed&) = delete;
  Feed& operator=(const Feed&) = delete;

  // Throws what making it threw: InputError when more samples are broken than the stage allows.
  MicroBatch next();

 private:
  void run();
  MicroBatch make(size_t entry, bool mixes);
  bool put(MicroBatch batch);

  const families::Family& family_;
  const recipe::Stage& stage_;
  samples::Mixture& data_;
  samples::Share share_;
  int64_t bad_samples_;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<MicroBatch> ready_;
  std::exception_ptr error_;
  bool stopped_ = false;
  std::thread thread_;
};

}  // namespace isthmus::training
