#include "alignment/gates.h"

#include <cmath>
#include <cstddef>

#include "alignment/dense.h"

namespace isthmus::alignment {
namespace {

double ratio(double part, double whole) { return whole > 0 ? part / whole : 0; }

Reason why_unreadable(const GatedBlock& block, std::span<const int64_t> text_time,
                      Remarks& remarks) {
  bool fits = std::ssize(text_time) == block.x.rows();
  for (const Rows& rows : {block.x, block.attn_out, block.ff_out, block.block_delta}) {
    fits = fits && rows.rows() == block.x.rows() && rows.cols() == block.x.cols();
    remarks.non_finite_rows += count_non_finite_rows(rows);
  }
  if (!fits) return Reason::kShapeMismatch;
  if (remarks.non_finite_rows > 0 || !std::isfinite(block.attn_gate) ||
      !std::isfinite(block.ff_gate))
    return Reason::kNonFinite;
  return block.x.rows() < 1 ? Reason::kTooFewSamples : Reason::kNone;
}

}  // namespace

GateValues gate_values(const GatedBlock& block, std::span<const int64_t> text_time) {
  GateValues result{std::tanh(block.attn_gate),
                    std::tanh(block.ff_gate),
                    Reason::kTooFewSamples,
                    Reason::kTooFewSamples,
                    Reason::kTooFewSamples,
                    Reason::kTooFewSamples,
                    Remarks{}};
  const Reason reason = why_unreadable(block, text_time, result.remarks);
  if (reason != Reason::kNone) {
    result.attn_ratio = result.ff_ratio = result.attn_cosine = result.share_vs_block = reason;
    return result;
  }
  const Matrix x = dense(block.x), delta = dense(block.block_delta);
  const Matrix attended = result.tanh_attn_gate * dense(block.attn_out);
  const Matrix fed = result.tanh_ff_gate * dense(block.ff_out);
  const Matrix between = x + attended;
  result.remarks.zero_norm_rows = count_zero_rows(x);
  if (result.remarks.zero_norm_rows > 0) result.remarks.warnings.push_back(Warning::kZeroNormRows);

  double attn_ratio = 0, ff_ratio = 0, attn_cosine = 0, share = 0, seeing = 0;
  for (int64_t r = 0; r < x.rows(); ++r) {
    ff_ratio += ratio(fed.row(r).norm(), between.row(r).norm());
    if (text_time[static_cast<size_t>(r)] <= 0) continue;
    const double change = attended.row(r).norm();
    seeing += 1;
    attn_ratio += ratio(change, x.row(r).norm());
    attn_cosine += cosine(attended.row(r), x.row(r));
    share += ratio(change, change + delta.row(r).norm());
  }
  result.ff_ratio = ff_ratio / static_cast<double>(x.rows());
  if (seeing == 0) return result;
  result.attn_ratio = attn_ratio / seeing;
  result.attn_cosine = attn_cosine / seeing;
  result.share_vs_block = share / seeing;
  return result;
}

NamedValues GateValues::named() const {
  return {{"tanh_attn_gate", tanh_attn_gate}, {"tanh_ff_gate", tanh_ff_gate},
          {"attn_ratio", attn_ratio},         {"ff_ratio", ff_ratio},
          {"attn_cosine", attn_cosine},       {"share_vs_block", share_vs_block}};
}

}  // namespace isthmus::alignment
