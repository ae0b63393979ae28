// How much memory there is, and how much of it this process has.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

namespace isthmus {

// Bytes that this process could still take without swapping: what the kernel calls available, or
// what is left of the limit of a control group above the process (version 2 or 1) where that is
// less. Nothing where neither can be read. `root` stands in the place of "/".
std::optional<int64_t> available_memory(const std::filesystem::path& root = "/");
// Bytes of this process that lie in memory, now and at most so far; 0 where they cannot be read.
int64_t resident_memory();
int64_t peak_resident_memory();

}  // namespace isthmus
