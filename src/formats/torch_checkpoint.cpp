#include "formats/torch_checkpoint.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "formats/bytes.h"
#include "formats/pickle_globals.h"
#include "formats/safe_unpickler.h"
#include "formats/state_dict.h"
#include "formats/zip.h"
#include "isthmus/error.h"

namespace isthmus::formats {
namespace {

// 0x1950a86a20f9469cfc6c (torch/serialization.py, MAGIC_NUMBER), little-endian as protocol 2 stores
// it, and in decimals as protocols 0 and 1 do.
constexpr std::string_view kLegacyMagic("\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19", 10);
constexpr std::string_view kLegacyMagicText("119547037146038801333356");
constexpr std::string_view kLegacyStart("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19",
                                        14);
constexpr int64_t kLegacyProtocol = 1001;

std::string trimmed(std::string_view text) {
  const size_t end = text.find_last_not_of(" \n\r\t");
  return std::string(text.substr(0, end == std::string_view::npos ? 0 : end + 1));
}

// What a checkpoint that lost its end must at least have held, read from the pickle at its front.
std::optional<uint64_t> expected_storage_bytes(std::span<const std::byte> bytes,
                                               const std::string& file) {
  constexpr size_t kLocalSize = 30;
  if (bytes.size() < kLocalSize) return std::nullopt;
  const size_t start = kLocalSize + read_le<uint16_t>(bytes, 26) + read_le<uint16_t>(bytes, 28);
  if (start > bytes.size()) return std::nullopt;
  try {
    const pickle::Document document = pickle::unpickle(bytes.subspan(start), file);
    std::map<std::string, uint64_t> sizes;
    for (const pickle::Value& value : document.values)
      if (const auto* storage = std::get_if<std::unique_ptr<pickle::Storage>>(&value))
        sizes[(*storage)->key] =
            static_cast<uint64_t>((*storage)->total) * pickle::torch_dtype_size((*storage)->dtype);
    uint64_t total = 0;
    for (const auto& [key, size] : sizes) total += size;
    return total;
  } catch (const ModelError&) {
    return std::nullopt;  // even the pickle is cut off: there is nothing more to say about the file
  }
}

[[noreturn]] void fail_truncated(std::span<const std::byte> bytes, const std::string& file) {
  const auto expected = expected_storage_bytes(bytes, file);
  throw ModelError(fmt::format(
      "{}: is {} bytes{} and has no zip directory at its end; is the file truncated?", file,
      bytes.size(), expected ? fmt::format(", its tensors alone need {}", *expected) : ""));
}

TorchCheckpoint read_zip(const std::shared_ptr<const MappedFile>& file,
                         const TorchReadOptions& options) {
  const std::string source = file->path().string();
  if (!ZipArchive::has_directory(file->bytes())) fail_truncated(file->bytes(), source);
  const ZipArchive archive = ZipArchive::open(file);
  if (archive.entries().empty()) throw ModelError(fmt::format("{}: an empty zip file", source));
  const std::string& first = archive.entries().front().name;
  const std::string root = first.substr(0, first.find('/') + 1);  // "archive/"

  // In a TorchScript archive the code and its constants lie beside the pickle; both stay unread.
  const auto pickled = archive.find(root + "data.pkl");
  if (!pickled)
    throw ModelError(
        fmt::format("{}: {}data.pkl: missing; not a torch checkpoint", source, printable(root)));
  if (const auto order = archive.find(root + "byteorder");
      order && trimmed(text_of(*order)) != "little")
    throw UnsupportedError(
        fmt::format("{}: byteorder is {}, expected little", source, printable(text_of(*order))));

  const pickle::Document document = pickle::unpickle(*pickled, source);
  return collect_tensors(document, file, options, [&](const pickle::Storage& storage) {
    auto entry = archive.find(root + "data/" + storage.key);
    // TorchScript names the folder where a tensor is also a constant of the code: "constants/3".
    if (!entry && storage.key.starts_with("constants/")) entry = archive.find(root + storage.key);
    if (!entry)
      throw ModelError(
          fmt::format("{}: {}data/{}: missing", source, printable(root), printable(storage.key)));
    return *entry;
  });
}

// Pickles (magic number, protocol, system, object, storage keys), then per key an int64 count and
// the elements.
class LegacyReader {
 public:
  explicit LegacyReader(const std::shared_ptr<const MappedFile>& file)
      : file_(file), source_(file->path().string()), rest_(file->bytes()) {}

  TorchCheckpoint read(const TorchReadOptions& options);

 private:
  pickle::Document next() {
    pickle::Document document = pickle::unpickle(rest_, source_);
    rest_ = rest_.subspan(document.consumed);
    return document;
  }
  void check_header();
  void locate_storages(const pickle::Document& object);

  const std::shared_ptr<const MappedFile>& file_;
  std::string source_;
  std::span<const std::byte> rest_;
  std::map<std::string, std::span<const std::byte>> storages_;
};

void LegacyReader::check_header() {
  const pickle::Document magic = next();
  const auto* number = magic.get<pickle::BigInteger>(magic.root);
  if (number == nullptr || (number->digits != kLegacyMagic && number->digits != kLegacyMagicText))
    throw UnsupportedError(fmt::format("{}: a pickle, but not one of torch.save", source_));
  const pickle::Document protocol = next();
  const auto* version = protocol.get<int64_t>(protocol.root);
  if (version == nullptr || *version != kLegacyProtocol)
    throw UnsupportedError(fmt::format("{}: protocol {}, expected {}", source_,
                                       version == nullptr ? "missing" : std::to_string(*version),
                                       kLegacyProtocol));
  const pickle::Document system = next();
  if (const auto* info = system.get<pickle::Dict>(system.root))
    for (const auto& [key, value] : info->items) {
      const auto* name = system.get<pickle::Text>(key);
      const auto* flag = system.get<bool>(value);
      if (name != nullptr && name->value == "little_endian" && flag != nullptr && !*flag)
        throw UnsupportedError(
            fmt::format("{}: was written big-endian, expected little-endian", source_));
    }
}

void LegacyReader::locate_storages(const pickle::Document& object) {
  std::map<std::string, const pickle::Storage*> described;
  for (const pickle::Value& value : object.values)
    if (const auto* storage = std::get_if<std::unique_ptr<pickle::Storage>>(&value))
      described[(*storage)->key] = storage->get();

  const pickle::Document keys = next();
  const auto* list = keys.get<pickle::List>(keys.root);
  if (list == nullptr) throw ModelError(fmt::format("{}: no list of storage keys", source_));
  for (const pickle::Ref ref : list->items) {
    const auto* key = keys.get<pickle::Text>(ref);
    const auto found = key == nullptr ? described.end() : described.find(key->value);
    if (found == described.end() || storages_.contains(key->value))
      throw ModelError(fmt::format("{}: storage key {} is unknown or repeated", source_,
                                   key == nullptr ? "?" : printable(key->value)));
    const size_t position = file_->bytes().size() - rest_.size();
    if (rest_.size() < sizeof(int64_t))
      throw ModelError(
          fmt::format("{}: is {} bytes, storage {} begins at {}; is the file truncated?", source_,
                      file_->bytes().size(), printable(key->value), position));
    const auto numel = read_le<int64_t>(rest_, 0);
    rest_ = rest_.subspan(sizeof(int64_t));
    if (numel != found->second->total)
      throw ModelError(fmt::format("{}: storage {} holds {} elements, its tensors expect {}",
                                   source_, printable(key->value), numel, found->second->total));
    const size_t size = pickle::torch_dtype_size(found->second->dtype);
    if (static_cast<uint64_t>(numel) > rest_.size() / size)
      throw ModelError(fmt::format(
          "{}: is {} bytes, storage {} of {} elements of {} bytes begins at {}; is the file "
          "truncated?",
          source_, file_->bytes().size(), printable(key->value), numel, size, position));
    storages_[key->value] = rest_.first(static_cast<size_t>(numel) * size);
    rest_ = rest_.subspan(static_cast<size_t>(numel) * size);
  }
}

TorchCheckpoint LegacyReader::read(const TorchReadOptions& options) {
  check_header();
  const pickle::Document object = next();
  locate_storages(object);
  return collect_tensors(object, file_, options, [&](const pickle::Storage& storage) {
    const auto found = storages_.find(storage.key);
    if (found == storages_.end())
      throw ModelError(fmt::format("{}: storage {} is missing", source_, printable(storage.key)));
    return found->second;
  });
}

}  // namespace

bool is_torch_checkpoint(std::span<const std::byte> bytes) {
  return ZipArchive::looks_like_zip(bytes) || text_of(bytes).starts_with(kLegacyStart);
}

TorchCheckpoint read_torch_checkpoint(const std::shared_ptr<const MappedFile>& file,
                                      const TorchReadOptions& options) {
  const auto bytes = file->bytes();
  const std::string source = file->path().string();
  if (ZipArchive::looks_like_zip(bytes)) return read_zip(file, options);
  constexpr size_t kTarMagic = 257;  // POSIX ustar
  if (bytes.size() >= kTarMagic + 5 && text_of(bytes.subspan(kTarMagic, 5)) == "ustar")
    throw UnsupportedError(
        fmt::format("{}: the tar layout of torch before 0.1.10 is not read; load it once with "
                    "Python's torch and save it again",
                    source));
  if (bytes.empty()) throw ModelError(fmt::format("{}: the file is empty", source));
  return LegacyReader(file).read(options);
}

}  // namespace isthmus::formats
