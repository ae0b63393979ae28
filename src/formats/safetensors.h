// The safetensors format: eight bytes of header length, a JSON header, then the tensors. Matrices
// in blocks of few bits, which it has no type for, stand in it as bytes (U8) that lie at a multiple
// of 64; __metadata__ says what they are: "isthmus.blocks": {"name": ["q4", [4096, 11008]], …}.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/mapped_file.h"
#include "formats/outgoing_tensor.h"
#include "formats/raw_tensor.h"

namespace isthmus::formats {

struct Safetensors {
  std::vector<RawTensor> tensors;               // in file order, contiguous, views into the mapping
  std::map<std::string, std::string> metadata;  // __metadata__
};

// Throws ModelError (broken, truncated, overlapping or unused bytes, duplicate names) or
// UnsupportedError (an element type this build does not know), naming file, tensor, found and
// expected.
Safetensors read_safetensors(const std::shared_ptr<const MappedFile>& file);

// Blocks come first, then larger element types before smaller ones, so that every tensor is aligned
// to its element size. Strided views are written in row-major order. `room`: bytes of the header
// that are left free. Throws ModelError for names that repeat or are not UTF-8.
void write_safetensors(const std::filesystem::path& path, std::span<const OutgoingTensor> tensors,
                       const std::map<std::string, std::string>& metadata = {}, size_t room = 0);
void write_safetensors(const std::filesystem::path& path, std::span<const RawTensor> tensors,
                       const std::map<std::string, std::string>& metadata = {});

// Puts tensors of bytes (U8) behind those of a file that was written with room for their entries,
// in place: until it returns the file is broken. Throws ModelError where the room is too small,
// ResourceError for a full disk.
void append_bytes(const std::filesystem::path& path, std::span<const RawTensor> tensors);

}  // namespace isthmus::formats
