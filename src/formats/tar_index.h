// Where the members of a tar file lie, so that each can be read by itself.   POSIX.1-2017, pax
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/mapped_file.h"

namespace isthmus::formats {

struct TarMember {
  std::string name;
  uint64_t offset = 0, size = 0;  // of its bytes, in the file
};

// Regular files alone, in their order; long names of pax and of GNU tar are understood. Throws
// InputError naming the file and the place: no tar, a wrong checksum, a member that ends behind the
// file (it was cut off).
std::vector<TarMember> index_tar(const MappedFile& file);

}  // namespace isthmus::formats
