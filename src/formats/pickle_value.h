// What a pickle describes, as plain data.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "base/shape.h"

namespace isthmus::formats::pickle {

// Values live in one table and refer to each other by position: cycles cost nothing, and nothing
// that a file can nest is ever walked by recursion here.
using Ref = uint32_t;

struct None {};
struct BigInteger {
  std::string digits;  // little-endian bytes, or decimal text in protocols 0 and 1
};
struct Text {
  std::string value;
};
struct Bytes {
  std::string value;
};
struct Tuple {
  std::vector<Ref> items;
};
struct List {
  std::vector<Ref> items;
};
struct Set {};  // the members are dropped
struct Dict {
  std::vector<std::pair<Ref, Ref>> items;  // in file order
};
// A name that the file refers to. It is never looked up anywhere.
struct Global {
  std::string module, name;
};
// Elements [offset, offset + numel) of the storage `key`, which the container of the pickle holds.
struct Storage {
  std::string key;
  std::string dtype;  // "float32", …; "untyped": numel counts bytes
  int64_t numel = 0, offset = 0, total = 0;
};
// A view checked against its storage: strides are not negative, and every element lies inside.
struct Tensor {
  Ref storage = 0;
  std::string dtype;
  int64_t offset = 0;  // from the storage's first element
  Shape shape, strides;
};
// An instance of a class that means nothing here: inert, its contents are kept but never
// interpreted.
struct Object {
  Ref type = 0;       // a Global
  Ref arguments = 0;  // Tuple or None
  Ref state = 0;      // what BUILD set, or None
};

using Value = std::variant<None, bool, int64_t, double, BigInteger, Text, Bytes, Tuple, List, Set,
                           Dict, std::unique_ptr<Global>, std::unique_ptr<Storage>,
                           std::unique_ptr<Tensor>, Object>;

struct Document {
  std::vector<Value> values;
  Ref root = 0;
  size_t consumed = 0;  // bytes up to and including STOP

  const Value& at(Ref ref) const { return values[ref]; }
  template <typename T>
  const T* get(Ref ref) const {
    if constexpr (std::is_same_v<T, Global> || std::is_same_v<T, Storage> ||
                  std::is_same_v<T, Tensor>) {
      const auto* held = std::get_if<std::unique_ptr<T>>(&values[ref]);
      return held == nullptr ? nullptr : held->get();
    } else {
      return std::get_if<T>(&values[ref]);
    }
  }
};

}  // namespace isthmus::formats::pickle
