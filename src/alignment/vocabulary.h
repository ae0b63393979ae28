// Soft tokens read with the language model's own words.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "alignment/rows.h"
#include "alignment/value.h"

namespace isthmus::alignment {

// A soft token s and the embedding e of a word are compared by the cosine of f(s) and f(e).
enum class WordScoring {
  kPlain,         // f(x) = x
  kNormWeighted,  // f(x) = weight ⊙ x, as the first block's norm sees them
  kCentred,       // minus the mean soft token, minus the mean embedding
};

struct NearestWordOptions {
  WordScoring scoring = WordScoring::kPlain;
  int64_t count = 10;                            // words per soft token
  std::span<const int64_t> excluded = {};        // special ids: no candidates, not in the mean
  std::span<const double> norm_weight = {};      // [d], of kNormWeighted
  bool is_layer_norm = false;                    // kNormWeighted: rows are centred first
  std::span<const double> mean_soft_token = {};  // [d], of kCentred: of calibration items; empty:
                                                 // of the soft tokens themselves
};

struct NearestWords {
  Reason reason = Reason::kNone;          // another one: nothing below is filled
  std::vector<std::vector<int64_t>> ids;  // of every soft token, best first, ties to the lower id
  std::vector<std::vector<double>> cosines;  // of the same
  double top1_distinct_fraction = 0;         // distinct nearest words / soft tokens
  double hub_share = 0;                      // largest share of one word; above 0.5 is a collapse
};

// soft [t, d] against embeddings [V, d]. Memory grows with t · count, not with t · V. Throws
// InternalError for a weight or mean that is not of d numbers.
NearestWords nearest_words(const Rows& soft, const Rows& embeddings,
                           const NearestWordOptions& options = {});

// How many words have one of their ids among the k nearest of any soft token of their item; every
// word is the list of its ids. Sums over items make recall@k.
struct WordHits {
  int64_t hits = 0, words = 0;
};
WordHits word_hits(const NearestWords& nearest, std::span<const std::vector<int64_t>> words,
                   int64_t k);

// The head's norm: weight ⊙ x / sqrt(mean(x²) + eps), or LayerNorm with an optional bias.
struct FinalNorm {
  std::span<const double> weight;     // [d]
  std::span<const double> bias = {};  // [d] or empty; of LayerNorm
  double eps = 1e-5;
  bool is_layer_norm = false;
};

struct LogitLens {
  Reason reason = Reason::kNone;     // another one: nothing below is filled
  std::vector<int64_t> top1_ids;     // of every row
  std::vector<double> top1_logprob;  // nats
  std::vector<double> entropy;       // nats
  double entropy_mean = 0;
  std::vector<int64_t> best_rank_per_word;  // over rows and the word's ids; 1 + larger logits
};

// What the head would say at every row: hidden [t, d] is the residual stream after some block,
// before the final norm; unembedding [V, d].                 nostalgebraist 2020, the logit lens
LogitLens logit_lens(const Rows& hidden, const FinalNorm& norm, const Rows& unembedding,
                     std::span<const std::vector<int64_t>> words = {});

}  // namespace isthmus::alignment
