#include <memory>
#include <new>

#include "nn/parallel.h"

namespace isthmus::nn {
namespace {

constexpr std::align_val_t kScratchAlignment{64};

struct Free {
  void operator()(float* data) const { ::operator delete(data, kScratchAlignment); }
};

struct Buffer {
  std::unique_ptr<float, Free> data;
  int64_t capacity = 0;
};

}  // namespace

float* scratch(ScratchUse use, int64_t count) {
  thread_local Buffer buffers[static_cast<size_t>(ScratchUse::kCount)];
  Buffer& buffer = buffers[static_cast<size_t>(use)];
  if (buffer.capacity < count) {
    buffer.data.reset();  // before the new one exists: never hold both
    buffer.capacity = 0;
    buffer.data.reset(static_cast<float*>(
        ::operator new(static_cast<size_t>(count) * sizeof(float), kScratchAlignment)));
    buffer.capacity = count;
  }
  return buffer.data.get();
}

}  // namespace isthmus::nn
