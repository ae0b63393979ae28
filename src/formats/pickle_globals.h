// The names that a tensor checkpoint may mention, and what each stands for.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

namespace isthmus::formats::pickle {

enum class Callable {
  kDict,           // OrderedDict, defaultdict
  kSet,            // set, frozenset
  kSize,           // torch.Size: its tuple
  kTensor,         // (storage, offset, shape, strides, …)
  kTensorV3,       // (untyped storage, offset, shape, strides, requires_grad, hooks, dtype, …)
  kParameter,      // (tensor, requires_grad, hooks): the tensor
  kFromType,       // (function, type, arguments, state): function(*arguments)
  kTyped,          // TorchScript: (value[, its type]): the value
  kReconstructor,  // copyreg: an instance of a class
  kInert,          // metadata that may be built and is skipped: torch.device, numpy scalars, paths
};

// What calling `module.name` means; nullopt: such a call is refused.
std::optional<Callable> callable_of(std::string_view module, std::string_view name);
// False for modules that reach the system (os, subprocess, builtins, …): not even an inert instance
// is made.
bool may_be_instantiated(std::string_view module, std::string_view name);
// "torch.HalfStorage" -> "float16"; "untyped" for bytes; nullopt: not a storage class.
std::optional<std::string_view> storage_dtype(std::string_view module, std::string_view name);
// "torch.float16" -> "float16"; nullopt: not a dtype.
std::optional<std::string_view> torch_dtype(std::string_view module, std::string_view name);
// Bytes per element of a dtype of torch.
size_t torch_dtype_size(std::string_view dtype);

}  // namespace isthmus::formats::pickle
