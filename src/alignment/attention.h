// Where it looked: attention on media rows, and what it passes on. Descriptive, never "why".
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "alignment/rows.h"
#include "alignment/value.h"

namespace isthmus::alignment {

// Rows begin … end - 1 of a sequence.
struct RowRange {
  int64_t begin, end;
  int64_t size() const { return end - begin; }
};

// The `count` dimensions where the BOS row (row 0 of hidden [T, d]) is largest by |h| / RMS,
// rising; none if the largest of them is below tau: the rule does not fit this language model then.
std::vector<int64_t> sink_dimensions(const Rows& hidden, int64_t count, double tau);

// The media rows that take attention without having anything to say: |h| / RMS at least tau in one
// of the sink dimensions. hidden [T, d] is the residual stream after the block in question; tau is
// 20 for LLaVA-1.5-7B.                                          Kang et al., ICLR 2025, 2503.03321
std::vector<int64_t> sink_rows(const Rows& hidden, RowRange media,
                               std::span<const int64_t> dimensions, double tau);

// Means over the queries, one number per head.
struct MediaAttention {
  std::vector<double> mass;                      // attention that goes to media rows
  std::vector<double> sink_mass;                 // to those that are sinks
  std::vector<double> media_mass_without_sinks;  // the difference
  std::vector<double> spatial_entropy;  // of the mass over media rows, / ln(number): 1 is evenly
  double uniform_mass = 0;              // mass if every row looked everywhere alike
};

// heads: [T, T] attention of one layer, a row per query. Throws InternalError for ranges outside.
MediaAttention media_attention(std::span<const Rows> heads, RowRange media, RowRange queries,
                               std::span<const int64_t> sinks = {});

// Attention of all layers joined: the product of residual I + (1 - residual) mean over heads, later
// layers on the left [T, T]. A baseline only.             Abnar & Zuidema 2020, 2005.00928, eq. 1
OwnedRows attention_rollout(std::span<const std::vector<Rows>> layers, double residual = 0.5);

// Which patches a Flamingo's latents, and through them its words, come from.
struct LatentsToPatches {
  OwnedRows latent_to_patch;               // [n, N]; rows sum to less than 1
  std::vector<double> latent_prior_share;  // [n] the rest, which never saw the picture
  OwnedRows text_to_patch;                 // [T, N]; 0 for rows that see no picture
};

// resampler: per layer the heads' attention [n, N + n] of n latents on N patches and themselves;
// with P₀ = 0, P ← ½ P + ½ (A_patches + A_latents P). cross: per gated block the heads' attention
// [T, n] on one picture's latents, joined with weights |tanh(attn_gate)|. Throws InternalError for
// shapes that do not fit.
LatentsToPatches latents_to_patches(std::span<const std::vector<Rows>> resampler,
                                    std::span<const std::vector<Rows>> cross,
                                    std::span<const double> attn_gates, int64_t num_patches);

}  // namespace isthmus::alignment
