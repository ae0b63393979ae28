// Samples packed into tar files, as webdataset packs them: consecutive members KEY.EXT are one.
#pragma once

#include <filesystem>
#include <memory>
#include <vector>

#include "samples/interleaved.h"
#include "samples/sample.h"

namespace isthmus::samples {

enum class ShardKind {
  kPairs,       // a picture (jpg, png, jpeg) and its caption (txt)
  kInterleaved  // a page or a sequence (json): read_interleaved
};

// The files that `place` means: a tar file, all *.tar of a folder, or names with one range in
// braces, "shards/{00000..00031}.tar"; in their order. Throws InputError: none, or some of a range
// that are not there, all of them at once.
std::vector<std::filesystem::path> find_shards(const std::filesystem::path& place);

// Only the places of the members are kept in memory; the files are mapped. Extensions are taken in
// lower case and begin at the first dot of the name; a key that comes again, or an extension that
// its sample has already, opens another sample. Throws InputError (index_tar; nothing in them).
std::unique_ptr<DataSet> open_shards(const std::filesystem::path& place, ShardKind kind,
                                     const InterleavedOptions& options = {});

}  // namespace isthmus::samples
