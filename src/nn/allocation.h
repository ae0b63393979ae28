// How a program that computes treats the memory of temporaries.
#pragma once

namespace isthmus::nn {

// The temporaries of a prefill are tens of megabytes each. By default malloc returns such blocks to
// the system at once, and the next one is cleared page by page again: 8 % of a bfloat16 LLaMA
// block. After this call freed blocks up to 32 MB, and 512 MB in all, stay with the process. For
// programs to call once at their start; a library leaves its host's allocator alone.
void keep_large_blocks();

}  // namespace isthmus::nn
