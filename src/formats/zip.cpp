#include "formats/zip.h"

#include <algorithm>
#include <optional>

#include <fmt/format.h>
#include <zlib.h>

#include "base/check.h"
#include "formats/bytes.h"
#include "isthmus/error.h"

namespace isthmus::formats {
namespace {

// PKWARE APPNOTE 6.3: signatures and sizes of the fixed parts.
constexpr uint32_t kLocalSignature = 0x04034b50, kCentralSignature = 0x02014b50,
                   kDescriptorSignature = 0x08074b50, kEndSignature = 0x06054b50,
                   kEnd64Signature = 0x06064b50, kLocatorSignature = 0x07064b50;
constexpr size_t kLocalSize = 30, kCentralSize = 46, kEndSize = 22, kEnd64Size = 56,
                 kLocatorSize = 20, kMaxComment = 0xffff;
constexpr uint16_t kZip64Extra = 0x0001, kPaddingExtra = 0x4246;  // "FB", as torch.save pads
constexpr uint16_t kEncrypted = 1u << 0, kHasDescriptor = 1u << 3, kUtf8Name = 1u << 11;
constexpr uint32_t kIn64 = 0xffffffff;
constexpr uint64_t kAlignment = 64;

std::optional<size_t> find_end(std::span<const std::byte> bytes) {
  if (bytes.size() < kEndSize) return std::nullopt;
  const size_t last = bytes.size() - kEndSize;
  const size_t first = last > kMaxComment ? last - kMaxComment : 0;
  for (size_t at = last + 1; at-- > first;)
    if (read_le<uint32_t>(bytes, at) == kEndSignature &&
        read_le<uint16_t>(bytes, at + 20) == last - at)
      return at;
  return std::nullopt;
}

class DirectoryReader {
 public:
  DirectoryReader(std::span<const std::byte> bytes, std::string file)
      : bytes_(bytes), file_(std::move(file)) {}

  std::vector<ZipEntry> read();

 private:
  struct Directory {
    uint64_t count, size, offset;
  };
  [[noreturn]] void fail(const std::string& what) const {
    throw ModelError(fmt::format("{}: {}", file_, what));
  }
  Directory locate() const;
  ZipEntry read_entry(size_t& at, size_t end) const;
  void widen(std::span<const std::byte> extra, const std::string& name, uint64_t& size,
             uint64_t& stored, uint64_t& offset) const;
  std::span<const std::byte> locate_data(const std::string& name, uint64_t offset,
                                         uint64_t size) const;

  std::span<const std::byte> bytes_;
  std::string file_;
};

DirectoryReader::Directory DirectoryReader::locate() const {
  const auto end = find_end(bytes_);
  if (!end)
    fail(fmt::format("is {} bytes and has no zip directory at its end; is the file truncated?",
                     bytes_.size()));
  const auto volume = read_le<uint16_t>(bytes_, *end + 4);
  if (volume != 0 && volume != 0xffff)  // 0xffff: see the zip64 record
    throw UnsupportedError(fmt::format("{}: multi-volume zip files are not read", file_));
  Directory directory{read_le<uint16_t>(bytes_, *end + 10), read_le<uint32_t>(bytes_, *end + 12),
                      read_le<uint32_t>(bytes_, *end + 16)};
  size_t directory_end = *end;
  if (*end >= kLocatorSize && read_le<uint32_t>(bytes_, *end - kLocatorSize) == kLocatorSignature) {
    const auto at = read_le<uint64_t>(bytes_, *end - kLocatorSize + 8);
    if (*end < kLocatorSize + kEnd64Size || at > *end - kLocatorSize - kEnd64Size ||
        read_le<uint32_t>(bytes_, at) != kEnd64Signature)
      fail("the zip64 directory is not where its locator says");
    directory = {read_le<uint64_t>(bytes_, at + 32), read_le<uint64_t>(bytes_, at + 40),
                 read_le<uint64_t>(bytes_, at + 48)};
    directory_end = at;
  }
  if (directory.offset > directory_end || directory.size != directory_end - directory.offset)
    fail(
        fmt::format("the zip directory is announced at [{}, +{}], but ends at {}; bytes are "
                    "missing or were added",
                    directory.offset, directory.size, directory_end));
  if (directory.count > directory.size / kCentralSize)
    fail(fmt::format("{} zip entries do not fit into a directory of {} bytes", directory.count,
                     directory.size));
  return directory;
}

// The zip64 extra field holds, in this order, those of the three numbers that read 0xffffffff.
void DirectoryReader::widen(std::span<const std::byte> extra, const std::string& name,
                            uint64_t& size, uint64_t& stored, uint64_t& offset) const {
  while (extra.size() >= 4) {
    const auto id = read_le<uint16_t>(extra, 0);
    const auto length = read_le<uint16_t>(extra, 2);
    if (length > extra.size() - 4)
      fail(fmt::format("{}: extra field exceeds its room", printable(name)));
    auto field = extra.subspan(4, length);
    extra = extra.subspan(4 + size_t{length});
    if (id != kZip64Extra) continue;
    for (uint64_t* value : {&size, &stored, &offset}) {
      if (*value != kIn64) continue;
      if (field.size() < 8) fail(fmt::format("{}: zip64 field is too short", printable(name)));
      *value = read_le<uint64_t>(field, 0);
      field = field.subspan(8);
    }
    return;
  }
}

std::span<const std::byte> DirectoryReader::locate_data(const std::string& name, uint64_t offset,
                                                        uint64_t size) const {
  if (offset > bytes_.size() || bytes_.size() - offset < kLocalSize ||
      read_le<uint32_t>(bytes_, offset) != kLocalSignature)
    fail(fmt::format("{}: no entry begins at byte {}", printable(name), offset));
  const size_t name_length = read_le<uint16_t>(bytes_, offset + 26);
  const size_t extra_length = read_le<uint16_t>(bytes_, offset + 28);
  const uint64_t available = bytes_.size() - offset - kLocalSize;
  if (name_length + extra_length > available ||
      text_of(bytes_.subspan(offset + kLocalSize, name_length)) != name)
    fail(fmt::format("{}: the entry at byte {} carries another name", printable(name), offset));
  if (size > available - name_length - extra_length)
    fail(fmt::format("{}: {} bytes announced, {} are left in the file", printable(name), size,
                     available - name_length - extra_length));
  return bytes_.subspan(offset + kLocalSize + name_length + extra_length, size);
}

ZipEntry DirectoryReader::read_entry(size_t& at, size_t end) const {
  if (end - at < kCentralSize || read_le<uint32_t>(bytes_, at) != kCentralSignature)
    fail(fmt::format("no zip directory record at byte {}", at));
  const auto flags = read_le<uint16_t>(bytes_, at + 8);
  const auto method = read_le<uint16_t>(bytes_, at + 10);
  uint64_t stored = read_le<uint32_t>(bytes_, at + 20);
  uint64_t size = read_le<uint32_t>(bytes_, at + 24);
  const size_t name_length = read_le<uint16_t>(bytes_, at + 28);
  const size_t extra_length = read_le<uint16_t>(bytes_, at + 30);
  const size_t comment_length = read_le<uint16_t>(bytes_, at + 32);
  uint64_t offset = read_le<uint32_t>(bytes_, at + 42);
  const size_t record = kCentralSize + name_length + extra_length + comment_length;
  if (record > end - at) fail(fmt::format("zip directory record at byte {} is cut off", at));
  const std::string name(text_of(bytes_.subspan(at + kCentralSize, name_length)));
  widen(bytes_.subspan(at + kCentralSize + name_length, extra_length), name, size, stored, offset);
  at += record;

  if (flags & kEncrypted)
    throw UnsupportedError(
        fmt::format("{}: {}: encrypted entries are not read", file_, printable(name)));
  if (method == 0 && stored != size)
    fail(
        fmt::format("{}: stored entry of {} bytes claims {} bytes", printable(name), stored, size));
  return {name, locate_data(name, offset, stored), method, size};
}

std::vector<ZipEntry> DirectoryReader::read() {
  const Directory directory = locate();
  std::vector<ZipEntry> entries;
  size_t at = directory.offset;
  const size_t end = directory.offset + directory.size;
  for (uint64_t i = 0; i < directory.count; ++i) entries.push_back(read_entry(at, end));
  if (at != end) fail(fmt::format("{} bytes follow the last zip directory record", end - at));
  return entries;
}

void append_extra(std::string& extra, uint16_t id, std::string_view content) {
  append_le(extra, id);
  append_le(extra, static_cast<uint16_t>(content.size()));
  extra += content;
}

uint32_t capped(uint64_t value) { return value >= kIn64 ? kIn64 : static_cast<uint32_t>(value); }

// Fields that local and central headers share, from flags to the length of the name.
void append_common(std::string& out, uint32_t crc, uint32_t size, size_t name_length) {
  append_le(out, static_cast<uint16_t>(kHasDescriptor | kUtf8Name));
  append_le(out, uint16_t{0});     // stored
  append_le(out, uint16_t{0});     // time
  append_le(out, uint16_t{0x21});  // 1 January 1980: the same bytes every time
  append_le(out, crc);
  append_le(out, size);
  append_le(out, size);
  append_le(out, static_cast<uint16_t>(name_length));
}

}  // namespace

bool ZipArchive::looks_like_zip(std::span<const std::byte> bytes) {
  return bytes.size() >= 4 && read_le<uint32_t>(bytes, 0) == kLocalSignature;
}

bool ZipArchive::has_directory(std::span<const std::byte> bytes) {
  return find_end(bytes).has_value();
}

ZipArchive ZipArchive::open(const std::shared_ptr<const MappedFile>& file) {
  const std::string source = file->path().string();
  ZipArchive archive;
  archive.file_ = source;
  archive.entries_ = DirectoryReader(file->bytes(), source).read();
  for (size_t i = 0; i < archive.entries_.size(); ++i)
    if (!archive.index_.emplace(archive.entries_[i].name, i).second)
      throw ModelError(fmt::format("{}: {}: two zip entries have this name", source,
                                   printable(archive.entries_[i].name)));
  return archive;
}

std::optional<std::span<const std::byte>> ZipArchive::find(std::string_view name) const {
  const auto found = index_.find(name);
  if (found == index_.end()) return std::nullopt;
  const ZipEntry& entry = entries_[found->second];
  if (entry.method != 0)
    throw UnsupportedError(
        fmt::format("{}: {}: compressed (method {}, {} bytes to {}); torch checkpoints store "
                    "their entries uncompressed, nothing is unpacked here",
                    file_, printable(name), entry.method, entry.stored.size(), entry.size));
  return entry.stored;
}

void ZipWriter::add(const std::string& name, uint64_t size,
                    const std::function<void(const Sink&)>& produce) {
  ISTHMUS_CHECK(name.size() < 0xff00, name);
  const bool wide = size >= kIn64;
  Written entry{name, size, file_.position(), 0};

  std::string extra;
  if (wide) {
    std::string sizes;
    append_le(sizes, size);
    append_le(sizes, size);
    append_extra(extra, kZip64Extra, sizes);
  }
  const uint64_t unpadded = file_.position() + kLocalSize + name.size() + extra.size() + 4;
  append_extra(extra, kPaddingExtra,
               std::string((kAlignment - unpadded % kAlignment) % kAlignment, 'Z'));

  // The checksum follows the data in a descriptor, so that everything is written in one pass.
  std::string header;
  append_le(header, kLocalSignature);
  append_le(header, uint16_t{45});  // version that knows zip64
  append_common(header, 0, wide ? kIn64 : 0, name.size());
  append_le(header, static_cast<uint16_t>(extra.size()));
  file_.write(header + name + extra);

  uint64_t produced = 0;
  uLong crc = crc32_z(0, nullptr, 0);
  produce([&](std::span<const std::byte> piece) {
    crc = crc32_z(crc, reinterpret_cast<const Bytef*>(piece.data()), piece.size());
    produced += piece.size();
    file_.write(piece);
  });
  ISTHMUS_CHECK(produced == size, name);
  entry.crc = static_cast<uint32_t>(crc);

  std::string descriptor;
  append_le(descriptor, kDescriptorSignature);
  append_le(descriptor, entry.crc);
  for (int i = 0; i < 2; ++i) {
    if (wide)
      append_le(descriptor, size);
    else
      append_le(descriptor, static_cast<uint32_t>(size));
  }
  file_.write(descriptor);
  written_.push_back(std::move(entry));
}

void ZipWriter::add(const std::string& name, std::string_view content) {
  add(name, content.size(),
      [&](const Sink& sink) { sink(std::as_bytes(std::span(content.data(), content.size()))); });
}

void ZipWriter::finish() {
  const uint64_t start = file_.position();
  for (const Written& entry : written_) {
    std::string wide;
    if (entry.size >= kIn64) {
      append_le(wide, entry.size);
      append_le(wide, entry.size);
    }
    if (entry.header_offset >= kIn64) append_le(wide, entry.header_offset);
    std::string extra;
    if (!wide.empty()) append_extra(extra, kZip64Extra, wide);

    std::string record;
    append_le(record, kCentralSignature);
    append_le(record, uint16_t{45});  // made by
    append_le(record, uint16_t{45});  // needed to read
    append_common(record, entry.crc, capped(entry.size), entry.name.size());
    append_le(record, static_cast<uint16_t>(extra.size()));
    append_le(record, uint16_t{0});  // comment
    append_le(record, uint16_t{0});  // volume
    append_le(record, uint16_t{0});  // internal attributes
    append_le(record, uint32_t{0});  // external attributes
    append_le(record, capped(entry.header_offset));
    file_.write(record + entry.name + extra);
  }
  const uint64_t size = file_.position() - start;
  const uint64_t end64 = file_.position();
  const auto count = static_cast<uint64_t>(written_.size());

  std::string end;
  append_le(end, kEnd64Signature);
  append_le(end, uint64_t{kEnd64Size - 12});
  append_le(end, uint16_t{45});
  append_le(end, uint16_t{45});
  append_le(end, uint32_t{0});
  append_le(end, uint32_t{0});
  append_le(end, count);
  append_le(end, count);
  append_le(end, size);
  append_le(end, start);
  append_le(end, kLocatorSignature);
  append_le(end, uint32_t{0});
  append_le(end, end64);
  append_le(end, uint32_t{1});
  append_le(end, kEndSignature);
  append_le(end, uint16_t{0});
  append_le(end, uint16_t{0});
  const auto short_count = static_cast<uint16_t>(std::min<uint64_t>(count, 0xffff));
  append_le(end, short_count);
  append_le(end, short_count);
  append_le(end, capped(size));
  append_le(end, capped(start));
  append_le(end, uint16_t{0});
  file_.write(end);
  file_.commit();
}

}  // namespace isthmus::formats
