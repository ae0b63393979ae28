// Checkpoints of torch.save: the zip layout and the older bare pickle layout; and the tensors of
// TorchScript archives, whose modules are read as nested dicts of their attributes.
#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/mapped_file.h"
#include "formats/outgoing_tensor.h"
#include "formats/raw_tensor.h"

namespace isthmus::formats {

// What stood around the tensors' names in the file and was taken off.
struct TorchLayout {
  std::vector<std::string>
      wrappers;        // dicts around the tensors, outermost first: {"model_state_dict"}
  std::string prefix;  // in front of every name: "module."
};

struct TorchReadOptions {
  // A dict under one of these keys is taken instead of the whole, if the tensors are directly in
  // it.
  std::vector<std::string> unwrap = {"model_state_dict", "state_dict", "model"};
  // Taken off if every name has it, as data-parallel wrappers leave it.
  std::string strip_prefix = "module.";
};

struct TorchCheckpoint {
  std::vector<RawTensor>
      tensors;  // in file order, views into the mapping; nested dicts joined by '.'
  TorchLayout layout;
  std::vector<std::string>
      skipped;  // classes of objects that are neither tensors nor plain data, first ten
};

// True for what torch.save writes: a zip file, or a pickle that begins with torch's magic number.
bool is_torch_checkpoint(std::span<const std::byte> bytes);

// Nothing in the file is executed (safe_unpickler.h), and the code of a TorchScript archive is not
// even read. Numbers, strings and inert objects are skipped. Throws ModelError (broken or truncated
// file, tensor outside its storage, a pickle that calls anything) or UnsupportedError (tar layout,
// big-endian, unknown element type), naming file and tensor.
TorchCheckpoint read_torch_checkpoint(const std::shared_ptr<const MappedFile>& file,
                                      const TorchReadOptions& options = {});

// Writes a zip checkpoint that torch.load(weights_only=True) reads: a dict of tensors inside the
// dicts of `layout`, each name with the layout's prefix. Every tensor gets its own storage, in
// row-major order, unless it is the same as another.
void write_torch_checkpoint(const std::filesystem::path& path,
                            std::span<const OutgoingTensor> tensors,
                            const TorchLayout& layout = {});
void write_torch_checkpoint(const std::filesystem::path& path, std::span<const RawTensor> tensors,
                            const TorchLayout& layout = {});

}  // namespace isthmus::formats
