// What each part of a model takes, and how near it comes to what the machine can do.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "engine/engine.h"
#include "isthmus/model.h"
#include "machine_peaks.h"
#include "nn/work.h"

namespace isthmus::cli {

struct PartTime {
  std::string name;    // "prepare", "encoder", "aligner", "prefill", "decode"
  double seconds = 0;  // of "decode": per token
  nn::Work work;       // none where it is no arithmetic of ours: files, pictures, text

  // What `work` takes at least: its arithmetic at the processor's peaks, or its bytes at the
  // memory's.
  double least_seconds(const MachinePeaks& peaks) const;
  bool bound_by_memory(const MachinePeaks& peaks) const;
};

// The media of a request one after the other through preparation, encoder and aligner, median
// seconds of `repetitions` after one that is not counted. Empty without media.
std::vector<PartTime> time_media(engine::Engine& engine, const Request& request,
                                 int64_t repetitions);

// What an answer asks for: until its first token, media and all, and of each further one. It is
// given twice, with nothing known before, so caches are warm behind it.
struct AnswerWork {
  nn::Work first_token, step;
};
AnswerWork answer_work(engine::Engine& engine, const Request& request);
nn::Work minus(const nn::Work& a, const nn::Work& b);

nlohmann::ordered_json to_json(const PartTime& part, const MachinePeaks& peaks);
nlohmann::ordered_json to_json(const MachinePeaks& peaks);
// "  31.2 GOP    412 GOP/s   28 % of the arithmetic"; empty without work.
std::string rate_in_words(const PartTime& part, const MachinePeaks& peaks);

}  // namespace isthmus::cli
