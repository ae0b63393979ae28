#include "formats/torch_checkpoint.h"

#include <limits>
#include <map>
#include <string_view>

#include <fmt/format.h>

#include "base/check.h"
#include "formats/bytes.h"
#include "formats/zip.h"
#include "isthmus/error.h"

namespace isthmus::formats {
namespace {

std::string_view storage_class(DType dtype) {
  switch (dtype) {
    case DType::kF64: return "DoubleStorage";
    case DType::kF32: return "FloatStorage";
    case DType::kF16: return "HalfStorage";
    case DType::kBF16: return "BFloat16Storage";
    case DType::kI64: return "LongStorage";
    case DType::kI32: return "IntStorage";
    case DType::kI16: return "ShortStorage";
    case DType::kI8: return "CharStorage";
    case DType::kU16:
    case DType::kQ4:
    case DType::kQ5:
    case DType::kQ6:
    case DType::kQ8: break;  // torch has none
    case DType::kU8: return "ByteStorage";
    case DType::kBool: return "BoolStorage";
  }
  throw UnsupportedError(fmt::format("torch files hold no {}", name_of(dtype)));
}

// Opcodes of protocol 2, the one torch.save uses.
class PickleWriter {
 public:
  PickleWriter() { text_ = "\x80\x02"; }
  void opcode(char code) { text_ += code; }
  void global(std::string_view module, std::string_view name) {
    text_ += fmt::format("c{}\n{}\n", module, name);
  }
  void text(std::string_view value) {
    text_ += 'X';
    append_le(text_, static_cast<uint32_t>(value.size()));
    text_ += value;
  }
  void integer(int64_t value) {
    if (value >= 0 && value <= std::numeric_limits<int32_t>::max()) {
      text_ += 'J';
      append_le(text_, static_cast<int32_t>(value));
    } else {
      text_ += "\x8a\x08";
      append_le(text_, value);
    }
  }
  void integers(const Shape& values) {
    opcode('(');
    for (const int64_t value : values) integer(value);
    opcode('t');
  }
  // torch._utils._rebuild_tensor_v2(storage, 0, shape, strides, False, OrderedDict())
  void tensor(const OutgoingTensor& tensor, std::string_view key) {
    global("torch._utils", "_rebuild_tensor_v2");
    opcode('(');
    opcode('(');
    text("storage");
    global("torch", storage_class(tensor.dtype));
    text(key);
    text("cpu");
    integer(static_cast<int64_t>(tensor.contiguous_size() / size_of(tensor.dtype)));
    opcode('t');
    opcode('Q');
    integer(0);
    integers(tensor.shape);
    integers(row_major_strides(tensor.shape));
    opcode('\x89');
    global("collections", "OrderedDict");
    opcode(')');
    opcode('R');
    opcode('t');
    opcode('R');
  }
  const std::string& content() const { return text_; }

 private:
  std::string text_;
};

// The number of each tensor's storage.
std::vector<size_t> storages_of(const std::filesystem::path& path,
                                std::span<const OutgoingTensor> tensors) {
  std::map<std::string_view, size_t> known;  // name -> index of the tensor
  std::vector<size_t> storages;
  size_t next = 0;
  for (size_t i = 0; i < tensors.size(); ++i) {
    const OutgoingTensor& tensor = tensors[i];
    if (!known.emplace(tensor.name, i).second)
      throw ModelError(
          fmt::format("{}: {}: two tensors have this name", path.string(), printable(tensor.name)));
    if (tensor.same_as.empty()) {
      storages.push_back(next++);
      continue;
    }
    const size_t other = known.at(tensor.same_as);
    ISTHMUS_CHECK(tensors[other].dtype == tensor.dtype && tensors[other].shape == tensor.shape,
                  tensor.name + " is not the same as " + tensor.same_as);
    storages.push_back(storages[other]);
  }
  return storages;
}

std::string pickle_of(std::span<const OutgoingTensor> tensors, std::span<const size_t> storages,
                      const TorchLayout& layout) {
  PickleWriter pickle;
  pickle.opcode('}');
  for (const std::string& wrapper : layout.wrappers) {
    pickle.text(wrapper);
    pickle.opcode('}');
  }
  for (size_t i = 0; i < tensors.size(); ++i) {
    pickle.text(layout.prefix + tensors[i].name);
    pickle.tensor(tensors[i], std::to_string(storages[i]));
    pickle.opcode('s');
  }
  for (size_t i = 0; i < layout.wrappers.size(); ++i) pickle.opcode('s');
  pickle.opcode('.');
  return pickle.content();
}

}  // namespace

void write_torch_checkpoint(const std::filesystem::path& path, std::span<const RawTensor> tensors,
                            const TorchLayout& layout) {
  write_torch_checkpoint(path, outgoing(tensors), layout);
}

void write_torch_checkpoint(const std::filesystem::path& path,
                            std::span<const OutgoingTensor> tensors, const TorchLayout& layout) {
  const std::vector<size_t> storages = storages_of(path, tensors);
  const std::string root = path.stem().string() + "/";
  ZipWriter zip(path);
  zip.add(root + "data.pkl", pickle_of(tensors, storages, layout));
  zip.add(root + "byteorder", "little");
  for (size_t i = 0; i < tensors.size(); ++i)
    if (tensors[i].same_as.empty())
      zip.add(fmt::format("{}data/{}", root, storages[i]), tensors[i].contiguous_size(),
              [&](const ZipWriter::Sink& sink) { tensors[i].write_to(sink); });
  zip.add(root + "version", "3\n");
  zip.finish();
}

}  // namespace isthmus::formats
