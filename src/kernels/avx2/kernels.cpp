// Compiled with -mavx2 -mfma -mf16c.

#include <immintrin.h>

#include "kernels/tables.h"

namespace isthmus::kernels {
namespace {

#include "kernels/avx2/vec.h"

inline V multiply_add(V sum, V a, V b) { return fma(a, b, sum); }

// Each file uses the ones before it.
// clang-format off
#include "kernels/body/math.h"
#include "kernels/body/rows.h"
#include "kernels/body/gradients.h"
#include "kernels/body/elements.h"
#include "kernels/body/matvec.h"
#include "kernels/body/cached_rows.h"
#include "kernels/body/gemm.h"
#include "kernels/body/gemm_f32.h"
#include "kernels/body/stream.h"
#include "kernels/body/peak.h"
// clang-format on

}  // namespace

const KernelTable kAvx2Table = {
    "avx2",
#include "kernels/body/table.inc"
};

}  // namespace isthmus::kernels
