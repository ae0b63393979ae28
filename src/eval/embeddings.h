// Embeddings of many pictures, out of the cache or computed now.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "eval/eval_options.h"
#include "eval/feature_cache.h"
#include "eval/sample.h"
#include "eval/subject.h"
#include "samples/entries.h"

namespace isthmus::eval {

// Sees to it that `cache` has the pictures of `samples`, and saves it, also when it is cancelled or
// fails half-way. A picture that cannot be used goes to `broken` and stays without an embedding.
// False: cancelled.
bool compute_embeddings(std::span<const Sample> samples, const std::string& label, int64_t batch,
                        Subject& subject, FeatureCache& cache, samples::BrokenEntries& broken,
                        const EvalCallbacks& callbacks);

// Per sample its embedding in `cache`, nullptr if it has none.
std::vector<const std::vector<float>*> embeddings_of(std::span<const Sample> samples,
                                                     const FeatureCache& cache);

}  // namespace isthmus::eval
