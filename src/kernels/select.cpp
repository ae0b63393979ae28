#include <cstdlib>
#include <cstring>
#include <string>

#include "isthmus/error.h"
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
bool has_avx512() {
  return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}
bool has_avx512_vnni() { return has_avx512() && __builtin_cpu_supports("avx512vnni"); }
bool has_avx512_bf16() { return has_avx512() && __builtin_cpu_supports("avx512bf16"); }
#endif

struct Supported {
  const KernelTable* tables[3];
  size_t count;
};

Supported find_supported() {
  Supported found{};
#ifdef ISTHMUS_X86_KERNELS
  if (has_avx512()) found.tables[found.count++] = &kAvx512Table;
  if (has_avx2()) found.tables[found.count++] = &kAvx2Table;
#endif
  found.tables[found.count++] = &kGenericTable;
  return found;
}

const Supported& supported() {
  static const Supported found = find_supported();
  return found;
}

const char* forced_isa() {
  const char* isa = std::getenv("ISTHMUS_ISA");
  return isa != nullptr ? isa : "";
}

struct SupportedQuantised {
  const QuantisedTable* tables[3];
  size_t count;
};

const SupportedQuantised& supported_quantised() {
  static const SupportedQuantised found = [] {
    SupportedQuantised all{};
#ifdef ISTHMUS_X86_KERNELS
    if (has_avx512_vnni()) all.tables[all.count++] = &kAvx512Quantised;
    if (has_avx2()) all.tables[all.count++] = &kAvx2Quantised;
#endif
    all.tables[all.count++] = &kGenericQuantised;
    return all;
  }();
  return found;
}

// Which of the tables `table` may use: none that asks for more of the CPU.
const QuantisedTable& quantised_for(const KernelTable& table) {
  const auto all = supported_quantised_tables();
#ifdef ISTHMUS_X86_KERNELS
  if (&table == &kAvx512Table) return *all.front();
  if (&table == &kAvx2Table) return kAvx2Quantised;
#endif
  return *all.back();
}

}  // namespace

std::span<const QuantisedTable* const> supported_quantised_tables() {
  return {supported_quantised().tables, supported_quantised().count};
}

const QuantisedTable& quantised_kernels() {
  static const QuantisedTable& table = quantised_for(kernels());
  return table;
}

std::span<const KernelTable* const> supported_tables() {
  return {supported().tables, supported().count};
}

const KernelTable& table_for(const char* isa) {
  if (isa[0] == '\0') return *supported().tables[0];
  std::string names;
  for (const KernelTable* table : supported_tables()) {
    if (std::strcmp(isa, table->name) == 0) return *table;
    names += names.empty() ? "" : ", ";
    names += table->name;
  }
  const bool known = std::strcmp(isa, "avx2") == 0 || std::strcmp(isa, "avx512") == 0;
  throw UsageError(
      "ISTHMUS_ISA=" + std::string(isa) +
      (known ? ": this CPU does not support it" : ": not an instruction set known here") +
      "; choose one of " + names + ", or leave it unset");
}

const KernelTable& kernels() {
  static const KernelTable& table = table_for(forced_isa());
  return table;
}

const Bf16GemmTable* bf16_gemm() {
#ifdef ISTHMUS_X86_KERNELS
  static const bool usable = has_avx512_bf16() && &kernels() == &kAvx512Table;
  return usable ? &kAvx512Bf16Gemm : nullptr;
#else
  return nullptr;
#endif
}

}  // namespace isthmus::kernels
