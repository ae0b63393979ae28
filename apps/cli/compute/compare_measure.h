// What each aligner of a comparison has become, in numbers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "alignment/resampling.h"
#include "isthmus/model.h"
#include "layout/clip_vision_config.h"
#include "layout/language_model_shape.h"
#include "recipe/comparison.h"
#include "train_stage.h"
#include "training/held_out.h"
#include "watch/chart.h"

namespace isthmus::cli {

// The parts that no aligner changes.
struct FrozenParts {
  layout::ClipVisionConfig vision;
  layout::LanguageModelShape language;
};
// Throws ModelError where base or vision cannot be found or read.
FrozenParts open_frozen(const recipe::Recipe& recipe);

// Something to ask about a held-out picture; without a question its caption is asked for.
struct ShownQuestion {
  std::vector<std::byte> picture;  // the file
  std::string question, truth;
};
// Of the first samples that have a picture; of each another of its questions.
std::vector<ShownQuestion> shown_questions(const recipe::Stage& stage, size_t count);

// Of a picture and the question behind it, up to the first token (layout/flops.h).
struct InputFlops {
  double encoder = 0, aligner = 0, gated_blocks = 0, language_model = 0;
  double total() const { return encoder + aligner + gated_blocks + language_model; }
};

struct Spread {
  double median = 0, low = 0, high = 0;  // low, high: quartiles
};

// A share of answers with its 95 % interval; pictures are resampled, not answers.
struct Share {
  double share = 0;
  alignment::Interval ci95;
  int64_t answers = 0, pictures = 0;
};

struct Measured {
  std::string aligner, type;           // as asked for; as the files call it
  std::string optimizer, rates, form;  // its own: "adamw", "* 0.002"; the template of its samples
  bool is_in_sequence = true;  // its soft tokens stand in the sequence; else latents beside it
  int64_t trainable = 0, frozen = 0;  // numbers
  int64_t per_picture = 0;            // soft tokens, tags included; or latents
  int64_t prompt_rows = 0;            // of the sequence, median over the shown questions
  InputFlops flops;
  Spread first_token;         // seconds, reading and encoding the picture included
  double encode_seconds = 0;  // median part of it before the language model
  int64_t weight_bytes = 0, cache_bytes = 0, peak_bytes = 0;
  double train_seconds = 0;
  int64_t steps = 0;
  watch::ChartLine loss, quality;  // over steps
  double untrained = 0;            // share of exact answers before the first step
  std::vector<training::Answer> answers, shuffled, blank;
  // "dependence"; "alignment" of soft tokens: "layers", "retrieval"; "routing" per expert; as far
  // as they are defined (training/measurements.h).
  nlohmann::ordered_json alignment = nlohmann::ordered_json::object();
  std::vector<std::pair<std::string, double>> gates;  // behind the tanh
  std::vector<std::string> said;                      // to the shown questions

  double steps_per_second() const;
  Share exact() const;
  Share exact_shuffled() const;
  Share exact_blank() const;
};

// `folder` holds what training left of the contestant's stage; `trained` is the model in it.
Measured measure_aligner(const recipe::Contestant& contestant, const FrozenParts& frozen,
                         const std::filesystem::path& folder, const Place& trained,
                         const LoadOptions& options, const std::vector<ShownQuestion>& questions);

// Two aligners on the same questions.
struct Pair {
  std::string a, b;
  double difference = 0;  // of shares, a - b
  alignment::Interval ci95;
  int64_t only_a = 0, only_b = 0;  // right alone
  double mcnemar_p = 1, holm_p = 1;
};
// Of those that answered the same questions.
std::vector<Pair> compare_pairs(const std::vector<Measured>& all);

// All that is reported.
struct Comparison {
  recipe::Recipe recipe;  // of any contestant: what is said of data and budget is the same
  FrozenParts frozen;
  std::vector<ShownQuestion> questions;
  std::vector<Measured> measured;
  std::vector<Pair> pairs;
  int threads = 0;
};

}  // namespace isthmus::cli
