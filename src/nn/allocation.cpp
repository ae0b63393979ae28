#include "nn/allocation.h"

#include <malloc.h>

namespace isthmus::nn {
namespace {

constexpr int kLargestKeptBlock = 32 << 20;  // glibc takes no more
constexpr int kKept = 512 << 20;

}  // namespace

void keep_large_blocks() {
  mallopt(M_MMAP_THRESHOLD, kLargestKeptBlock);
  mallopt(M_TRIM_THRESHOLD, kKept);
}

}  // namespace isthmus::nn
