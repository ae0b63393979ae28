#include "formats/zip.h"

#include <zlib.h>

#include "helpers.h"

namespace isthmus::formats {
namespace {

using namespace testing_helpers;

std::filesystem::path small_zip(const std::string& name) {
  const auto path = temporary(name);
  ZipWriter writer(path);
  writer.add("archive/a", "hello");
  writer.add("archive/b", std::string(1000, 'x'));
  writer.finish();
  return path;
}

void patch(std::string& bytes, size_t at, std::string_view with) {
  std::memcpy(bytes.data() + at, with.data(), with.size());
}

TEST(Zip, EntriesAreViewsAndAligned) {
  const auto file = MappedFile::open(small_zip("views.zip"));
  const auto archive = ZipArchive::open(file);
  ASSERT_EQ(archive.entries().size(), 2u);
  for (const auto& entry : archive.entries())
    EXPECT_EQ((entry.stored.data() - file->bytes().data()) % 64, 0) << entry.name;
  EXPECT_EQ(text_of(archive.find("archive/a").value()), "hello");
  EXPECT_EQ(archive.find("archive/c"), std::nullopt);
}

TEST(Zip, WrittenChecksumsAreTheContents) {
  const std::string bytes = get_file(small_zip("crc.zip"));
  const size_t record = bytes.find("PK\x01\x02");
  ASSERT_NE(record, std::string::npos);
  const auto crc = read_le<uint32_t>(std::as_bytes(std::span(bytes)), record + 16);
  EXPECT_EQ(crc, crc32(0, reinterpret_cast<const Bytef*>("hello"), 5));
}

TEST(Zip, CompressedEntryIsRefusedByName) {
  std::string bytes = get_file(small_zip("bomb.zip"));
  const size_t record = bytes.find("PK\x01\x02");
  patch(bytes, record + 10, std::string_view("\x08\x00", 2));
  patch(bytes, record + 24, std::string_view("\xf0\xff\xff\xff", 4));  // claims four gigabytes
  const auto path = put_file("bomb.zip", bytes);
  const auto archive = ZipArchive::open(MappedFile::open(path));
  EXPECT_THROW(archive.find("archive/a"), UnsupportedError);
  EXPECT_EQ(
      message_of([&] { archive.find("archive/a"); }),
      path.string() +
          ": archive/a: compressed (method 8, 5 bytes to 4294967280); torch checkpoints store "
          "their entries uncompressed, nothing is unpacked here");
}

TEST(Zip, OffsetsAndNamesAreChecked) {
  const std::string good = get_file(small_zip("checked.zip"));
  const size_t record = good.find("PK\x01\x02");
  const auto refused = [&](size_t at, std::string_view with) {
    std::string bytes = good;
    patch(bytes, at, with);
    const auto path = put_file("checked.zip", bytes);
    return message_of([&] { ZipArchive::open(MappedFile::open(path)); });
  };
  EXPECT_NE(refused(record + 42, "\x01").find("no entry begins at byte 1"), std::string::npos);
  EXPECT_NE(refused(record + 46, "x").find("carries another name"), std::string::npos);
  EXPECT_NE(refused(record + 46 + 8, "b").find("carries another name"), std::string::npos);
  EXPECT_NE(refused(record + 24, "\x06").find("claims 6 bytes"), std::string::npos);
  EXPECT_NE(refused(record + 8, "\x01").find("encrypted"), std::string::npos);
}

TEST(Zip, NameUsedTwiceIsRefused) {
  const auto path = temporary("twice.zip");
  ZipWriter writer(path);
  writer.add("archive/a", "1");
  writer.add("archive/a", "2");
  writer.finish();
  EXPECT_EQ(message_of([&] { ZipArchive::open(MappedFile::open(path)); }),
            path.string() + ": archive/a: two zip entries have this name");
}

TEST(Zip, EmptyArchiveHasNoEntries) {
  const auto path = temporary("empty.zip");
  ZipWriter writer(path);
  writer.finish();
  EXPECT_TRUE(ZipArchive::open(MappedFile::open(path)).entries().empty());
}

// The numbers of an entry beyond four gigabytes stand in an extra field of its directory record.
TEST(Zip, WideNumbersAreReadFromTheExtraField) {
  std::string bytes = get_file(small_zip("wide.zip"));
  const size_t record = bytes.find("PK\x01\x02");
  const auto wide = [&](uint64_t size, uint64_t stored, uint64_t offset, uint16_t length) {
    std::string extra, copy = bytes;
    append_le(extra, uint16_t{1});
    append_le(extra, length);
    append_le(extra, size);
    append_le(extra, stored);
    append_le(extra, offset);
    const std::string ones(8, '\xff');
    patch(copy, record + 20, ones);
    patch(copy, record + 42, ones.substr(0, 4));
    patch(copy, record + 30, std::string_view("\x1c\0", 2));
    copy.insert(record + 46 + 9, extra);
    const size_t end64 = copy.find("PK\x06\x06");
    std::string size_and_locator;
    append_le(size_and_locator, static_cast<uint64_t>(end64 - record));
    patch(copy, end64 + 40, size_and_locator);
    size_and_locator.clear();
    append_le(size_and_locator, static_cast<uint64_t>(end64));
    patch(copy, end64 + 56 + 8, size_and_locator);
    return MappedFile::open(put_file("wide.zip", copy));
  };
  EXPECT_EQ(text_of(ZipArchive::open(wide(5, 5, 0, 24)).find("archive/a").value()), "hello");
  EXPECT_THROW(ZipArchive::open(wide(uint64_t{1} << 40, uint64_t{1} << 40, 0, 24)), ModelError);
  EXPECT_THROW(ZipArchive::open(wide(~uint64_t{0}, ~uint64_t{0}, 0, 24)), ModelError);
  EXPECT_THROW(ZipArchive::open(wide(5, 5, ~uint64_t{0}, 24)), ModelError);
  EXPECT_THROW(ZipArchive::open(wide(5, 5, 0, 16)), ModelError);
  EXPECT_THROW(ZipArchive::open(wide(5, 5, 0, 25)), ModelError);
}

}  // namespace
}  // namespace isthmus::formats
