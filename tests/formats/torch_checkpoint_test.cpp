#include "formats/torch_checkpoint.h"

#include "formats/zip.h"
#include "helpers.h"

namespace isthmus::formats {
namespace {

using namespace testing_helpers;

struct Part {
  std::string name, content;
};

std::filesystem::path put_zip(const std::string& name, const std::vector<Part>& parts) {
  const auto path = temporary(name);
  ZipWriter writer(path);
  for (const Part& part : parts) writer.add("archive/" + part.name, part.content);
  writer.finish();
  return path;
}

template <typename T>
std::string raw(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

TorchCheckpoint read(const std::filesystem::path& path, const TorchReadOptions& options = {}) {
  return read_torch_checkpoint(MappedFile::open(path), options);
}

std::vector<std::string> names_of(const TorchCheckpoint& checkpoint) {
  std::vector<std::string> names;
  for (const auto& tensor : checkpoint.tensors) names.push_back(tensor.name);
  return names;
}

const std::string kSixFloats = raw<float>({0, 1, 2, 3, 4, 5});

TEST(TorchCheckpoint, ViewsShareTheirStorageInTheMapping) {
  const auto path =
      put_zip("views.bin", {{"data.pkl", Pickle()
                                             .op("}")
                                             .text("a")
                                             .tensor("FloatStorage", "0", 6, 0, {2, 3}, {3, 1})
                                             .op("s")
                                             .text("t")
                                             .tensor("FloatStorage", "0", 6, 0, {3, 2}, {1, 3})
                                             .op("s")
                                             .text("row")
                                             .tensor("FloatStorage", "0", 6, 3, {3}, {1})
                                             .op("s")
                                             .text("repeated")
                                             .tensor("FloatStorage", "0", 6, 2, {4}, {0})
                                             .op("s")
                                             .text("scalar")
                                             .tensor("FloatStorage", "0", 6, 5, {}, {})
                                             .op("s.")
                                             .bytes},
                            {"data/0", kSixFloats}});
  const auto file = MappedFile::open(path);
  const TorchCheckpoint checkpoint = read_torch_checkpoint(file);
  ASSERT_EQ(names_of(checkpoint),
            (std::vector<std::string>{"a", "t", "row", "repeated", "scalar"}));
  const auto& tensors = checkpoint.tensors;
  for (const auto& tensor : tensors) {
    EXPECT_GE(tensor.bytes.data(), file->bytes().data());
    EXPECT_LE(tensor.bytes.data() + tensor.bytes.size(),
              file->bytes().data() + file->bytes().size());
  }
  EXPECT_EQ(tensors[0].bytes.data(), tensors[1].bytes.data());
  EXPECT_EQ(values_of<float>(tensors[1]), (std::vector<float>{0, 3, 1, 4, 2, 5}));
  EXPECT_EQ(values_of<float>(tensors[2]), (std::vector<float>{3, 4, 5}));
  EXPECT_EQ(values_of<float>(tensors[3]), (std::vector<float>{2, 2, 2, 2}));
  EXPECT_EQ(values_of<float>(tensors[4]), (std::vector<float>{5}));
}

TEST(TorchCheckpoint, WrappersAndPrefixAreTakenOffAndRemembered) {
  const auto path =
      put_zip("wrapped.pt", {{"data.pkl", Pickle()
                                              .op("}")
                                              .text("epoch")
                                              .op("K\x03s")
                                              .text("model_state_dict")
                                              .op("}")
                                              .text("module.w")
                                              .tensor("HalfStorage", "0", 2, 0, {2}, {1})
                                              .op("s")
                                              .text("module.b")
                                              .tensor("LongStorage", "1", 1, 0, {}, {})
                                              .op("ss")
                                              .text("args")
                                              .global("argparse", "Namespace")
                                              .op(")\x81}")
                                              .text("lr")
                                              .op("K\x01sbs")
                                              .text("optimizer")
                                              .op("}")
                                              .text("state")
                                              .tensor("FloatStorage", "2", 1, 0, {1}, {1})
                                              .op("ss.")
                                              .bytes},
                             {"data/0", "1234"},
                             {"data/1", "12345678"}});
  const TorchCheckpoint checkpoint = read(path);
  EXPECT_EQ(names_of(checkpoint), (std::vector<std::string>{"w", "b"}));
  EXPECT_EQ(checkpoint.layout.wrappers, std::vector<std::string>{"model_state_dict"});
  EXPECT_EQ(checkpoint.layout.prefix, "module.");

  const auto copy = temporary("wrapped_copy.pt");
  write_torch_checkpoint(copy, checkpoint.tensors, checkpoint.layout);
  const TorchCheckpoint again = read(copy, {{}, ""});
  EXPECT_EQ(names_of(again),
            (std::vector<std::string>{"model_state_dict.module.w", "model_state_dict.module.b"}));
}

TEST(TorchCheckpoint, NestedDictsAreJoinedAndTheRestIsSkipped) {
  const auto path =
      put_zip("nested.pt", {{"data.pkl", Pickle()
                                             .op("}")
                                             .text("model")
                                             .op("}")
                                             .text("deep")
                                             .op("}")
                                             .text("w")
                                             .tensor("CharStorage", "0", 2, 0, {2}, {1})
                                             .op("ss")
                                             .text("note")
                                             .text("not a tensor")
                                             .op("ss")
                                             .text("list")
                                             .op("](")
                                             .tensor("ByteStorage", "0", 2, 1, {1}, {1})
                                             .op("Nes")
                                             .op("K\x07")
                                             .tensor("BoolStorage", "0", 2, 0, {2}, {1})
                                             .op("s")
                                             .text("args")
                                             .global("argparse", "Namespace")
                                             .op(")\x81s.")
                                             .bytes},
                            {"data/0", "\1\1"}});
  const TorchCheckpoint checkpoint = read(path);
  // "model" holds more than tensors, so it is a name and not a wrapper.
  EXPECT_EQ(names_of(checkpoint), (std::vector<std::string>{"model.deep.w", "list.0", "7"}));
  EXPECT_EQ(checkpoint.tensors[0].dtype, DType::kI8);
  EXPECT_EQ(checkpoint.tensors[1].dtype, DType::kU8);
  EXPECT_EQ(checkpoint.tensors[2].dtype, DType::kBool);
  EXPECT_EQ(checkpoint.skipped, std::vector<std::string>{"argparse.Namespace"});
}

TEST(TorchCheckpoint, EveryWayToBuildATensor) {
  Pickle pickle;
  pickle.global("collections", "OrderedDict").op(")R");
  pickle.text("old")
      .global("torch._utils", "_rebuild_tensor")
      .op("(")
      .storage("FloatStorage", "0", 6)
      .number(1)
      .numbers({2})
      .numbers({1})
      .op("tRs");
  pickle.text("parameter")
      .global("torch._utils", "_rebuild_parameter")
      .op("(")
      .tensor("FloatStorage", "0", 6, 2, {1}, {1})
      .op("\x88")
      .global("collections", "OrderedDict")
      .op(")RtRs");
  pickle.text("typed")
      .global("torch._utils", "_rebuild_tensor_v3")
      .op("(")
      .op("(")
      .text("storage")
      .global("torch.storage", "UntypedStorage")
      .text("0")
      .text("cpu")
      .number(24)
      .op("tQ")
      .number(4)
      .numbers({2})
      .numbers({1})
      .op("\x89")
      .global("collections", "OrderedDict")
      .op(")R")
      .global("torch", "int16")
      .op("tRs");
  pickle.text("subclass")
      .global("torch._tensor", "_rebuild_from_type_v2")
      .op("(")
      .global("torch._utils", "_rebuild_tensor_v2")
      .global("my", "Tensor")
      .op("(")
      .storage("FloatStorage", "0", 6)
      .number(3)
      .numbers({1})
      .numbers({1})
      .op("\x89NtNtRs");
  // state_dict() carries attributes: BUILD on the dict itself.
  pickle.op("}").text("_metadata").op("}sb.");
  const TorchCheckpoint checkpoint =
      read(put_zip("ways.pt", {{"data.pkl", pickle.bytes}, {"data/0", kSixFloats}}));
  ASSERT_EQ(names_of(checkpoint),
            (std::vector<std::string>{"old", "parameter", "typed", "subclass"}));
  EXPECT_EQ(values_of<float>(checkpoint.tensors[0]), (std::vector<float>{1, 2}));
  EXPECT_EQ(values_of<float>(checkpoint.tensors[1]), (std::vector<float>{2}));
  EXPECT_EQ(checkpoint.tensors[2].dtype, DType::kI16);
  EXPECT_EQ(values_of<int16_t>(checkpoint.tensors[2]), (std::vector<int16_t>{0, 0x4000}));  // 2.0f
  EXPECT_EQ(values_of<float>(checkpoint.tensors[3]), (std::vector<float>{3}));
}

TEST(TorchCheckpoint, ModulesOfATorchScriptArchiveAreNestedDicts) {
  const TorchCheckpoint checkpoint =
      read(put_zip("script.pt", {{"data/0", kSixFloats},
                                 {"data/1", raw<int64_t>({224})},
                                 {"constants/0", raw<uint16_t>({7, 8})},
                                 {"data.pkl", script_pickle()},
                                 {"code/__torch__/net.py", "raise SystemExit"},
                                 {"constants.pkl", "posix"}}));
  ASSERT_EQ(names_of(checkpoint), (std::vector<std::string>{"size", "sub.weight", "sub.bias"}));
  EXPECT_EQ(checkpoint.tensors[0].dtype, DType::kI64);
  EXPECT_EQ(values_of<int64_t>(checkpoint.tensors[0]), (std::vector<int64_t>{224}));
  EXPECT_EQ(values_of<float>(checkpoint.tensors[1]), (std::vector<float>{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(checkpoint.tensors[2].dtype, DType::kF16);
  EXPECT_EQ(values_of<uint16_t>(checkpoint.tensors[2]), (std::vector<uint16_t>{7, 8}));
}

TEST(TorchCheckpoint, TorchScriptModulesInsideEachOtherAreRefused) {
  const auto complaint = [](const std::string& pickle) {
    return message_of([&] { read(put_zip("cycle.pt", {{"data.pkl", pickle}})); });
  };
  // A module whose attribute is itself, and one that holds a hundred others inside each other.
  Pickle cycle;
  cycle.global("__torch__", "Net").op(")\x81q").op(std::string_view("\0", 1)).op("}");
  cycle.text("me").op("h").op(std::string_view("\0", 1)).op("sb.");
  EXPECT_NE(complaint(cycle.bytes).find("nested deeper than 32, or inside itself"),
            std::string::npos);
  Pickle deep;
  for (int i = 0; i < 100; ++i) deep.global("__torch__", "Net").op(")\x81}").text("m");
  deep.op("N");
  for (int i = 0; i < 100; ++i) deep.op("sb");
  EXPECT_NE(complaint(deep.op(".").bytes).find("nested deeper than 32"), std::string::npos);
  // What is not a TorchScript class stays inert.
  const std::string inert =
      Pickle().global("__torch", "Net").op(")\x81}").text("w").op("Nsb.").bytes;
  EXPECT_NE(complaint(inert).find("holds an object of class __torch.Net"), std::string::npos);
}

TEST(TorchCheckpoint, TrainingCheckpointsAreUnwrapped) {
  // {"epoch": 3, "model_state_dict": {"module.w": …}, "optimizer_state_dict": {"state": {0: …}}}
  Pickle pickle;
  pickle.op("}").text("epoch").number(3).op("s").text("model_state_dict").op("}");
  pickle.text("module.w").tensor("FloatStorage", "0", 6, 0, {6}, {1}).op("ss");
  pickle.text("optimizer_state_dict").op("}").text("state").op("}").number(0);
  pickle.tensor("FloatStorage", "0", 6, 0, {6}, {1}).op("sss.");
  const TorchCheckpoint checkpoint =
      read(put_zip("checkpoint_3.pt", {{"data.pkl", pickle.bytes}, {"data/0", kSixFloats}}));
  EXPECT_EQ(names_of(checkpoint), (std::vector<std::string>{"w"}));
  EXPECT_EQ(checkpoint.layout.wrappers, (std::vector<std::string>{"model_state_dict"}));
  EXPECT_EQ(checkpoint.layout.prefix, "module.");
}

TEST(TorchCheckpoint, WhatIsNoCheckpointIsNamed) {
  const std::string tensor =
      Pickle().op("}").text("w").tensor("FloatStorage", "0", 6, 0, {6}, {1}).op("s.").bytes;
  const auto complaint = [](const std::vector<Part>& parts) {
    const auto path = put_zip("bad.pt", parts);
    const std::string message = message_of([&] { read(path); });
    const std::string where = path.string() + ": ";
    EXPECT_TRUE(message.starts_with(where)) << message;
    return message.substr(std::min(where.size(), message.size()));
  };
  EXPECT_EQ(complaint({{"data.pkl", tensor}}), "archive/data/0: missing");
  EXPECT_EQ(complaint({{"data.pkl", tensor}, {"data/0", "123"}}),
            "w: storage 0 is 3 bytes, expected 6 elements of 4; is the file truncated?");
  EXPECT_EQ(complaint({{"data.pkl", tensor}, {"data/0", kSixFloats}, {"byteorder", "big"}}),
            "byteorder is big, expected little");
  EXPECT_EQ(complaint({{"version", "3"}}), "archive/data.pkl: missing; not a torch checkpoint");
  EXPECT_EQ(
      complaint({{"data.pkl", Pickle().global("my", "Model").op(")\x81.").bytes}}),
      "holds an object of class my.Model, not a dict of tensors; save its state_dict() instead");
  EXPECT_EQ(
      complaint({{"data.pkl", Pickle().tensor("FloatStorage", "0", 6, 0, {6}, {1}).op(".").bytes}}),
      "holds a single value, not a dict of tensors");
  EXPECT_EQ(complaint({{"data.pkl", Pickle()
                                        .op("}")
                                        .text("w")
                                        .tensor("ComplexFloatStorage", "0", 3, 0, {3}, {1})
                                        .op("s.")
                                        .bytes},
                       {"data/0", kSixFloats}}),
            "w: element type complex64 is not supported");
  EXPECT_EQ(complaint({{"data.pkl",
                        Pickle().global("posix", "system").op("(").text("id").op("tR.").bytes}}),
            "refuses to load: pickle calls posix.system; only tensor checkpoints are read");
  EXPECT_EQ(complaint({{"data.pkl", Pickle()
                                        .op("}")
                                        .text("a")
                                        .op("}")
                                        .text("b")
                                        .tensor("FloatStorage", "0", 6, 0, {6}, {1})
                                        .op("ss")
                                        .text("a.b")
                                        .tensor("FloatStorage", "0", 6, 0, {6}, {1})
                                        .op("s.")
                                        .bytes},
                       {"data/0", kSixFloats}}),
            "a.b: two tensors have this name");
  EXPECT_EQ(complaint({{"data.pkl", Pickle()
                                        .op("}")
                                        .text("w")
                                        .tensor("FloatStorage", "0", 6, 0, {int64_t{1} << 40}, {0})
                                        .op("s.")
                                        .bytes},
                       {"data/0", kSixFloats}}),
            "w: shape [1099511627776] repeats 1 stored elements into more than 1073741824 bytes");
}

TEST(TorchCheckpoint, ContainersInsideThemselvesEnd) {
  const std::string cycle = Pickle().op("}q\x01").text("a").op("h\x01s.").bytes;
  EXPECT_NE(message_of([&] {
              read(put_zip("cycle.pt", {{"data.pkl", cycle}}));
            }).find("inside itself"),
            std::string::npos);
  // Thirty levels, each holding the one below twice: 2^30 entries if they were all visited.
  Pickle doubling;
  doubling.op("}");
  for (char i = 1; i <= 30; ++i)
    doubling.op(std::string("q") + i + "0}")
        .text("a")
        .op(std::string("h") + i + "s")
        .text("b")
        .op(std::string("h") + i + "s");
  EXPECT_NE(message_of([&] {
              read(put_zip("doubling.pt", {{"data.pkl", doubling.op(".").bytes}}));
            }).find("more than"),
            std::string::npos);
}

TEST(TorchCheckpoint, TruncatedFileNamesFoundAndExpectedSize) {
  const auto path = fixture("v15_original/model/llava-v1.5-tiny/pytorch_model-00001-of-00002.bin");
  const std::string bytes = get_file(path);
  const auto cut = put_file("cut.bin", bytes.substr(0, bytes.size() / 2));
  const std::string message = message_of([&] { read(cut); });
  EXPECT_TRUE(message.starts_with(cut.string() + ": is 125568 bytes, its tensors alone need "))
      << message;
}

TEST(TorchCheckpoint, WrittenFilesReadBackTheSame) {
  std::vector<RawTensor> tensors = {
      tensor_of<float>("f32", DType::kF32, {2, 3}, {0, 1, 2, 3, 4, 5}),
      tensor_of<uint16_t>("f16", DType::kF16, {2}, {1, 2}),
      tensor_of<uint16_t>("bf16", DType::kBF16, {2, 1}, {3, 4}),
      tensor_of<int64_t>("i64", DType::kI64, {}, {-7}),
      tensor_of<uint8_t>("bool", DType::kBool, {3}, {0, 1, 0}),
      tensor_of<int8_t>("i8", DType::kI8, {0, 4}, {})};
  std::swap(tensors[0].shape[0], tensors[0].shape[1]);
  std::swap(tensors[0].strides[0], tensors[0].strides[1]);
  const auto path = temporary("written.bin");
  write_torch_checkpoint(path, tensors);
  const TorchCheckpoint read_back = read(path);
  ASSERT_EQ(read_back.tensors.size(), tensors.size());
  for (size_t i = 0; i < tensors.size(); ++i) {
    EXPECT_EQ(read_back.tensors[i].name, tensors[i].name);
    EXPECT_EQ(read_back.tensors[i].dtype, tensors[i].dtype);
    EXPECT_EQ(read_back.tensors[i].shape, tensors[i].shape);
    EXPECT_TRUE(read_back.tensors[i].is_contiguous());
    EXPECT_EQ(to_contiguous(read_back.tensors[i]), to_contiguous(tensors[i]));
  }
}

TEST(LegacyTorchCheckpoint, TensorsAreViewsBehindThePickles) {
  const std::string bytes = legacy_checkpoint();
  const auto path = put_file("legacy.pt", bytes);
  EXPECT_TRUE(is_torch_checkpoint(std::as_bytes(std::span(bytes))));
  const TorchCheckpoint checkpoint = read(path);
  ASSERT_EQ(names_of(checkpoint), (std::vector<std::string>{"w", "b", "part"}));
  EXPECT_EQ(values_of<float>(checkpoint.tensors[0]), (std::vector<float>{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(values_of<int64_t>(checkpoint.tensors[1]), (std::vector<int64_t>{42}));
  EXPECT_EQ(values_of<float>(checkpoint.tensors[2]), (std::vector<float>{3, 4}));
}

TEST(LegacyTorchCheckpoint, OtherFilesAreNamed) {
  const auto complaint = [](const std::string& bytes) {
    const auto path = put_file("legacy_bad.pt", bytes);
    const std::string message = message_of([&] { read(path); });
    return message.substr(std::min(path.string().size() + 2, message.size()));
  };
  EXPECT_EQ(complaint(""), "the file is empty");
  EXPECT_EQ(complaint(Pickle().op("}.").bytes), "a pickle, but not one of torch.save");
  std::string tar(512, '\0');
  tar.replace(257, 5, "ustar");
  EXPECT_TRUE(complaint(tar).starts_with("the tar layout of torch before 0.1.10 is not read"));
  std::string big_endian = legacy_checkpoint();
  big_endian[big_endian.find("little_endian") + 13] = '\x89';
  EXPECT_EQ(complaint(big_endian), "was written big-endian, expected little-endian");
  const std::string whole = legacy_checkpoint();
  EXPECT_NE(complaint(whole.substr(0, whole.size() - 1)).find("is the file truncated?"),
            std::string::npos);
}

}  // namespace
}  // namespace isthmus::formats
