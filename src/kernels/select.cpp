#include <cstdlib>
#include <cstring>
#include <string>

#if defined(ISTHMUS_X86_KERNELS) && defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include "isthmus/error.h"
#include "kernels/amx/products.h"
#include "kernels/table.h"
#include "kernels/tables.h"

namespace isthmus::kernels {
namespace {

// __builtin_cpu_supports also asks the operating system (XGETBV) whether it saves the wide
// registers.
#ifdef ISTHMUS_X86_KERNELS
bool has_avx2() {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
         __builtin_cpu_supports("f16c");
}
// 256-bit dot products of bytes, of processors without AVX-512.
bool has_avx_vnni() { return has_avx2() && __builtin_cpu_supports("avxvnni"); }
bool has_avx512() {
  return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}
bool has_avx512_vnni() { return has_avx512() && __builtin_cpu_supports("avx512vnni"); }
// Linux gives tiles only to who asks for them, once for all threads of the process.
bool has_amx() {
#ifdef __linux__
  constexpr long kRequestPermission = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
  return has_avx512_vnni() && __builtin_cpu_supports("amx-tile") &&
         __builtin_cpu_supports("amx-int8") &&
         syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
#else
  return false;
#endif
}
bool has_amx_bf16() { return has_amx() && __builtin_cpu_supports("amx-bf16"); }
bool has_avx512_bf16() { return has_avx512() && __builtin_cpu_supports("avx512bf16"); }
#endif

// What one value of ISTHMUS_ISA stands for.
struct InstructionSet {
  const char* name;
  const KernelTable* table;
  const QuantisedTable* quantised;
};

struct Supported {
  InstructionSet sets[5];  // best first
  size_t count;
  const char* names[5];
  // Each once.
  const KernelTable* tables[3];
  const QuantisedTable* quantised[5];
  size_t table_count, quantised_count;
};

#ifdef ISTHMUS_X86_KERNELS
template <QuantisedKind QuantisedTable::*kKind, auto kProduct>
void multiply_on_tiles(const QuantisedProductArgs& a) {
  (a.m < kAmxProducts.fewest_rows ? (kAvx512Quantised.*kKind).multiply : kAmxProducts.*kProduct)(a);
}

const QuantisedTable* amx_table() {
  static const QuantisedTable table = [] {
    QuantisedTable amx = kAvx512Quantised;
    amx.name = "amx";
    amx.most_rows = kAmxProducts.most_rows;
    amx.tile_rows = kAmxProducts.tile_rows;
    amx.most_groups = kAmxProducts.most_groups;
    amx.q4.multiply = multiply_on_tiles<&QuantisedTable::q4, &AmxProducts::q4>;
    amx.q5.multiply = multiply_on_tiles<&QuantisedTable::q5, &AmxProducts::q5>;
    amx.q6.multiply = multiply_on_tiles<&QuantisedTable::q6, &AmxProducts::q6>;
    amx.q8.multiply = multiply_on_tiles<&QuantisedTable::q8, &AmxProducts::q8>;
    amx.peak = kAmxProducts.peak;
    return amx;
  }();
  return &table;
}
#endif

Supported find_supported() {
  Supported found{};
  const auto add = [&found](const InstructionSet& set) {
    found.names[found.count] = set.name;
    found.sets[found.count++] = set;
    if (found.table_count == 0 || found.tables[found.table_count - 1] != set.table)
      found.tables[found.table_count++] = set.table;
    if (found.quantised_count == 0 || found.quantised[found.quantised_count - 1] != set.quantised)
      found.quantised[found.quantised_count++] = set.quantised;
  };
#ifdef ISTHMUS_X86_KERNELS
  if (has_amx()) add({"amx", &kAvx512Table, amx_table()});
  if (has_avx512()) {
    const QuantisedTable* narrower = has_avx_vnni() ? &kAvxVnniQuantised : &kAvx2Quantised;
    add({"avx512", &kAvx512Table, has_avx512_vnni() ? &kAvx512Quantised : narrower});
  }
  if (has_avx_vnni()) add({"avx_vnni", &kAvx2Table, &kAvxVnniQuantised});
  if (has_avx2()) add({"avx2", &kAvx2Table, &kAvx2Quantised});
#endif
  add({"generic", &kGenericTable, &kGenericQuantised});
  return found;
}

const Supported& supported() {
  static const Supported found = find_supported();
  return found;
}

const InstructionSet& set_for(const char* isa) {
  if (isa[0] == '\0') return supported().sets[0];
  std::string names;
  for (size_t i = 0; i < supported().count; ++i) {
    const InstructionSet& set = supported().sets[i];
    if (std::strcmp(isa, set.name) == 0) return set;
    names += names.empty() ? "" : ", ";
    names += set.name;
  }
  bool known = false;
  for (const char* name : {"avx2", "avx_vnni", "avx512", "amx"})
    known = known || std::strcmp(isa, name) == 0;
  throw UsageError(
      "ISTHMUS_ISA=" + std::string(isa) +
      (known ? ": this CPU does not support it" : ": not an instruction set known here") +
      "; choose one of " + names + ", or leave it unset");
}

const InstructionSet& chosen() {
  static const InstructionSet& set = []() -> const InstructionSet& {
    const char* isa = std::getenv("ISTHMUS_ISA");
    return set_for(isa != nullptr ? isa : "");
  }();
  return set;
}

}  // namespace

const KernelTable& kernels() { return *chosen().table; }
const QuantisedTable& quantised_kernels() { return *chosen().quantised; }
const char* isa_name() { return chosen().name; }
const KernelTable& table_for(const char* isa) { return *set_for(isa).table; }

std::span<const char* const> supported_isas() { return {supported().names, supported().count}; }
std::span<const KernelTable* const> supported_tables() {
  return {supported().tables, supported().table_count};
}
std::span<const QuantisedTable* const> supported_quantised_tables() {
  return {supported().quantised, supported().quantised_count};
}

const PackedGemm* bf16_gemm() {
#ifdef ISTHMUS_X86_KERNELS
  static const bool usable = has_avx512_bf16() && &kernels() == &kAvx512Table;
  return usable ? &kAvx512Bf16Gemm : nullptr;
#else
  return nullptr;
#endif
}

const TileGemm* tile_gemm() {
#ifdef ISTHMUS_X86_KERNELS
  static const bool usable = has_amx_bf16() && std::strcmp(isa_name(), "amx") == 0;
  return usable ? &kAmxGemm : nullptr;
#else
  return nullptr;
#endif
}

}  // namespace isthmus::kernels
