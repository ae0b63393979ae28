// Everything one forward call needs besides weights and inputs. Made per call; owns nothing that
// outlives it.
#pragma once

#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include <torch/types.h>

#include "nn/lanes.h"
#include "nn/media_memory.h"
#include "nn/ops.h"
#include "nn/rotary.h"

namespace isthmus::nn {

class KvCache;
struct ForwardContext;

// Runs between decoder blocks (gated cross-attention lives here).
class BlockHook {
 public:
  virtual ~BlockHook() = default;
  virtual Tensor before_block(int64_t layer, const Tensor& hidden,
                              const ForwardContext& context) = 0;
};

// Sees intermediate values by canonical name; asks first, so that nothing is computed for nobody.
class Probe {
 public:
  virtual ~Probe() = default;
  virtual bool wants(std::string_view name) const = 0;
  virtual void see(std::string_view name, const Tensor& value) = 0;
  // Called by encoders and aligners between their blocks, where nothing is half done: long work is
  // interrupted there, for something else, or for good by an exception.
  virtual void between_blocks() {}
};

inline void between_blocks(Probe* probe) {
  if (probe != nullptr) probe->between_blocks();
}

struct ForwardContext {
  Tensor positions;  // [batch or 1, seq] int64, rotary positions of the rows of this call;
                     // undefined: they follow what the cache holds
  std::vector<KeyRange> key_ranges;  // real keys per batch row over cache + this call; empty: all
  KvCache* cache = nullptr;          // null: no cache (training, single pass)
  BlockHook* hook = nullptr;
  const MediaView* media = nullptr;  // what the hook reads; null: no media
  Probe* probe = nullptr;
  // Rows before it are wanted by nobody behind the last block, which need not compute them: what
  // comes out begins here. Blocks before it see 0.
  int64_t first_row = 0;
  // Rows of several sequences side by side (nn/lanes.h): then there is no `cache`, and `first_row` is
  // 0; positions undefined: they follow what each lane's cache holds.
  std::span<const Lane> lanes = {};
  bool wanted_only = false;  // of lanes: the last block's queries are the wanted rows
  // Blocks keep what enters them alone, and are computed again on the way back (nn/recomputed.h).
  bool recomputes_blocks = false;
  RotaryAngles rotary;  // of the positions; the decoder fills it in once per call
};

// Of rows [batch, seq, …] those that ask in an attention of this call: all, but in the last block.
Tensor asking_rows(const Tensor& rows, const ForwardContext& context);
// Of the context's positions, which are those of `rows` rows.
RotaryAngles angles(const Rotary& rotary, const ForwardContext& context, int64_t rows);

}  // namespace isthmus::nn
