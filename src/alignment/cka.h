// Do media and text order the items alike? Blind to rotation and scale, so beside a gap, not for
// it.
#pragma once

#include "alignment/rows.h"
#include "alignment/value.h"

namespace isthmus::alignment {

struct Cka {
  Value cka;  // ‖XᵀY‖² / (‖XᵀX‖ ‖YᵀY‖), columns centred: near 1 by itself if d > n
  Value cka_debiased;  // with unbiased HSIC; 0 on average for unrelated items: the one to show
  Value hsic_unbiased;
  Remarks remarks;
  NamedValues named() const;
};

// Linear CKA of x [n, d] and y [n, e], row k of one paired with row k of the other: the pooled
// media rows and text rows of n items (pool_by_item). 2 pairs for the plain value, 4 for the
// others; below 100 the error is wide (half_sample).       Kornblith et al. 2019; Song et al. 2012
// for the unbiased
Cka linear_cka(const Rows& x, const Rows& y);

}  // namespace isthmus::alignment
