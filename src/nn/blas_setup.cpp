#include "nn/blas_setup.h"

#include <cstdlib>

#include <dlfcn.h>

#include "kernels/table.h"

namespace isthmus::nn {
namespace {

class OpenBlas {
 public:
  OpenBlas() : handle_(dlopen("libopenblas.so.0", RTLD_LAZY | RTLD_NOLOAD)) {}
  ~OpenBlas() {
    if (handle_ != nullptr) dlclose(handle_);
  }
  OpenBlas(const OpenBlas&) = delete;
  OpenBlas& operator=(const OpenBlas&) = delete;

  template <class Function>
  Function* find(const char* name) const {
    return handle_ == nullptr ? nullptr : reinterpret_cast<Function*>(dlsym(handle_, name));
  }
  // Empty when OpenBLAS is not loaded.
  std::string core() const {
    auto* name = find<char*()>("openblas_get_corename");
    return name == nullptr ? "" : name();
  }

 private:
  void* handle_;
};

}  // namespace

std::string blas_description() {
  const std::string core = OpenBlas().core();
  return core.empty() ? "other" : "OpenBLAS, core " + core;
}

void setup_blas() {
  kernels::kernels();  // an ISTHMUS_ISA that cannot be had is refused before weights are read
  if (std::getenv("OPENBLAS_CORETYPE") != nullptr) return;
  const OpenBlas blas;
  const std::string core = blas.core(), isa = kernels::table_for("").name;
  // The SSE3 fallback of a library older than the CPU.
  if (core != "Prescott" && core != "Core2" && core != "Generic" && core != "generic") return;
  if (isa != "avx2" && isa != "avx512") return;
  auto* quit = blas.find<void()>("gotoblas_dynamic_quit");
  auto* init = blas.find<void()>("gotoblas_dynamic_init");
  if (quit == nullptr || init == nullptr) return;
  setenv("OPENBLAS_CORETYPE", isa == "avx512" ? "SkylakeX" : "Haswell", 0);
  quit();
  init();
}

}  // namespace isthmus::nn
