// The sequences of one batch behind the language model: cache, positions, media.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include <torch/types.h>

#include "families/family.h"
#include "families/sequence_builder.h"
#include "nn/kv_cache.h"

namespace isthmus::engine {
using torch::Tensor;

// Every row holds one sequence; shorter ones are padded on the left, so that the next token of all
// stands at the same index. Belongs to one request or batch.
class Rows {
 public:
  // `cache` may already hold the first positions of a single sequence. `late_marker`: what
  // `family.media_marker()` does among the tokens of step(). `decode_overlap`: how many rows at the
  // end of every prompt step() begins before, as if they were not there.
  Rows(families::Family& family, std::span<const families::Sequence> sequences,
       std::shared_ptr<nn::KvCache> cache, families::LateMarker late_marker,
       int64_t decode_overlap = 0);

  // Runs what the cache does not hold yet, a long prompt or a large batch in several passes. ->
  // hidden states of the last position [rows, 1, hidden_size], with a probe of all those positions
  Tensor prefill(nn::Probe* probe = nullptr);
  // Appends tokens [rows × n], row by row. -> hidden states [rows, n, hidden_size]
  Tensor step(std::span<const int64_t> tokens, nn::Probe* probe = nullptr);
  // Takes back the last `count` positions of every row.
  void retract(int64_t count);
  // Row i becomes a copy of row parents[i]; their number may change.
  void reorder(std::span<const int64_t> parents);
  // The same, leaving these rows as they are.
  Rows repeated(std::span<const int64_t> parents) const;
  // [rows, vocab_size] float32 of the last position of `hidden`.
  Tensor last_logits(const Tensor& hidden);
  // [rows, n, vocab_size] of all positions of `hidden`.
  Tensor all_logits(const Tensor& hidden);

  int64_t count() const { return static_cast<int64_t>(lengths_.size()); }

 private:
  Tensor forward(const Tensor& embeddings, const Tensor& positions, nn::Probe* probe,
                 int64_t first_row = 0);
  int64_t positions_at_once(bool probed) const;
  void note_markers(std::span<const int64_t> tokens, int64_t per_row);

  families::Family& family_;
  std::shared_ptr<nn::KvCache> cache_;
  families::LateMarker late_marker_;
  int64_t decode_overlap_;
  Tensor embeddings_, positions_;           // of the prompt, until prefill
  std::vector<int64_t> padding_, lengths_;  // per row: positions before it, and its own
  bool padded_;
  nn::MediaView media_;                  // index: of the positions of the call at hand
  std::vector<int64_t> markers_so_far_;  // per row
};

}  // namespace isthmus::engine
