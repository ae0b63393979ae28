#include "formats/safetensors.h"

#include <algorithm>

#include "helpers.h"

namespace isthmus::formats {
namespace {

using namespace testing_helpers;

std::string file_of(std::string_view header, size_t data_bytes) {
  std::string bytes;
  append_le(bytes, static_cast<uint64_t>(header.size()));
  bytes += header;
  bytes.append(data_bytes, '\1');
  return bytes;
}

std::string complaint_about(std::string_view header, size_t data_bytes) {
  const auto path = put_file("x.safetensors", file_of(header, data_bytes));
  const std::string message = message_of([&] { read_safetensors(MappedFile::open(path)); });
  const std::string where = path.string() + ": ";
  EXPECT_TRUE(message.starts_with(where)) << message;
  return message.substr(std::min(where.size(), message.size()));
}

TEST(Safetensors, EveryElementTypeSurvivesARoundTrip) {
  const auto path = temporary("types.safetensors");
  const std::vector<DType> dtypes = {DType::kBool, DType::kU8,   DType::kI8,  DType::kI16,
                                     DType::kF16,  DType::kBF16, DType::kI32, DType::kF32,
                                     DType::kI64,  DType::kF64};
  std::vector<RawTensor> tensors;
  for (const DType dtype : dtypes) {
    std::vector<uint8_t> bytes(3 * size_of(dtype));
    for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<uint8_t>(i);
    tensors.push_back(tensor_of(std::string(name_of(dtype)), dtype, {3, 1}, bytes));
  }
  tensors.push_back(tensor_of<float>("scalar", DType::kF32, {}, {2.5f}));
  tensors.push_back(tensor_of<float>("none", DType::kF32, {0, 7}, {}));
  write_safetensors(path, tensors, {{"format", "pt"}, {"quote", "\"\n"}});

  const auto file = MappedFile::open(path);
  const Safetensors read = read_safetensors(file);
  EXPECT_EQ(read.metadata.at("quote"), "\"\n");
  ASSERT_EQ(read.tensors.size(), tensors.size());
  for (const RawTensor& tensor : read.tensors) {
    const auto original = std::find_if(tensors.begin(), tensors.end(),
                                       [&](const auto& t) { return t.name == tensor.name; });
    ASSERT_NE(original, tensors.end());
    EXPECT_EQ(tensor.dtype, original->dtype);
    EXPECT_EQ(tensor.shape, original->shape);
    EXPECT_EQ(to_contiguous(tensor), to_contiguous(*original));
    EXPECT_EQ(reinterpret_cast<uintptr_t>(tensor.bytes.data()) % size_of(tensor.dtype), 0u)
        << tensor.name;
  }
}

RawTensor blocks_of(const std::string& name, DType kind, const Shape& shape) {
  RawTensor tensor = tensor_of<uint8_t>(name, DType::kU8, {0}, {});
  auto bytes = std::make_shared<std::vector<uint8_t>>(bytes_of(kind, shape).value());
  for (size_t i = 0; i < bytes->size(); ++i) (*bytes)[i] = static_cast<uint8_t>(i * 7);
  tensor.dtype = kind;
  tensor.shape = shape;
  tensor.strides = row_major_strides(shape);
  tensor.bytes = std::as_bytes(std::span(*bytes));
  tensor.owner = bytes;
  return tensor;
}

TEST(Safetensors, BlocksSurviveARoundTripAndLieAligned) {
  const std::vector<RawTensor> tensors = {
      tensor_of<uint8_t>("odd", DType::kU8, {3}, {1, 2, 3}), blocks_of("q4", DType::kQ4, {17, 257}),
      tensor_of<float>("f", DType::kF32, {1}, {2}), blocks_of("q8", DType::kQ8, {3, 5, 2, 2})};
  const auto path = temporary("blocks.safetensors");
  write_safetensors(path, tensors, {{"who", "me"}});
  const Safetensors read = read_safetensors(MappedFile::open(path));
  EXPECT_EQ(read.metadata, (std::map<std::string, std::string>{{"who", "me"}}));
  for (const RawTensor& tensor : read.tensors) {
    const auto original = std::ranges::find(tensors, tensor.name, &RawTensor::name);
    ASSERT_NE(original, tensors.end());
    EXPECT_EQ(tensor.dtype, original->dtype);
    EXPECT_EQ(tensor.shape, original->shape);
    EXPECT_EQ(to_contiguous(tensor), to_contiguous(*original));
    if (is_quantised(tensor.dtype)) {
      EXPECT_EQ(reinterpret_cast<uintptr_t>(tensor.bytes.data()) % 64, 0u) << tensor.name;
    }
  }
}

TEST(Safetensors, BrokenBlocksAreNamed) {
  // Data begin at 320, and a block of 4 bits takes 2368 bytes.
  const auto header = [](const std::string& blocks, const std::string& offsets, size_t length) {
    std::string text = "{\"__metadata__\":{\"isthmus.blocks\":\"" + blocks +
                       "\"},\"w\":{\"dtype\":\"U8\",\"shape\":[2368],\"data_offsets\":" + offsets +
                       "}}";
    text.append(length - 8 - text.size(), ' ');
    return text;
  };
  const auto with = [&](const std::string& blocks) {
    return complaint_about(header(blocks, "[0,2368]", 320), 2368);
  };
  EXPECT_NE(with(R"({\"w\":[\"q4\",[16,257]]})").find("do not fill"), std::string::npos);
  EXPECT_NE(with(R"({\"w\":[\"q4\",[]]})").find("do not fill"), std::string::npos);
  EXPECT_NE(with(R"({\"w\":[\"q4\",[0,256]]})").find("do not fill"), std::string::npos);
  EXPECT_NE(
      with(R"({\"w\":[\"q4\",[9223372036854775807,9223372036854775807]]})").find("do not fill"),
      std::string::npos);
  EXPECT_NE(with(R"({\"w\":[\"q3\",[16,256]]})").find("type q3"), std::string::npos);
  EXPECT_NE(with(R"({\"w\":[\"q4\",[-1]]})").find("non-negative"), std::string::npos);
  EXPECT_NE(with(R"({\"w\":7})").find("expected a type and a shape"), std::string::npos);
  EXPECT_NE(with(R"({\"v\":[\"q4\",[16,256]]})").find("no tensor"), std::string::npos);
  EXPECT_NE(with("[").find("expected a JSON object"), std::string::npos);
  EXPECT_NE(complaint_about(header(R"({\"w\":[\"q4\",[16,256]]})", "[0,2368]", 328), 2368)
                .find("multiples of 64"),
            std::string::npos);
}

TEST(Safetensors, StridedViewIsWrittenInRowMajorOrder) {
  RawTensor transposed = tensor_of<int32_t>("t", DType::kI32, {2, 3}, {1, 2, 3, 4, 5, 6});
  std::swap(transposed.shape[0], transposed.shape[1]);
  std::swap(transposed.strides[0], transposed.strides[1]);
  const auto path = temporary("strided.safetensors");
  write_safetensors(path, {&transposed, 1});
  EXPECT_EQ(values_of<int32_t>(read_safetensors(MappedFile::open(path)).tensors.at(0)),
            (std::vector<int32_t>{1, 4, 2, 5, 3, 6}));
}

TEST(Safetensors, LargeStridedViewIsWrittenInPieces) {
  std::vector<int32_t> values(700 * 900);
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<int32_t>(i);
  RawTensor tensor = tensor_of("t", DType::kI32, {700, 900}, values);
  std::swap(tensor.shape[0], tensor.shape[1]);
  std::swap(tensor.strides[0], tensor.strides[1]);
  const auto transposed = values_of<int32_t>(tensor);
  for (size_t r = 0; r < 900; ++r)
    for (size_t c = 0; c < 700; ++c) ASSERT_EQ(transposed[r * 700 + c], values[c * 900 + r]);
}

TEST(Safetensors, BrokenHeadersAreNamed) {
  EXPECT_EQ(complaint_about(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", 7),
            "is 69 bytes, its header describes 70 bytes; is the file truncated?");
  EXPECT_EQ(complaint_about(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", 9),
            "is 71 bytes, its header describes 70 bytes");
  EXPECT_EQ(complaint_about(R"({"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}})", 8),
            "a: F32 [3] needs 12 bytes, data_offsets are [0, 8]");
  EXPECT_EQ(complaint_about(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}})", 8),
            "a: F32 [2] needs 8 bytes, data_offsets are [8, 0]");
  EXPECT_EQ(complaint_about(R"({"a":{"dtype":"F8_E4M3","shape":[8],"data_offsets":[0,8]}})", 8),
            "a: element type F8_E4M3 is not supported");
  EXPECT_EQ(complaint_about(R"({"a":{"dtype":"U8","shape":[8],"data_offsets":[0,8]},)"
                            R"("b":{"dtype":"U8","shape":[4],"data_offsets":[4,8]}})",
                            8),
            "b: data begins at 4, expected 8 (tensors may neither overlap nor leave gaps)");
  EXPECT_EQ(complaint_about(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
                            R"("a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})",
                            1),
            "a: appears twice in the header");
  EXPECT_EQ(complaint_about(R"({"a":{"dtype":"U8","shape":[-1],"data_offsets":[0,1]}})", 1),
            "a: shape must hold non-negative integers");
  EXPECT_EQ(complaint_about(
                R"({"a":{"dtype":"F64","shape":[4611686018427387904,4],"data_offsets":[0,1]}})", 1),
            "a: shape [4611686018427387904, 4] is larger than any file");
  EXPECT_EQ(complaint_about(
                R"({"a":{"dtype":"F64","shape":[2305843009213693951],"data_offsets":[0,1]}})", 1),
            "a: shape [2305843009213693951] is larger than any file");
  EXPECT_EQ(complaint_about(R"({"a":7})", 1),
            "a: expected an object with dtype, shape and data_offsets");
  EXPECT_EQ(complaint_about("[1]", 0), "the header is not an object");
  EXPECT_EQ(complaint_about("{", 0), "the header is not valid JSON at byte 10");
  EXPECT_EQ(complaint_about(R"({"__metadata__":{"a":1}})", 0),
            "__metadata__: expected an object of strings");
  EXPECT_TRUE(complaint_about(std::string(100000, '['), 0)
                  .starts_with("the header is not a list of tensors"));
}

TEST(Safetensors, EmptyShapeWithHugeDimensionsIsEmpty) {
  const auto path = put_file(
      "huge_empty.safetensors",
      file_of(R"({"a":{"dtype":"U8","shape":[4611686018427387904,4,0],"data_offsets":[0,0]}})", 0));
  EXPECT_EQ(read_safetensors(MappedFile::open(path)).tensors.at(0).element_count(), 0);
}

TEST(Safetensors, AbsurdHeaderSizesAreRefused) {
  std::string bytes;
  append_le(bytes, ~uint64_t{0});
  auto path = put_file("absurd.safetensors", bytes);
  EXPECT_NE(message_of([&] {
              read_safetensors(MappedFile::open(path));
            }).find("18446744073709551615 bytes announced"),
            std::string::npos);
  bytes.clear();
  append_le(bytes, uint64_t{1000});
  path = put_file("absurd.safetensors", bytes);
  EXPECT_NE(message_of([&] {
              read_safetensors(MappedFile::open(path));
            }).find("its header alone ends at 1008"),
            std::string::npos);
  path = put_file("absurd.safetensors", "1234567");
  EXPECT_THROW(read_safetensors(MappedFile::open(path)), ModelError);
}

TEST(Safetensors, NamesThatCannotBeWrittenAreRefused) {
  const auto path = temporary("names.safetensors");
  std::vector<RawTensor> tensors(2, tensor_of<uint8_t>("a", DType::kU8, {1}, {1}));
  EXPECT_THROW(write_safetensors(path, tensors), ModelError);
  tensors[1].name = "\xff";
  EXPECT_THROW(write_safetensors(path, tensors), ModelError);
}

}  // namespace
}  // namespace isthmus::formats
