#include "formats/pickle_globals.h"

#include <algorithm>
#include <array>

namespace isthmus::formats::pickle {
namespace {

struct Entry {
  std::string_view module, name;
  Callable meaning;
};

constexpr Entry kCallables[] = {
    {"collections", "OrderedDict", Callable::kDict},
    {"collections", "defaultdict", Callable::kDict},
    {"builtins", "dict", Callable::kDict},
    {"__builtin__", "dict", Callable::kDict},
    {"builtins", "set", Callable::kSet},
    {"__builtin__", "set", Callable::kSet},
    {"builtins", "frozenset", Callable::kSet},
    {"__builtin__", "frozenset", Callable::kSet},
    {"torch", "Size", Callable::kSize},
    {"torch._utils", "_rebuild_tensor", Callable::kTensor},
    {"torch._utils", "_rebuild_tensor_v2", Callable::kTensor},
    {"torch._utils", "_rebuild_tensor_v3", Callable::kTensorV3},
    {"torch._utils", "_rebuild_parameter", Callable::kParameter},
    {"torch._utils", "_rebuild_parameter_with_state", Callable::kParameter},
    {"torch._tensor", "_rebuild_from_type_v2", Callable::kFromType},
    {"torch._utils", "_rebuild_from_type_v2", Callable::kFromType},
    {"copyreg", "_reconstructor", Callable::kReconstructor},
    {"copy_reg", "_reconstructor", Callable::kReconstructor},
    {"copyreg", "__newobj__", Callable::kReconstructor},
    {"copy_reg", "__newobj__", Callable::kReconstructor},
    {"torch.jit._pickle", "build_intlist", Callable::kTyped},
    {"torch.jit._pickle", "build_doublelist", Callable::kTyped},
    {"torch.jit._pickle", "build_boollist", Callable::kTyped},
    {"torch.jit._pickle", "build_tensorlist", Callable::kTyped},
    {"torch.jit._pickle", "restore_type_tag", Callable::kTyped},
    {"torch", "device", Callable::kInert},
    {"torch.serialization", "_get_layout", Callable::kInert},
    {"numpy", "dtype", Callable::kInert},
    {"numpy.core.multiarray", "scalar", Callable::kInert},
    {"numpy._core.multiarray", "scalar", Callable::kInert},
    {"numpy.core.multiarray", "_reconstruct", Callable::kInert},
    {"numpy._core.multiarray", "_reconstruct", Callable::kInert},
    {"_codecs", "encode", Callable::kInert},
    {"builtins", "bytearray", Callable::kInert},
    {"__builtin__", "bytearray", Callable::kInert},
    {"builtins", "complex", Callable::kInert},
    {"__builtin__", "complex", Callable::kInert},
    {"collections", "Counter", Callable::kInert},
    {"types", "SimpleNamespace", Callable::kInert},
    {"argparse", "Namespace", Callable::kInert},
    {"datetime", "datetime", Callable::kInert},
    {"datetime", "timedelta", Callable::kInert},
    {"datetime", "timezone", Callable::kInert},
    {"pathlib", "PosixPath", Callable::kInert},
    {"pathlib", "PurePosixPath", Callable::kInert},
    {"pathlib", "WindowsPath", Callable::kInert},
    {"pathlib", "PureWindowsPath", Callable::kInert},
    {"pathlib._local", "PosixPath", Callable::kInert},
};

// Top-level modules whose classes act on the system or run code when they are made.
constexpr std::string_view kForbiddenModules[] = {"__builtin__",
                                                  "_io",
                                                  "_pickle",
                                                  "_posixsubprocess",
                                                  "asyncio",
                                                  "bdb",
                                                  "builtins",
                                                  "cloudpickle",
                                                  "codeop",
                                                  "commands",
                                                  "ctypes",
                                                  "dill",
                                                  "functools",
                                                  "imp",
                                                  "importlib",
                                                  "io",
                                                  "joblib",
                                                  "marshal",
                                                  "multiprocessing",
                                                  "nt",
                                                  "operator",
                                                  "os",
                                                  "pdb",
                                                  "pickle",
                                                  "pip",
                                                  "popen2",
                                                  "posix",
                                                  "pty",
                                                  "pydoc",
                                                  "requests",
                                                  "runpy",
                                                  "shutil",
                                                  "signal",
                                                  "smtplib",
                                                  "socket",
                                                  "ssl",
                                                  "subprocess",
                                                  "sys",
                                                  "tempfile",
                                                  "thread",
                                                  "threading",
                                                  "timeit",
                                                  "types",
                                                  "urllib",
                                                  "urllib2",
                                                  "venv",
                                                  "webbrowser",
                                                  "zipimport"};

struct DTypeEntry {
  std::string_view name, storage;  // storage class without "Storage"
  size_t size;
};

// All of torch's, so that an unsupported one can be named together with its tensor.
constexpr DTypeEntry kDTypes[] = {{"float64", "Double", 8},
                                  {"float32", "Float", 4},
                                  {"float16", "Half", 2},
                                  {"bfloat16", "BFloat16", 2},
                                  {"int64", "Long", 8},
                                  {"int32", "Int", 4},
                                  {"int16", "Short", 2},
                                  {"int8", "Char", 1},
                                  {"uint8", "Byte", 1},
                                  {"bool", "Bool", 1},
                                  {"complex64", "ComplexFloat", 8},
                                  {"complex128", "ComplexDouble", 16},
                                  {"complex32", "", 4},
                                  {"qint8", "QInt8", 1},
                                  {"quint8", "QUInt8", 1},
                                  {"qint32", "QInt32", 4},
                                  {"quint4x2", "QUInt4x2", 1},
                                  {"quint2x4", "QUInt2x4", 1},
                                  {"uint16", "", 2},
                                  {"uint32", "", 4},
                                  {"uint64", "", 8},
                                  {"float8_e4m3fn", "", 1},
                                  {"float8_e5m2", "", 1},
                                  {"float8_e4m3fnuz", "", 1},
                                  {"float8_e5m2fnuz", "", 1}};

}  // namespace

std::optional<Callable> callable_of(std::string_view module, std::string_view name) {
  for (const Entry& entry : kCallables)
    if (entry.module == module && entry.name == name) return entry.meaning;
  return std::nullopt;
}

bool may_be_instantiated(std::string_view module, std::string_view name) {
  if (callable_of(module, name) == Callable::kInert) return true;
  const std::string_view top = module.substr(0, module.find('.'));
  return std::find(std::begin(kForbiddenModules), std::end(kForbiddenModules), top) ==
         std::end(kForbiddenModules);
}

std::optional<std::string_view> storage_dtype(std::string_view module, std::string_view name) {
  constexpr std::string_view kSuffix = "Storage";
  if (module != "torch" && module != "torch.cuda" && module != "torch.storage") return std::nullopt;
  if (!name.ends_with(kSuffix)) return std::nullopt;
  name.remove_suffix(kSuffix.size());
  if (name == "Untyped" || name == "_Untyped") return "untyped";
  if (module == "torch.storage" || name.empty()) return std::nullopt;
  for (const DTypeEntry& entry : kDTypes)
    if (entry.storage == name) return entry.name;
  return std::nullopt;
}

std::optional<std::string_view> torch_dtype(std::string_view module, std::string_view name) {
  if (module != "torch") return std::nullopt;
  for (const DTypeEntry& entry : kDTypes)
    if (entry.name == name) return entry.name;
  return std::nullopt;
}

size_t torch_dtype_size(std::string_view dtype) {
  for (const DTypeEntry& entry : kDTypes)
    if (entry.name == dtype) return entry.size;
  return 1;  // "untyped"
}

}  // namespace isthmus::formats::pickle
