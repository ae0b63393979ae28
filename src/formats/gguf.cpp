#include "formats/gguf.h"

#include <algorithm>
#include <limits>
#include <utility>

#include <fmt/format.h>

#include "formats/bundle.h"
#include "formats/bytes.h"
#include "isthmus/error.h"

namespace isthmus::formats {
namespace {

constexpr uint64_t kMaxEntries = 1'000'000;           // of metadata or tensors
constexpr uint64_t kMaxElements = uint64_t{1} << 24;  // of a list
// Far above any vocabulary. What is read takes at most eight times as much memory.
constexpr size_t kMaxMetadataBytes = size_t{128} << 20;
constexpr size_t kMaxKeyBytes = 65'535, kMaxNameBytes = 1024;
constexpr uint32_t kMaxDimensions = 4;
constexpr uint64_t kUsualAlignment = 32;

enum class ValueType : uint32_t {
  kU8,
  kI8,
  kU16,
  kI16,
  kU32,
  kI32,
  kF32,
  kBool,
  kString,
  kArray,
  kU64,
  kI64,
  kF64,
};

std::optional<GgmlBlock> known_block(uint32_t type) {
  switch (static_cast<GgmlType>(type)) {
    case GgmlType::kF32: return GgmlBlock{"F32", 1, 4};
    case GgmlType::kF16: return GgmlBlock{"F16", 1, 2};
    case GgmlType::kBF16: return GgmlBlock{"BF16", 1, 2};
    case GgmlType::kQ4_0: return GgmlBlock{"Q4_0", 32, 18};
    case GgmlType::kQ4_1: return GgmlBlock{"Q4_1", 32, 20};
    case GgmlType::kQ5_0: return GgmlBlock{"Q5_0", 32, 22};
    case GgmlType::kQ5_1: return GgmlBlock{"Q5_1", 32, 24};
    case GgmlType::kQ8_0: return GgmlBlock{"Q8_0", 32, 34};
    case GgmlType::kQ2_K: return GgmlBlock{"Q2_K", 256, 84};
    case GgmlType::kQ3_K: return GgmlBlock{"Q3_K", 256, 110};
    case GgmlType::kQ4_K: return GgmlBlock{"Q4_K", 256, 144};
    case GgmlType::kQ5_K: return GgmlBlock{"Q5_K", 256, 176};
    case GgmlType::kQ6_K: return GgmlBlock{"Q6_K", 256, 210};
  }
  return std::nullopt;
}

// Walks through the file; every length is checked before it is believed.
class Reader {
 public:
  Reader(const std::string& path, std::span<const std::byte> bytes) : path_(path), bytes_(bytes) {}

  size_t at() const { return at_; }
  void say(std::string what) { what_ = std::move(what); }  // what is being read, for messages

  [[noreturn]] void fail(const std::string& reason) const {
    throw ModelError(fmt::format("{}: {}: {}", path_, what_, reason));
  }
  // A count of `things` of which each takes at least `least` bytes.
  uint64_t count(std::string_view things, uint64_t most, uint64_t least) {
    const auto value = number<uint64_t>();
    if (value > most)
      fail(fmt::format("announces {} {}, at most {} are read", value, things, most));
    if (value * least > bytes_.size() - at_)
      fail(fmt::format("announces {} {}, the {} bytes behind it hold at most {}", value, things,
                       bytes_.size() - at_, (bytes_.size() - at_) / least));
    return value;
  }
  template <typename T>
  T number() {
    need(sizeof(T));
    const T value = read_le<T>(bytes_, at_);
    at_ += sizeof(T);
    return value;
  }
  std::string text(size_t most) {
    const auto length = number<uint64_t>();
    if (length > most) fail(fmt::format("a text of {} bytes, at most {} are read", length, most));
    need(length);
    std::string value(text_of(bytes_.subspan(at_, length)));
    at_ += length;
    return value;
  }

 private:
  void need(uint64_t size) const {
    if (size > bytes_.size() - at_)
      fail(fmt::format("needs {} bytes at byte {}, the file has {}; it is truncated or broken",
                       size, at_, bytes_.size()));
  }

  const std::string& path_;
  std::span<const std::byte> bytes_;
  std::string what_ = "header";
  size_t at_ = 0;
};

int64_t narrow(Reader& reader, uint64_t value) {
  if (value > static_cast<uint64_t>(std::numeric_limits<int64_t>::max()))
    reader.fail(fmt::format("{} does not fit into 63 bits", value));
  return static_cast<int64_t>(value);
}

std::optional<int64_t> read_integer(Reader& reader, ValueType type) {
  switch (type) {
    case ValueType::kU8: return reader.number<uint8_t>();
    case ValueType::kI8: return reader.number<int8_t>();
    case ValueType::kU16: return reader.number<uint16_t>();
    case ValueType::kI16: return reader.number<int16_t>();
    case ValueType::kU32: return reader.number<uint32_t>();
    case ValueType::kI32: return reader.number<int32_t>();
    case ValueType::kBool: return reader.number<uint8_t>() != 0;
    case ValueType::kU64: return narrow(reader, reader.number<uint64_t>());
    case ValueType::kI64: return reader.number<int64_t>();
    default: return std::nullopt;
  }
}

size_t size_of_number(ValueType type) {
  switch (type) {
    case ValueType::kU8:
    case ValueType::kI8:
    case ValueType::kBool: return 1;
    case ValueType::kU16:
    case ValueType::kI16: return 2;
    case ValueType::kU32:
    case ValueType::kI32:
    case ValueType::kF32: return 4;
    default: return 8;
  }
}

GgufValue read_list(Reader& reader) {
  constexpr size_t kLongestText = 1 << 20;
  const auto type = static_cast<ValueType>(reader.number<uint32_t>());
  if (type == ValueType::kArray) reader.fail("a list of lists, expected numbers or texts in it");
  if (type > ValueType::kF64)
    reader.fail(fmt::format("a list of type {}, expected 0 to 12", static_cast<uint32_t>(type)));
  const uint64_t count =
      reader.count("elements", kMaxElements, type == ValueType::kString ? 8 : size_of_number(type));
  if (type == ValueType::kString) {
    std::vector<std::string> texts;
    for (uint64_t i = 0; i < count; ++i) texts.push_back(reader.text(kLongestText));
    return texts;
  }
  if (type == ValueType::kF32 || type == ValueType::kF64) {
    std::vector<double> numbers;
    numbers.reserve(count);
    for (uint64_t i = 0; i < count; ++i)
      numbers.push_back(type == ValueType::kF32 ? static_cast<double>(reader.number<float>())
                                                : reader.number<double>());
    return numbers;
  }
  std::vector<int64_t> integers;
  integers.reserve(count);
  for (uint64_t i = 0; i < count; ++i) integers.push_back(*read_integer(reader, type));
  return integers;
}

GgufValue read_value(Reader& reader) {
  constexpr size_t kLongestText = 1 << 24;
  const auto type = static_cast<ValueType>(reader.number<uint32_t>());
  switch (type) {
    case ValueType::kString: return reader.text(kLongestText);
    case ValueType::kArray: return read_list(reader);
    case ValueType::kF32: return static_cast<double>(reader.number<float>());
    case ValueType::kF64: return reader.number<double>();
    case ValueType::kBool: return reader.number<uint8_t>() != 0;
    default: break;
  }
  const auto integer = read_integer(reader, type);
  if (!integer)
    reader.fail(fmt::format("a value of type {}, expected 0 to 12", static_cast<uint32_t>(type)));
  return *integer;
}

struct TensorInfo {
  RawTensor tensor;
  GgmlType type;
  uint64_t offset;
};

TensorInfo read_info(Reader& reader, const std::string& path) {
  TensorInfo info{};
  RawTensor& tensor = info.tensor;
  tensor.name = reader.text(kMaxNameBytes);
  reader.say(fmt::format("tensor {}", printable(tensor.name)));
  const auto dimensions = reader.number<uint32_t>();
  if (dimensions > kMaxDimensions)
    reader.fail(fmt::format("has {} dimensions, at most {} are read", dimensions, kMaxDimensions));
  int64_t elements = 1;
  for (uint32_t i = 0; i < dimensions; ++i) {
    const int64_t size = narrow(reader, reader.number<uint64_t>());
    if (size == 0) reader.fail(fmt::format("dimension {} is 0, expected at least 1", i));
    if (__builtin_mul_overflow(elements, size, &elements))
      reader.fail("its dimensions multiply to more than 63 bits");
    tensor.shape.insert(tensor.shape.begin(), size);
  }
  tensor.strides = row_major_strides(tensor.shape);
  const auto type = reader.number<uint32_t>();
  const auto block = known_block(type);
  if (!block)
    throw UnsupportedError(fmt::format(
        "{}: tensor {}: type {} is not read; known are F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, "
        "Q8_0 and Q2_K to Q6_K",
        path, printable(tensor.name), type));
  info.type = static_cast<GgmlType>(type);
  switch (info.type) {
    case GgmlType::kF32: tensor.dtype = DType::kF32; break;
    case GgmlType::kF16: tensor.dtype = DType::kF16; break;
    case GgmlType::kBF16: tensor.dtype = DType::kBF16; break;
    default: tensor.blocks = info.type;  // and float32 to whoever reads it
  }
  const int64_t row = tensor.shape.empty() ? 1 : tensor.shape.back();
  if (row % block->elements != 0)
    reader.fail(fmt::format("rows of {} elements, {} needs whole blocks of {}", row, block->name,
                            block->elements));
  info.offset = reader.number<uint64_t>();
  return info;
}

// Where the bytes of a tensor lie behind `start`.
std::span<const std::byte> place(Reader& reader, const TensorInfo& info,
                                 std::span<const std::byte> bytes, size_t start,
                                 uint64_t alignment) {
  reader.say(fmt::format("tensor {}", printable(info.tensor.name)));
  const GgmlBlock block = block_of(info.type);
  const auto blocks = static_cast<uint64_t>(info.tensor.element_count() / block.elements);
  uint64_t size = 0, end = 0;
  if (__builtin_mul_overflow(blocks, block.bytes, &size) ||
      __builtin_add_overflow(info.offset, size, &end) || end > bytes.size() - start)
    reader.fail(fmt::format(
        "{} of {} ({} blocks of {} bytes) at byte {} + {} reaches beyond the end of the "
        "file, which has {} bytes; is it truncated?",
        block.name, to_string(info.tensor.shape), blocks, block.bytes, start, info.offset,
        bytes.size()));
  if (info.offset % alignment != 0)
    reader.fail(
        fmt::format("offset {} is no multiple of {} (general.alignment)", info.offset, alignment));
  return bytes.subspan(start + info.offset, size);
}

// No two tensors share bytes: a wrong offset would be weights of another layer, without a word.
void require_apart(Reader& reader, const std::vector<RawTensor>& tensors) {
  std::vector<const RawTensor*> order;
  for (const RawTensor& tensor : tensors) order.push_back(&tensor);
  std::ranges::sort(order, {}, [](const RawTensor* tensor) { return tensor->bytes.data(); });
  for (size_t i = 1; i < order.size(); ++i) {
    const auto before = order[i - 1]->bytes;
    if (before.data() + before.size() <= order[i]->bytes.data()) continue;
    reader.say(fmt::format("tensor {}", printable(order[i]->name)));
    reader.fail(fmt::format("begins inside the {} bytes of tensor {}", before.size(),
                            printable(order[i - 1]->name)));
  }
}

// "a text (\"llama\")", for messages.
struct Shown {
  std::string operator()(bool value) const { return value ? "true" : "false"; }
  std::string operator()(int64_t value) const { return fmt::format("the whole number {}", value); }
  std::string operator()(double value) const { return fmt::format("the number {}", value); }
  std::string operator()(const std::string& value) const {
    constexpr size_t kShown = 40;
    return fmt::format("the text \"{}{}\"", printable(value.substr(0, kShown)),
                       value.size() > kShown ? "..." : "");
  }
  std::string operator()(const std::vector<int64_t>& list) const {
    return fmt::format("a list of {} whole numbers", list.size());
  }
  std::string operator()(const std::vector<double>& list) const {
    return fmt::format("a list of {} numbers", list.size());
  }
  std::string operator()(const std::vector<std::string>& list) const {
    return fmt::format("a list of {} texts", list.size());
  }
};

constexpr size_t kCounts = 8;  // where the number of tensors stands, and behind it of entries

}  // namespace

GgmlBlock block_of(GgmlType type) { return *known_block(static_cast<uint32_t>(type)); }

GgufFile GgufFile::open(const std::shared_ptr<const MappedFile>& file) {
  GgufFile found;
  found.path_ = file->path().string();
  found.mapping_ = file;
  const auto bytes = file->bytes();
  Reader reader(found.path_, bytes);
  constexpr uint32_t kMagic = 0x46554747;  // "GGUF"
  if (const auto magic = reader.number<uint32_t>(); magic != kMagic)
    reader.fail("does not begin with \"GGUF\"");
  const auto version = reader.number<uint32_t>();
  if (version != 2 && version != 3)
    throw UnsupportedError(fmt::format("{}: GGUF version {} is not read; known are 2 and 3{}",
                                       found.path_, version,
                                       (version & 0xffff) == 0 ? " (a big-endian file?)" : ""));
  constexpr uint64_t kLeastTensor = 8 + 4 + 4 + 8, kLeastEntry = 8 + 4 + 1;
  const uint64_t tensors = reader.count("tensors", kMaxEntries, kLeastTensor);
  const uint64_t entries = reader.count("metadata entries", kMaxEntries, kLeastEntry);
  for (uint64_t i = 0; i < entries; ++i) {
    reader.say(fmt::format("metadata entry {}", i));
    std::string key = reader.text(kMaxKeyBytes);
    reader.say(printable(key));
    if (!found.metadata_.emplace(std::move(key), read_value(reader)).second)
      reader.fail("appears twice");
    if (reader.at() > kMaxMetadataBytes)
      reader.fail(fmt::format("metadata of more than {} bytes are not read", kMaxMetadataBytes));
  }
  found.metadata_end_ = reader.at();
  if (const auto bundled = bundled_weights(file->path())) {
    found.tensors_ = bundled->tensors;
    for (size_t i = 0; i < found.tensors_.size(); ++i) found.index_[found.tensors_[i].name] = i;
    return found;
  }
  std::vector<TensorInfo> infos;
  for (uint64_t i = 0; i < tensors; ++i) {
    reader.say(fmt::format("tensor {}", i));
    infos.push_back(read_info(reader, found.path_));
  }
  const int64_t alignment = found.integer("general.alignment", kUsualAlignment);
  if (alignment < 1 || alignment > (1 << 20) || (alignment & (alignment - 1)) != 0)
    throw ModelError(fmt::format("{}: general.alignment: {}, expected a power of two up to 2^20",
                                 found.path_, alignment));
  const auto step = static_cast<uint64_t>(alignment);
  const size_t start = (reader.at() + step - 1) / step * step;
  if (!infos.empty() && start > bytes.size()) {
    reader.say("header");
    reader.fail(fmt::format("tensors begin at byte {}, the file has {}; it is truncated or broken",
                            start, bytes.size()));
  }
  for (TensorInfo& info : infos) {
    info.tensor.bytes = place(reader, info, bytes, start, step);
    info.tensor.owner = file;
    info.tensor.file = found.path_;
    if (!found.index_.emplace(info.tensor.name, found.tensors_.size()).second)
      reader.fail("appears twice");
    found.tensors_.push_back(std::move(info.tensor));
  }
  require_apart(reader, found.tensors_);
  return found;
}

const RawTensor* GgufFile::find(std::string_view name) const {
  const auto at = index_.find(name);
  return at == index_.end() ? nullptr : &tensors_[at->second];
}

std::string GgufFile::without_tensors() const {
  std::string bytes(text_of(mapping_->bytes().first(metadata_end_)));
  std::fill_n(bytes.begin() + kCounts, sizeof(uint64_t), '\0');
  return bytes;
}

template <typename T>
const T& GgufFile::get(std::string_view key, std::string_view expected) const {
  const auto at = metadata_.find(key);
  if (at == metadata_.end())
    throw ModelError(fmt::format("{}: {} is missing, expected {}", path_, key, expected));
  const T* value = std::get_if<T>(&at->second);
  if (value == nullptr)
    throw ModelError(fmt::format("{}: {}: found {}, expected {}", path_, key,
                                 std::visit(Shown(), at->second), expected));
  return *value;
}

int64_t GgufFile::integer(std::string_view key, std::optional<int64_t> otherwise) const {
  return otherwise && !has(key) ? *otherwise : get<int64_t>(key, "a whole number");
}

double GgufFile::number(std::string_view key, std::optional<double> otherwise) const {
  return otherwise && !has(key) ? *otherwise : get<double>(key, "a number");
}

bool GgufFile::flag(std::string_view key, std::optional<bool> otherwise) const {
  return otherwise && !has(key) ? *otherwise : get<bool>(key, "true or false");
}

const std::string& GgufFile::text(std::string_view key) const {
  return get<std::string>(key, "a text");
}

const std::vector<std::string>& GgufFile::texts(std::string_view key) const {
  return get<std::vector<std::string>>(key, "a list of texts");
}

const std::vector<int64_t>& GgufFile::integers(std::string_view key) const {
  return get<std::vector<int64_t>>(key, "a list of whole numbers");
}

const std::vector<double>& GgufFile::numbers(std::string_view key) const {
  return get<std::vector<double>>(key, "a list of numbers");
}

}  // namespace isthmus::formats
