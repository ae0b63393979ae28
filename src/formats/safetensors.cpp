#include "formats/safetensors.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <functional>
#include <limits>
#include <memory>
#include <set>
#include <unordered_map>
#include <utility>

#include <unistd.h>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/atomic_file.h"
#include "base/quantised_blocks.h"
#include "formats/bytes.h"
#include "isthmus/error.h"

namespace isthmus::formats {
namespace {

using Json = nlohmann::json;

constexpr uint64_t kMaxHeaderBytes = 100'000'000;  // limit of the reference implementation
constexpr size_t kMaxHeaderValues = 8'000'000;     // about eight per tensor
constexpr int kMaxHeaderDepth = 4;
constexpr size_t kMostDimensions = 64;

constexpr const char* kBlocks = "isthmus.blocks";
constexpr std::array kBlockTypes{DType::kQ4, DType::kQ5, DType::kQ6, DType::kQ8};

constexpr std::array<std::pair<std::string_view, DType>, 10> kDTypes{{{"F64", DType::kF64},
                                                                      {"F32", DType::kF32},
                                                                      {"F16", DType::kF16},
                                                                      {"BF16", DType::kBF16},
                                                                      {"I64", DType::kI64},
                                                                      {"I32", DType::kI32},
                                                                      {"I16", DType::kI16},
                                                                      {"I8", DType::kI8},
                                                                      {"U8", DType::kU8},
                                                                      {"BOOL", DType::kBool}}};

class Header {
 public:
  Header(std::string file, std::string_view text, uint64_t data_start, uint64_t file_size)
      : file_(std::move(file)), data_start_(data_start), file_size_(file_size) {
    parse(text);
  }

  struct Entry {
    std::string name;
    DType dtype;
    Shape shape;
    uint64_t begin, end;
  };

  // Sorted by offset; together they cover the data exactly.
  std::vector<Entry> entries() const;
  std::map<std::string, std::string> metadata() const;

 private:
  [[noreturn]] void fail(std::string_view key, const std::string& what) const {
    throw ModelError(fmt::format("{}: {}: {}", file_, printable(key), what));
  }
  void parse(std::string_view text);
  Entry entry(const std::string& name, const Json& value) const;
  uint64_t unsigned_number(std::string_view name, const Json& value, std::string_view field) const;

  std::string file_;
  uint64_t data_start_, file_size_;
  Json root_;
};

void Header::parse(std::string_view text) {
  size_t values = 0;
  std::set<std::string> names;
  const auto watch = [&](int depth, Json::parse_event_t event, Json& parsed) {
    if (++values > kMaxHeaderValues || depth > kMaxHeaderDepth)
      throw ModelError(
          fmt::format("{}: the header is not a list of tensors (nested deeper than {} "
                      "or more than {} values)",
                      file_, kMaxHeaderDepth, kMaxHeaderValues));
    if (event == Json::parse_event_t::key && depth == 1 &&
        !names.insert(parsed.get<std::string>()).second)
      fail(parsed.get<std::string>(), "appears twice in the header");
    return true;
  };
  try {
    root_ = Json::parse(text, watch);
  } catch (const Json::parse_error& error) {
    throw ModelError(
        fmt::format("{}: the header is not valid JSON at byte {}", file_, 8 + error.byte));
  }
  if (!root_.is_object()) throw ModelError(fmt::format("{}: the header is not an object", file_));
}

uint64_t Header::unsigned_number(std::string_view name, const Json& value,
                                 std::string_view field) const {
  if (!value.is_number_unsigned())
    fail(name, fmt::format("{} must hold non-negative integers", field));
  return value.get<uint64_t>();
}

Header::Entry Header::entry(const std::string& name, const Json& value) const {
  if (!value.is_object() || !value.contains("dtype") || !value.contains("shape") ||
      !value.contains("data_offsets"))
    fail(name, "expected an object with dtype, shape and data_offsets");
  const Json& dtype = value["dtype"];
  const Json& shape = value["shape"];
  const Json& offsets = value["data_offsets"];
  if (!dtype.is_string() || !shape.is_array() || !offsets.is_array() || offsets.size() != 2)
    fail(name, "dtype must be a string, shape a list, data_offsets a list of two");

  Entry entry{name, DType::kF32, {}, 0, 0};
  const auto& spelling = dtype.get_ref<const std::string&>();
  const auto known = std::find_if(kDTypes.begin(), kDTypes.end(),
                                  [&](const auto& pair) { return pair.first == spelling; });
  if (known == kDTypes.end())
    throw UnsupportedError(fmt::format("{}: {}: element type {} is not supported", file_,
                                       printable(name), printable(spelling)));
  entry.dtype = known->second;
  if (shape.size() > kMostDimensions)
    fail(name,
         fmt::format("has {} dimensions, at most {} are read", shape.size(), kMostDimensions));
  for (const Json& dimension : shape)
    entry.shape.push_back(static_cast<int64_t>(unsigned_number(name, dimension, "shape")));
  entry.begin = unsigned_number(name, offsets[0], "data_offsets");
  entry.end = unsigned_number(name, offsets[1], "data_offsets");

  const auto count = num_elements(entry.shape);
  int64_t bytes = 0;
  if (!count || __builtin_mul_overflow(*count, static_cast<int64_t>(size_of(entry.dtype)), &bytes))
    fail(name, fmt::format("shape {} is larger than any file", to_string(entry.shape)));
  if (entry.end < entry.begin || entry.end - entry.begin != static_cast<uint64_t>(bytes))
    fail(name, fmt::format("{} {} needs {} bytes, data_offsets are [{}, {}]", spelling,
                           to_string(entry.shape), bytes, entry.begin, entry.end));
  return entry;
}

std::vector<Header::Entry> Header::entries() const {
  std::vector<Entry> entries;
  for (const auto& [name, value] : root_.items())
    if (name != "__metadata__") entries.push_back(entry(name, value));
  std::stable_sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  uint64_t position = 0;
  for (const Entry& entry : entries) {
    if (entry.begin != position)
      fail(entry.name,
           fmt::format("data begins at {}, expected {} (tensors may neither overlap nor "
                       "leave gaps)",
                       entry.begin, position));
    position = entry.end;
  }
  const uint64_t available = file_size_ - data_start_;
  if (position != available)
    throw ModelError(fmt::format("{}: is {} bytes, its header describes {} bytes{}", file_,
                                 file_size_, data_start_ + position,
                                 position > available ? "; is the file truncated?" : ""));
  return entries;
}

std::map<std::string, std::string> Header::metadata() const {
  std::map<std::string, std::string> metadata;
  const auto found = root_.find("__metadata__");
  if (found == root_.end()) return metadata;
  if (!found->is_object()) fail("__metadata__", "expected an object of strings");
  for (const auto& [key, value] : found->items()) {
    if (!value.is_string()) fail("__metadata__", "expected an object of strings");
    metadata[key] = value.get<std::string>();
  }
  return metadata;
}

// Bytes that are blocks become matrices.
void read_blocks(const std::string& text, const std::string& file,
                 std::vector<RawTensor>& tensors) {
  const auto fail = [&](std::string_view name, const std::string& what) {
    throw ModelError(fmt::format("{}: {}: {}: {}", file, kBlocks, printable(name), what));
  };
  const Json blocks = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!blocks.is_object()) fail("__metadata__", "expected a JSON object");
  std::unordered_map<std::string_view, RawTensor*> named;
  for (RawTensor& tensor : tensors) named[tensor.name] = &tensor;
  for (const auto& [name, value] : blocks.items()) {
    const auto found = named.find(name);
    if (found == named.end()) fail(name, "no tensor has this name");
    RawTensor* tensor = found->second;
    if (!value.is_array() || value.size() != 2 || !value[0].is_string() || !value[1].is_array())
      fail(name, "expected a type and a shape");
    const auto spelling = value[0].get<std::string>();
    const auto kind = std::ranges::find(kBlockTypes, spelling, name_of);
    if (kind == kBlockTypes.end())
      throw UnsupportedError(fmt::format("{}: {}: {}: blocks of type {} are not supported", file,
                                         kBlocks, printable(name), printable(spelling)));
    Shape shape;
    for (const Json& dimension : value[1]) {
      if (!dimension.is_number_unsigned() ||
          dimension.get<uint64_t>() > std::numeric_limits<int64_t>::max())
        fail(name, "a shape holds non-negative integers");
      shape.push_back(dimension.get<int64_t>());
    }
    const auto bytes = shape.size() <= kMostDimensions ? bytes_of(*kind, shape) : std::nullopt;
    if (tensor->dtype != DType::kU8 || tensor->shape.size() != 1 || !bytes ||
        *bytes != tensor->bytes.size())
      fail(name, fmt::format("{} blocks of {} do not fill the {} bytes there", spelling,
                             to_string(shape), tensor->bytes.size()));
    if (reinterpret_cast<std::uintptr_t>(tensor->bytes.data()) % kQuantisedAlignment != 0)
      fail(name, fmt::format("blocks lie at multiples of {} bytes of a file, these do not",
                             kQuantisedAlignment));
    tensor->dtype = *kind;
    tensor->strides = row_major_strides(shape);
    tensor->shape = std::move(shape);
  }
}

std::string quoted(const std::filesystem::path& path, const std::string& text) {
  try {
    return Json(text).dump();
  } catch (const Json::type_error&) {
    throw ModelError(fmt::format("{}: {} is not valid UTF-8", path.string(), printable(text)));
  }
}

// An entry of the header; `name` is quoted.
std::string item(const std::string& name, std::string_view dtype, const std::string& shape,
                 uint64_t begin, uint64_t end) {
  return fmt::format("{}:{{\"dtype\":\"{}\",\"shape\":{},\"data_offsets\":[{},{}]}}", name, dtype,
                     shape, begin, end);
}

}  // namespace

Safetensors read_safetensors(const std::shared_ptr<const MappedFile>& file) {
  const auto bytes = file->bytes();
  const std::string source = file->path().string();
  if (bytes.size() < 8)
    throw ModelError(
        fmt::format("{}: is {} bytes, a safetensors file has at least 8", source, bytes.size()));
  const auto header_size = read_le<uint64_t>(bytes, 0);
  if (header_size > kMaxHeaderBytes)
    throw ModelError(
        fmt::format("{}: header of {} bytes announced, at most {} are read; is this "
                    "a safetensors file?",
                    source, header_size, kMaxHeaderBytes));
  if (header_size > bytes.size() - 8)
    throw ModelError(
        fmt::format("{}: is {} bytes, its header alone ends at {}; is the file "
                    "truncated?",
                    source, bytes.size(), 8 + header_size));
  const uint64_t data_start = 8 + header_size;
  const Header header(source, text_of(bytes.subspan(8, header_size)), data_start, bytes.size());

  Safetensors result;
  result.metadata = header.metadata();
  for (auto& entry : header.entries()) {
    RawTensor tensor;
    tensor.strides = row_major_strides(entry.shape);
    tensor.name = std::move(entry.name);
    tensor.dtype = entry.dtype;
    tensor.shape = std::move(entry.shape);
    tensor.bytes = bytes.subspan(data_start + entry.begin, entry.end - entry.begin);
    tensor.owner = file;
    tensor.file = source;
    result.tensors.push_back(std::move(tensor));
  }
  if (const auto blocks = result.metadata.find(kBlocks); blocks != result.metadata.end()) {
    read_blocks(blocks->second, source, result.tensors);
    result.metadata.erase(blocks);
  }
  return result;
}

void write_safetensors(const std::filesystem::path& path, std::span<const RawTensor> tensors,
                       const std::map<std::string, std::string>& metadata) {
  write_safetensors(path, outgoing(tensors), metadata);
}

void write_safetensors(const std::filesystem::path& path, std::span<const OutgoingTensor> tensors,
                       const std::map<std::string, std::string>& metadata, size_t room) {
  std::vector<const OutgoingTensor*> order;
  for (const OutgoingTensor& tensor : tensors) order.push_back(&tensor);
  const auto alignment = [](const OutgoingTensor* tensor) {
    return is_quantised(tensor->dtype) ? kQuantisedAlignment : size_of(tensor->dtype);
  };
  std::ranges::stable_sort(order, std::greater(), alignment);

  // Assembled piece by piece: the ordered map of the JSON library looks keys up one by one.
  std::vector<std::string> items;
  uint64_t position = 0;
  Json blocks = Json::object();
  std::set<std::string_view> names;
  for (const OutgoingTensor* tensor : order) {
    if (tensor->name == "__metadata__" || !names.insert(tensor->name).second)
      throw ModelError(
          fmt::format("{}: {}: a tensor of this name cannot be written twice, or is "
                      "reserved",
                      path.string(), printable(tensor->name)));
    const uint64_t size = tensor->contiguous_size(), end = position + size;
    const bool is_blocks = is_quantised(tensor->dtype);
    if (is_blocks) blocks[tensor->name] = {name_of(tensor->dtype), tensor->shape};
    const auto spelling = std::ranges::find(kDTypes, is_blocks ? DType::kU8 : tensor->dtype,
                                            &std::pair<std::string_view, DType>::second);
    items.push_back(item(quoted(path, tensor->name), spelling->first,
                         is_blocks ? fmt::format("[{}]", size) : Json(tensor->shape).dump(),
                         position, end));
    position = end;
  }
  std::vector<std::string> pairs;
  const auto add_pair = [&](const std::string& key, const std::string& value) {
    pairs.push_back(fmt::format("{}:{}", quoted(path, key), quoted(path, value)));
  };
  for (const auto& [key, value] : metadata) add_pair(key, value);
  if (!blocks.empty()) add_pair(kBlocks, blocks.dump());  // the longest comes last
  if (!pairs.empty())
    items.insert(items.begin(), fmt::format("\"__metadata__\":{{{}}}", fmt::join(pairs, ",")));
  std::string text = fmt::format("{{{}}}", fmt::join(items, ","));
  // Keeps the data aligned, behind the eight bytes of the length.
  const size_t step = blocks.empty() ? 8 : kQuantisedAlignment;
  text.append(room, ' ');
  text.append((step - (8 + text.size()) % step) % step, ' ');

  AtomicFile file(path);
  std::string length;
  append_le(length, static_cast<uint64_t>(text.size()));
  file.write(length);
  file.write(text);
  for (const OutgoingTensor* tensor : order)
    tensor->write_to([&](std::span<const std::byte> piece) { file.write(piece); });
  file.commit();
}

void append_bytes(const std::filesystem::path& path, std::span<const RawTensor> tensors) {
  std::string header;
  uint64_t position = 0;
  {
    const auto file = MappedFile::open(path);
    const auto size = read_le<uint64_t>(file->bytes(), 0);
    header = text_of(file->bytes().subspan(8, size));
    position = file->bytes().size() - 8 - size;
  }
  const size_t room = header.size();
  header.resize(header.find_last_of('}'));
  for (const RawTensor& tensor : tensors) {
    const uint64_t end = position + tensor.bytes.size();
    header += ',';
    header += item(quoted(path, tensor.name), "U8", fmt::format("[{}]", tensor.bytes.size()),
                   position, end);
    position = end;
  }
  header += '}';
  if (header.size() > room)
    throw ModelError(fmt::format("{}: the header has room for {} bytes, {} are needed",
                                 path.string(), room, header.size()));
  header.resize(room, ' ');
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "r+b"),
                                                             &std::fclose);
  const auto require = [&](bool holds) {
    if (!holds)
      throw ResourceError(
          fmt::format("{}: cannot be written: {}", path.string(), std::strerror(errno)));
  };
  const auto write = [&](const void* data, size_t size) {
    require(std::fwrite(data, 1, size, file.get()) == size);
  };
  require(file != nullptr && std::fseek(file.get(), 0, SEEK_END) == 0);
  for (const RawTensor& tensor : tensors) write(tensor.bytes.data(), tensor.bytes.size());
  require(std::fseek(file.get(), 8, SEEK_SET) == 0);
  write(header.data(), header.size());
  require(std::fflush(file.get()) == 0 && ::fsync(::fileno(file.get())) == 0);
}

}  // namespace isthmus::formats
