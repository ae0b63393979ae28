// The kernels of one instruction set, and the choice between them.
#pragma once

#include <span>

#include "kernels/activation.h"
#include "kernels/cached_rows.h"
#include "kernels/convert.h"
#include "kernels/decode_attention.h"
#include "kernels/gemm.h"
#include "kernels/matvec.h"
#include "kernels/norm.h"
#include "kernels/peak.h"
#include "kernels/quantised.h"
#include "kernels/rotary.h"
#include "kernels/softmax.h"
#include "kernels/stream.h"

namespace isthmus::kernels {

// float32 product. Only the functions of one table fit together.
struct GemmTable {
  int64_t tile_rows, tile_cols;
  void (*pack_rows)(const PackRowsArgs&);
  void (*pack_rows_by_depth)(const PackRowsArgs&);
  void (*pack_columns_f32)(const PackColumnsArgs&);
  void (*pack_columns_f16)(const PackColumnsArgs&);
  void (*pack_columns_bf16)(const PackColumnsArgs&);
  void (*pack_by_depth_f32)(const PackColumnsArgs&);
  void (*pack_by_depth_f16)(const PackColumnsArgs&);
  void (*pack_by_depth_bf16)(const PackColumnsArgs&);
  void (*block)(const GemmBlockArgs&);
};

// One way to multiply rows of floats with a stored matrix.
struct PackedGemm {
  int64_t tile_rows, tile_cols;
  int64_t step;                     // elements of depth that are packed together, the last ones with zeros
  int64_t row_words, column_words;  // floats that a step of a row, or column, takes
  int64_t depth_block;              // elements of depth that are best packed at a time, whole steps
  bool in_sums;                     // whether sums lie apart from C between blocks of depth
  void (*pack_rows)(const PackRowsArgs&);
  void (*pack_columns)(const PackColumnsArgs&);
  void (*block)(const GemmBlockArgs&);
};

// float32 products on tiles of bfloat16, for each type of the stored matrix.
struct TileGemm {
  PackedGemm f32, f16, bf16;                             // as PackColumnsArgs has them by column
  PackedGemm by_depth_f32, by_depth_f16, by_depth_bf16;
};

// float32 product of stored rows with packed panels of `width` rows of x to a vector.
struct StreamTable {
  int64_t width;
  void (*pack_panel)(const PackPanelArgs&);
  void (*multiply)(const StreamArgs&);
};

struct KernelTable {
  const char* name;
  void (*rms_norm)(const RmsNormArgs&);
  void (*layer_norm)(const LayerNormArgs&);
  void (*rotary_halves)(const RotaryArgs&);
  void (*rotary_pairs)(const RotaryArgs&);
  void (*silu_mul)(const SiluMulArgs&);
  void (*gelu)(const ActivationArgs&);
  void (*gelu_tanh)(const ActivationArgs&);
  void (*quick_gelu)(const ActivationArgs&);
  void (*softmax_row)(const SoftmaxArgs&);
  void (*rms_norm_gradient)(const RmsNormGradientArgs&);
  void (*layer_norm_gradient)(const LayerNormGradientArgs&);
  void (*silu_mul_gradient)(const SiluMulGradientArgs&);
  void (*gelu_gradient)(const ActivationGradientArgs&);
  void (*gelu_tanh_gradient)(const ActivationGradientArgs&);
  void (*quick_gelu_gradient)(const ActivationGradientArgs&);
  void (*softmax_gradient)(const SoftmaxGradientArgs&);
  void (*widen_f16)(const WidenArgs&);
  void (*widen_bf16)(const WidenArgs&);
  void (*narrow_bf16)(const NarrowArgs&);
  void (*matvec_f32)(const MatvecArgs&);
  void (*matvec_f16)(const MatvecArgs&);
  void (*matvec_bf16)(const MatvecArgs&);
  void (*decode_attention_f32)(const DecodeAttentionArgs&);
  void (*decode_attention_f16)(const DecodeAttentionArgs&);
  void (*decode_attention_i8)(const DecodeAttentionArgs&);
  void (*narrow_rows_f16)(const NarrowRowsArgs&);
  void (*narrow_rows_i8)(const NarrowRowsArgs&);
  void (*widen_rows_i8)(const WidenRowsArgs&);
  GemmTable gemm;
  StreamTable stream;
  Peak peak;  // of float32
};

// The best table this CPU and operating system support, fixed at first use. The environment
// variable ISTHMUS_ISA=generic|avx2|avx_vnni|avx512|amx forces one; UsageError when it is unknown or not
// supported here.
const KernelTable& kernels();
// bfloat16 product with float32 sums: rows are rounded while packed, columns are bfloat16 as stored. Null where the CPU
// has no bfloat16 dot product (AVX512_BF16) or ISTHMUS_ISA asks for less than avx512.
const PackedGemm* bf16_gemm();
// Null where the CPU has no bfloat16 tiles (AMX_BF16) or ISTHMUS_ISA asks for less than amx.
const TileGemm* tile_gemm();
// The products of quantised weights that go with kernels(): avx_vnni has those of its own and all
// else of avx2, amx those of its own and all else of avx512, and avx512 without AVX512_VNNI takes
// what comes next.
const QuantisedTable& quantised_kernels();
// What ISTHMUS_ISA may name here, best first, and which of them is in use.
std::span<const char* const> supported_isas();
const char* isa_name();
// Every table this machine can run, best first.
std::span<const KernelTable* const> supported_tables();
std::span<const QuantisedTable* const> supported_quantised_tables();
// What kernels() would be under ISTHMUS_ISA=`isa`; the empty name means the best.
const KernelTable& table_for(const char* isa);

}  // namespace isthmus::kernels
