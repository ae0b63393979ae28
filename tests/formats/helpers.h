// Files, pickles and tensors made by hand.
#pragma once

#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "error_message.h"
#include "formats/bytes.h"
#include "formats/raw_tensor.h"
#include "isthmus/error.h"

namespace isthmus::formats::testing_helpers {

using isthmus::message_of;

inline std::filesystem::path temporary(const std::string& name) {
  const auto folder = std::filesystem::path(testing::TempDir()) / "isthmus_formats";
  std::filesystem::create_directories(folder);
  return folder / name;
}

// Without the sync of AtomicFile, and into a fresh file (some file systems sync one that is
// truncated and rewritten): the hostile files are many.
inline std::filesystem::path put_file(const std::string& name, std::string_view content) {
  const auto path = temporary(name);
  std::filesystem::remove(path);
  std::ofstream(path, std::ios::binary)
      .write(content.data(), static_cast<std::streamsize>(content.size()));
  return path;
}

inline std::string get_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

inline std::filesystem::path fixture(const std::string& relative) {
  return std::filesystem::path(ISTHMUS_FIXTURES) / "llava" / relative;
}

template <typename T>
RawTensor tensor_of(const std::string& name, DType dtype, const Shape& shape,
                    const std::vector<T>& values) {
  auto owner = std::make_shared<std::vector<T>>(values);
  RawTensor tensor;
  tensor.name = name;
  tensor.dtype = dtype;
  tensor.shape = shape;
  tensor.strides = row_major_strides(shape);
  tensor.bytes = std::as_bytes(std::span(*owner));
  tensor.owner = owner;
  return tensor;
}

template <typename T>
std::vector<T> values_of(const RawTensor& tensor) {
  const auto bytes = to_contiguous(tensor);
  std::vector<T> values(bytes.size() / sizeof(T));
  if (!bytes.empty()) std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

// Opcodes put together by hand, protocol 2.
struct Pickle {
  std::string bytes = std::string("\x80\x02", 2);

  Pickle& op(std::string_view code) {
    bytes += code;
    return *this;
  }
  Pickle& text(std::string_view value) {
    bytes += 'X';
    append_le(bytes, static_cast<uint32_t>(value.size()));
    bytes += value;
    return *this;
  }
  Pickle& number(int64_t value) {
    bytes += std::string_view("\x8a\x08", 2);
    append_le(bytes, value);
    return *this;
  }
  Pickle& global(std::string_view module, std::string_view name) {
    bytes += 'c';
    bytes.append(module).append("\n").append(name).append("\n");
    return *this;
  }
  Pickle& numbers(const Shape& values) {
    op("(");
    for (const int64_t value : values) number(value);
    return op("t");
  }
  Pickle& storage(std::string_view type, std::string_view key, int64_t numel) {
    return op("(")
        .text("storage")
        .global("torch", type)
        .text(key)
        .text("cpu")
        .number(numel)
        .op("tQ");
  }
  Pickle& tensor(std::string_view type, std::string_view key, int64_t numel, int64_t offset,
                 const Shape& shape, const Shape& strides) {
    return global("torch._utils", "_rebuild_tensor_v2")
        .op("(")
        .storage(type, key, numel)
        .number(offset)
        .numbers(shape)
        .numbers(strides)
        .op("\x89")
        .global("collections", "OrderedDict")
        .op(")RtR");
  }
};

// data.pkl of a TorchScript archive: a module "sub" with "weight" [2, 3] in storage 0 and "bias"
// [2], a constant of the code, in constants/0; beside it an int64 "size" in storage 1 and plain
// attributes.
inline std::string script_pickle() {
  Pickle pickle;
  const auto open = [&](std::string_view type) {
    pickle.global("__torch__.net.___torch_mangle_7", type).op(")\x81}(");
  };
  open("Net");
  pickle.text("size").tensor("LongStorage", "1", 1, 0, {}, {});
  pickle.text("training").op("\x88").text("hook").op("N");
  pickle.text("pads").global("torch.jit._pickle", "build_intlist");
  pickle.op("(](").number(1).number(2).op("etR");
  pickle.text("tag").global("torch.jit._pickle", "restore_type_tag");
  pickle.op("(}").text("Dict[str, int]").op("tR");
  pickle.text("sub");
  open("Sub");
  pickle.text("weight").tensor("FloatStorage", "0", 6, 0, {2, 3}, {3, 1});
  pickle.text("bias").tensor("HalfStorage", "constants/0", 2, 0, {2}, {1});
  return pickle.op("ubub.").bytes;
}

// The layout of torch before 1.6: "w" [2, 3] float32, "b" a 0-dim int64, "part" a storage that is a
// view.
inline std::string legacy_checkpoint() {
  std::string bytes("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.", 15);
  bytes += Pickle().number(1001).op(".").bytes;
  bytes += Pickle()
               .op("}")
               .text("protocol_version")
               .number(1001)
               .op("s")
               .text("little_endian")
               .op("\x88s.")
               .bytes;
  Pickle object;
  object.op("}").text("w").tensor("FloatStorage", "111", 6, 0, {2, 3}, {3, 1}).op("s");
  object.text("b").tensor("LongStorage", "222", 1, 0, {}, {}).op("s");
  object.text("part")
      .global("torch._utils", "_rebuild_tensor")
      .op("((")
      .text("storage")
      .global("torch", "FloatStorage");
  object.text("111").text("cpu").number(6).op("(").text("112").number(2).number(3).op("ttQ");
  bytes += object.number(1).numbers({2}).numbers({1}).op("tRs.").bytes;
  bytes += Pickle().op("](").text("111").text("222").op("e.").bytes;
  append_le(bytes, int64_t{6});
  for (int i = 0; i < 6; ++i) append_le(bytes, static_cast<float>(i));
  append_le(bytes, int64_t{1});
  append_le(bytes, int64_t{42});
  return bytes;
}

}  // namespace isthmus::formats::testing_helpers
