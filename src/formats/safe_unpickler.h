// A pickle machine that executes nothing.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "formats/pickle_value.h"

namespace isthmus::formats::pickle {

struct Limits {
  size_t values = size_t{1} << 22;  // about 250 MB of table
  size_t global_length = 512;       // of a module or class name
  size_t storage_key_length = 256;
};

// Reads one pickle (protocols 0 to 5) from the front of `bytes`. Names are never imported and
// callables never called: the few that tensors need are known here and become data, instances of
// other classes become inert objects, and a call of anything else is refused:
//   model.bin: refuses to load: pickle calls posix.system; only tensor checkpoints are read
// Throws ModelError naming `source` and the byte where the pickle breaks.
Document unpickle(std::span<const std::byte> bytes, const std::string& source,
                  const Limits& limits = {});

}  // namespace isthmus::formats::pickle
