#include "formats/npy.h"

#include "helpers.h"

namespace isthmus::formats {
namespace {

using namespace testing_helpers;

std::string npy_of(std::string_view header, size_t data_bytes, char version = 1) {
  std::string bytes("\x93NUMPY", 6);
  bytes += version;
  bytes += '\0';
  if (version == 1)
    append_le(bytes, static_cast<uint16_t>(header.size()));
  else
    append_le(bytes, static_cast<uint32_t>(header.size()));
  bytes += header;
  for (size_t i = 0; i < data_bytes; ++i) bytes += static_cast<char>(i);
  return bytes;
}

std::string complaint(std::string_view header, size_t data_bytes) {
  const auto path = put_file("x.npy", npy_of(header, data_bytes));
  const std::string message = message_of([&] { read_npy(path); });
  const std::string where = path.string() + ": ";
  EXPECT_TRUE(message.starts_with(where)) << message;
  return message.substr(std::min(where.size(), message.size()));
}

TEST(Npy, EveryFixtureOpens) {
  size_t count = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(fixture(""))) {
    if (entry.path().extension() != ".npy") continue;
    const RawTensor tensor = read_npy(entry.path());
    EXPECT_EQ(tensor.bytes.size(), tensor.contiguous_size()) << entry.path();
    ++count;
  }
  EXPECT_GT(count, 100u);
}

TEST(Npy, EveryElementTypeSurvivesARoundTrip) {
  const auto path = temporary("types.npy");
  for (const DType dtype : {DType::kF64, DType::kF32, DType::kF16, DType::kI64, DType::kI32,
                            DType::kI16, DType::kI8, DType::kU16, DType::kU8, DType::kBool})
    for (const Shape& shape : {Shape{}, Shape{3}, Shape{2, 3}, Shape{2, 0, 5}}) {
      const std::vector<std::byte> bytes(static_cast<size_t>(*num_elements(shape)) * size_of(dtype),
                                         std::byte{1});
      write_npy(path, dtype, shape, bytes);
      const RawTensor read = read_npy(path);
      EXPECT_EQ(read.name, "types");
      EXPECT_EQ(read.dtype, dtype);
      EXPECT_EQ(read.shape, shape);
      EXPECT_EQ(to_contiguous(read), bytes);
    }
  EXPECT_THROW(write_npy(path, DType::kBF16, {0}, {}), UnsupportedError);
}

TEST(Npy, HeaderIsWhatNumpyWrites) {
  const auto path = temporary("header.npy");
  const std::vector<float> values = {1, 2, 3};
  write_npy(path, DType::kF32, {3}, std::as_bytes(std::span(values)));
  const std::string bytes = get_file(path);
  std::string expected = "{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }";
  expected.append(128 - 10 - 1 - expected.size(), ' ');
  EXPECT_EQ(bytes.substr(10, 118), expected + "\n");
  EXPECT_EQ(bytes.size(), 128u + 12u);
}

TEST(Npy, FortranOrderBecomesStrides) {
  const auto path =
      put_file("f.npy", npy_of("{'descr': '|u1', 'fortran_order': True, 'shape': (2, 3), }", 6));
  const RawTensor tensor = read_npy(path);
  EXPECT_EQ(tensor.strides, (Shape{1, 2}));
  EXPECT_EQ(values_of<uint8_t>(tensor), (std::vector<uint8_t>{0, 2, 4, 1, 3, 5}));
}

TEST(Npy, LaterVersionsHaveLongerHeaders) {
  for (const char version : {'\2', '\3'})
    EXPECT_EQ(read_npy(put_file("v.npy",
                                npy_of("{'shape': (2L,), 'fortran_order': False, \"descr\": '<i2'}",
                                       4, version)))
                  .shape,
              Shape{2});
  EXPECT_THROW(read_npy(put_file("v.npy", npy_of("{}", 0, 4))), UnsupportedError);
}

TEST(Npy, BrokenHeadersAreNamed) {
  EXPECT_EQ(complaint("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", 7),
            "holds 7 bytes of data, float32 [2] needs 8");
  EXPECT_EQ(complaint("{'descr': '>f4', 'fortran_order': False, 'shape': (2,), }", 8),
            "element type >f4 is not supported");
  EXPECT_EQ(complaint("{'descr': '|O', 'fortran_order': False, 'shape': (2,), }", 8),
            "element type |O is not supported");
  EXPECT_EQ(complaint("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,), }", 8),
            "structured arrays are not read");
  EXPECT_EQ(complaint("{'descr': '<f4', 'fortran_order': False, 'shape': (-2,), }", 8),
            "npy header: shape: expected non-negative integers");
  EXPECT_EQ(complaint("{'descr': '<f4', 'fortran_order': False, }", 8),
            "npy header: expected the keys descr, fortran_order and shape");
  EXPECT_EQ(complaint("{'descr': '<f4', 'descr': '<f4', }", 8),
            "npy header: unknown or repeated key descr");
  EXPECT_EQ(
      complaint("{'descr': '<f8', 'fortran_order': False, 'shape': (4611686018427387904, 4), }", 8),
      "holds 8 bytes of data, float64 [4611686018427387904, 4] needs another size");
  EXPECT_EQ(
      complaint("{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999999999999,), }", 8),
      "npy header: shape: expected non-negative integers");
  EXPECT_THROW(read_npy(put_file("short.npy", "\x93NUM")), ModelError);
}

}  // namespace
}  // namespace isthmus::formats
