// Defined one per instruction set; only select.cpp refers to them.
#pragma once

#include "kernels/table.h"

namespace isthmus::kernels {

extern const KernelTable kGenericTable;
extern const KernelTable kAvx2Table;         // AVX2, FMA, F16C
extern const KernelTable kAvx512Table;       // AVX-512 F, BW, DQ, VL
extern const PackedGemm kAvx512Bf16Gemm;     // and AVX512_BF16
extern const TileGemm kAmxGemm;              // and AMX_TILE, AMX_BF16

extern const QuantisedTable kGenericQuantised;
extern const QuantisedTable kAvx2Quantised;
extern const QuantisedTable kAvxVnniQuantised;  // AVX2, FMA, F16C and AVX_VNNI
extern const QuantisedTable kAvx512Quantised;   // AVX-512 and AVX512_VNNI

}  // namespace isthmus::kernels
