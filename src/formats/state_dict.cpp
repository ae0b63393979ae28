#include "formats/state_dict.h"

#include <algorithm>
#include <array>
#include <limits>
#include <optional>
#include <string>
#include <unordered_set>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "formats/bytes.h"
#include "formats/pickle_globals.h"
#include "isthmus/error.h"

namespace isthmus::formats {
namespace {

using pickle::Dict;
using pickle::Document;
using pickle::Ref;

constexpr size_t kMaxDepth = 32;
constexpr size_t kMaxNameLength = 1024;
constexpr size_t kMaxVisits = size_t{1} << 22;
constexpr size_t kMaxSkippedListed = 10;
// A view that repeats elements (stride 0) may describe more bytes than the file has, but not
// without bound.
constexpr uint64_t kMaxRepeatedBytes = uint64_t{1} << 30;

constexpr std::array kDTypes = {DType::kF64, DType::kF32, DType::kF16, DType::kBF16, DType::kI64,
                                DType::kI32, DType::kI16, DType::kI8,  DType::kU8,   DType::kBool};

std::optional<std::string> key_of(const Document& document, Ref ref) {
  if (const auto* text = document.get<pickle::Text>(ref)) return text->value;
  if (const auto* number = document.get<int64_t>(ref)) return std::to_string(*number);
  return std::nullopt;
}

// The attributes of a TorchScript module: sub-modules, parameters and plain values under the names
// that state_dict() gives them. nullptr for any other object.
const Dict* module_attributes(const Document& document, const pickle::Object& object) {
  const auto* type = document.get<pickle::Global>(object.type);
  if (type == nullptr) return nullptr;
  if (type->module != "__torch__" && !type->module.starts_with("__torch__.")) return nullptr;
  return document.get<Dict>(object.state);
}

class Collector {
 public:
  Collector(const Document& document, const std::shared_ptr<const MappedFile>& file,
            const StorageLookup& storage_bytes)
      : document_(document),
        file_(file),
        source_(file->path().string()),
        storage_bytes_(storage_bytes) {}

  TorchCheckpoint collect(const TorchReadOptions& options);

 private:
  [[noreturn]] void fail(const std::string& name, const std::string& what) const {
    throw ModelError(fmt::format("{}: {}: {}", source_, printable(name), what));
  }
  Ref unwrap(Ref root, const TorchReadOptions& options);
  bool is_state_dict(Ref ref, bool only_tensors) const;
  void visit(Ref ref, const std::string& name, size_t depth);
  void visit_items(const Dict& dict, const std::string& name, size_t depth);
  void visit_item(Ref ref, const std::string& name, const std::string& key, size_t depth);
  void note_skipped(const pickle::Object& object);
  RawTensor tensor_view(const pickle::Tensor& tensor, const std::string& name) const;
  void strip_prefix(const std::string& prefix);

  const Document& document_;
  const std::shared_ptr<const MappedFile>& file_;
  std::string source_;
  const StorageLookup& storage_bytes_;
  size_t visits_ = 0;
  std::unordered_set<std::string> names_;
  TorchCheckpoint result_;
};

bool Collector::is_state_dict(Ref ref, bool only_tensors) const {
  const auto* dict = document_.get<Dict>(ref);
  if (dict == nullptr || dict->items.empty()) return false;
  const auto is_tensor = [&](const auto& item) {
    return document_.get<pickle::Tensor>(item.second) != nullptr;
  };
  return only_tensors ? std::all_of(dict->items.begin(), dict->items.end(), is_tensor)
                      : std::any_of(dict->items.begin(), dict->items.end(), is_tensor);
}

// "model" is also an ordinary submodule name, so a dict there counts only if it holds nothing but
// tensors.
Ref Collector::unwrap(Ref root, const TorchReadOptions& options) {
  const auto* dict = document_.get<Dict>(root);
  if (dict == nullptr) return root;
  for (const std::string& wanted : options.unwrap)
    for (const auto& [key, value] : dict->items) {
      const auto name = key_of(document_, key);
      if (name != wanted || !is_state_dict(value, wanted == "model")) continue;
      result_.layout.wrappers.push_back(wanted);
      return value;
    }
  return root;
}

RawTensor Collector::tensor_view(const pickle::Tensor& tensor, const std::string& name) const {
  const auto known = std::find_if(kDTypes.begin(), kDTypes.end(),
                                  [&](DType dtype) { return name_of(dtype) == tensor.dtype; });
  if (known == kDTypes.end())
    throw UnsupportedError(fmt::format("{}: {}: element type {} is not supported", source_,
                                       printable(name), tensor.dtype));
  RawTensor view;
  view.name = name;
  view.dtype = *known;
  view.shape = tensor.shape;
  view.strides = tensor.strides;
  view.owner = file_;
  view.file = source_;

  const auto& storage = *document_.get<pickle::Storage>(tensor.storage);
  const auto bytes = storage_bytes_(storage);
  const size_t storage_item = pickle::torch_dtype_size(storage.dtype);
  if (static_cast<uint64_t>(storage.total) > bytes.size() / storage_item)
    fail(name,
         fmt::format("storage {} is {} bytes, expected {} elements of {}; is the file truncated?",
                     printable(storage.key), bytes.size(), storage.total, storage_item));
  // In range: the unpickler checked the view against the storage, and the line above the storage's
  // size.
  const auto extent =
      extent_within(tensor.shape, tensor.strides, std::numeric_limits<int64_t>::max());
  const size_t item = size_of(view.dtype);
  const size_t begin = static_cast<size_t>(storage.offset) * storage_item +
                       static_cast<size_t>(tensor.offset) * item;
  view.bytes = bytes.subspan(begin, static_cast<size_t>(*extent) * item);
  const auto count = static_cast<uint64_t>(*num_elements(view.shape));
  if (count > static_cast<uint64_t>(*extent) && count > kMaxRepeatedBytes / item)
    fail(name, fmt::format("shape {} repeats {} stored elements into more than {} bytes",
                           to_string(view.shape), *extent, kMaxRepeatedBytes));
  return view;
}

void Collector::note_skipped(const pickle::Object& object) {
  const auto* type = document_.get<pickle::Global>(object.type);
  if (type == nullptr) return;
  const std::string name = fmt::format("{}.{}", printable(type->module), printable(type->name));
  auto& skipped = result_.skipped;
  if (skipped.size() < kMaxSkippedListed &&
      std::find(skipped.begin(), skipped.end(), name) == skipped.end())
    skipped.push_back(name);
}

void Collector::visit_items(const Dict& dict, const std::string& name, size_t depth) {
  for (const auto& [key, value] : dict.items)
    if (const auto text = key_of(document_, key)) visit_item(value, name, *text, depth);
}

void Collector::visit_item(Ref ref, const std::string& name, const std::string& key, size_t depth) {
  if (name.size() + key.size() + 1 > kMaxNameLength)
    fail(name, fmt::format("a name of more than {} bytes", kMaxNameLength));
  visit(ref, name.empty() ? key : name + "." + key, depth + 1);
}

void Collector::visit(Ref ref, const std::string& name, size_t depth) {
  // The depth ends cycles, the number of visits ends containers that hold each other many times.
  if (depth > kMaxDepth)
    fail(name, fmt::format("nested deeper than {}, or inside itself", kMaxDepth));
  if (++visits_ > kMaxVisits) fail(name, fmt::format("more than {} entries", kMaxVisits));
  if (const auto* tensor = document_.get<pickle::Tensor>(ref)) {
    if (!names_.insert(name).second) fail(name, "two tensors have this name");
    result_.tensors.push_back(tensor_view(*tensor, name));
  } else if (const auto* dict = document_.get<Dict>(ref)) {
    visit_items(*dict, name, depth);
  } else if (const auto* list = document_.get<pickle::List>(ref)) {
    for (size_t i = 0; i < list->items.size(); ++i)
      visit_item(list->items[i], name, std::to_string(i), depth);
  } else if (const auto* tuple = document_.get<pickle::Tuple>(ref)) {
    for (size_t i = 0; i < tuple->items.size(); ++i)
      visit_item(tuple->items[i], name, std::to_string(i), depth);
  } else if (const auto* object = document_.get<pickle::Object>(ref)) {
    if (const Dict* attributes = module_attributes(document_, *object))
      visit_items(*attributes, name, depth);
    else
      note_skipped(*object);
  }
}

void Collector::strip_prefix(const std::string& prefix) {
  auto& tensors = result_.tensors;
  if (prefix.empty() || tensors.empty() ||
      !std::all_of(tensors.begin(), tensors.end(), [&](const RawTensor& tensor) {
        return tensor.name.size() > prefix.size() && tensor.name.starts_with(prefix);
      }))
    return;
  for (RawTensor& tensor : tensors) tensor.name.erase(0, prefix.size());
  result_.layout.prefix = prefix;
}

TorchCheckpoint Collector::collect(const TorchReadOptions& options) {
  const auto* object = document_.get<pickle::Object>(document_.root);
  const bool is_module = object != nullptr && module_attributes(document_, *object) != nullptr;
  if (object != nullptr && !is_module) {
    note_skipped(*object);
    throw UnsupportedError(
        fmt::format("{}: holds an object of class {}, not a dict of tensors; save its state_dict() "
                    "instead",
                    source_, fmt::join(result_.skipped, "")));
  }
  const Ref root = unwrap(document_.root, options);
  if (!is_module && document_.get<Dict>(root) == nullptr &&
      document_.get<pickle::List>(root) == nullptr && document_.get<pickle::Tuple>(root) == nullptr)
    throw UnsupportedError(fmt::format("{}: holds a single value, not a dict of tensors", source_));
  visit(root, "", 0);
  strip_prefix(options.strip_prefix);
  return std::move(result_);
}

}  // namespace

TorchCheckpoint collect_tensors(const Document& document,
                                const std::shared_ptr<const MappedFile>& file,
                                const TorchReadOptions& options,
                                const StorageLookup& storage_bytes) {
  return Collector(document, file, storage_bytes).collect(options);
}

}  // namespace isthmus::formats
