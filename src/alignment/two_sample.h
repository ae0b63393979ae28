// Do media rows and text rows come from one distribution? Two distances without a bias.
#pragma once

#include "alignment/rows.h"
#include "alignment/value.h"

namespace isthmus::alignment {

// Energy distance 2 D_vt - D_vv - D_tt of mean Euclidean distances, after both clouds are divided
// by the mean norm of the text rows.                                            Székely & Rizzo
// 2013
struct EnergyDistance {
  Value mean_cross_distance;          // D_vt
  Value energy_v;                     // a row's distance to itself counts; never negative
  Value energy_u;                     // pairs of different rows: 0 on average for equal clouds
  Value energy_coefficient;           // energy_v / (2 D_vt), in [0, 1]
  Value energy_coefficient_unbiased;  // energy_u / (2 D_vt): what the live curve shows
  Remarks remarks;
  NamedValues named() const;
};
EnergyDistance energy_distance(const Rows& media, const Rows& text);

// Squared maximum mean discrepancy with the mean of five Gaussian kernels exp(-‖x-y‖² / (c M)),
// c in {1/4, 1/2, 1, 2, 4}, M the median squared distance of all pairs; text-scaled as above.
//                                                                            Gretton et al. 2012
struct Mmd {
  Value median_sq_distance;  // M
  Value mmd2_unbiased;       // without a row's distance to itself; may be negative
  Value mmd2_biased;
  Remarks remarks;
  NamedValues named() const;
};
Mmd mmd(const Rows& media, const Rows& text);

}  // namespace isthmus::alignment
