#include "formats/safe_unpickler.h"

#include "helpers.h"

namespace isthmus::formats::pickle {
namespace {

using namespace testing_helpers;
using testing_helpers::message_of;
using Hand = testing_helpers::Pickle;

Document load(const std::string& bytes) {
  return unpickle(std::as_bytes(std::span(bytes)), "m.bin");
}

std::string refusal(const std::string& bytes) {
  return message_of([&] { load(bytes); });
}

std::string refuses(const std::string& what) {
  return "m.bin: refuses to load: pickle " + what + "; only tensor checkpoints are read";
}

TEST(SafeUnpickler, EveryWayToCallIsRefusedByName) {
  const std::string call = Hand().global("posix", "system").op("(").text("id").op("tR.").bytes;
  EXPECT_EQ(refusal(call), refuses("calls posix.system"));
  EXPECT_EQ(refusal("cos\nsystem\n(S'id'\ntR."), refuses("calls os.system"));  // protocol 0
  EXPECT_EQ(refusal("(S'id'\nios\nsystem\n."), refuses("calls os.system"));    // INST
  EXPECT_EQ(refusal("(cos\nsystem\nS'id'\no."), refuses("calls os.system"));   // OBJ
  EXPECT_EQ(refusal(Hand().global("builtins", "eval").op("(").text("1").op("tR.").bytes),
            refuses("calls builtins.eval"));
  EXPECT_EQ(refusal(Hand().global("builtins", "getattr").op("(").op("tR.").bytes),
            refuses("calls builtins.getattr"));
  EXPECT_EQ(refusal(Hand().text("os").text("system").op("\x93").op(")R.").bytes),
            refuses("calls os.system"));
  EXPECT_EQ(refusal(Hand().global("subprocess", "Popen").op(")\x81.").bytes),
            refuses("makes an instance of subprocess.Popen"));
  EXPECT_EQ(refusal(Hand()
                        .global("copyreg", "_reconstructor")
                        .op("(")
                        .global("os", "x")
                        .global("builtins", "object")
                        .op("NtR.")
                        .bytes),
            refuses("makes an instance of os.x"));
  EXPECT_EQ(refusal(Hand()
                        .global("torch._tensor", "_rebuild_from_type_v2")
                        .op("(")
                        .global("posix", "system")
                        .global("torch", "Tensor")
                        .op("(")
                        .text("id")
                        .op("tNtR.")
                        .bytes),
            refuses("calls posix.system"));
  EXPECT_EQ(refusal(Hand().global("my.module", "Class").op(")R.").bytes),
            refuses("calls my.module.Class"));
  EXPECT_EQ(refusal(Hand()
                        .op("(")
                        .text("storage")
                        .global("os", "system")
                        .text("0")
                        .text("cpu")
                        .number(1)
                        .op("tQ.")
                        .bytes),
            refuses("has storages of class os.system"));
}

TEST(SafeUnpickler, NamesThatAreOnlyMentionedAreData) {
  const Document document = load(Hand().global("posix", "system").op(".").bytes);
  EXPECT_EQ(document.get<Global>(document.root)->name, "system");
}

TEST(SafeUnpickler, ObjectsAreInert) {
  // argparse.Namespace(lr=1), protocol 2.
  const Document document =
      load(Hand().global("argparse", "Namespace").op(")\x81}").text("lr").op("K\x01sb.").bytes);
  const auto* object = document.get<Object>(document.root);
  ASSERT_NE(object, nullptr);
  EXPECT_EQ(document.get<Global>(object->type)->name, "Namespace");
  EXPECT_NE(document.get<Dict>(object->state), nullptr);
}

TEST(SafeUnpickler, ProtocolZeroObjectsAreInert) {
  const Document document =
      load("ccopy_reg\n_reconstructor\n(cmy\nArgs\nc__builtin__\nobject\nNtR(dS'lr'\nF0.5\nsb.");
  EXPECT_NE(document.get<Object>(document.root), nullptr);
}

TEST(SafeUnpickler, PlainDataOfEveryProtocol) {
  const Document document =
      load("(lp0\nI1\naI01\naL2L\naF1.5\naS'a'\naVb\naNa(I1\nI2\nta(dp1\nS'k'\nI3\nsa.");
  const auto* list = document.get<List>(document.root);
  ASSERT_NE(list, nullptr);
  ASSERT_EQ(list->items.size(), 9u);
  EXPECT_EQ(*document.get<int64_t>(list->items[0]), 1);
  EXPECT_EQ(*document.get<bool>(list->items[1]), true);
  EXPECT_EQ(*document.get<int64_t>(list->items[2]), 2);
  EXPECT_EQ(*document.get<double>(list->items[3]), 1.5);
  EXPECT_EQ(document.get<Text>(list->items[4])->value, "a");
  EXPECT_EQ(document.get<Text>(list->items[5])->value, "b");
  EXPECT_EQ(document.get<Tuple>(list->items[7])->items.size(), 2u);
  EXPECT_EQ(document.get<Dict>(list->items[8])->items.size(), 1u);
}

TEST(SafeUnpickler, IntegersOfEveryWidth) {
  const Document document = load(Hand()
                                     .op(std::string("(K\xffM\x01\x01J\xfe\xff\xff\xff", 11))
                                     .op("\x8a\x01\xff")
                                     .op(std::string("\x8a\x00", 2))
                                     .number(int64_t{-1} << 62)
                                     .op("\x8a\x09"
                                         "123456789")
                                     .op("t.")
                                     .bytes);
  const auto& items = document.get<Tuple>(document.root)->items;
  EXPECT_EQ(*document.get<int64_t>(items[0]), 255);
  EXPECT_EQ(*document.get<int64_t>(items[1]), 257);
  EXPECT_EQ(*document.get<int64_t>(items[2]), -2);
  EXPECT_EQ(*document.get<int64_t>(items[3]), -1);
  EXPECT_EQ(*document.get<int64_t>(items[4]), 0);
  EXPECT_EQ(*document.get<int64_t>(items[5]), int64_t{-1} << 62);
  EXPECT_NE(document.get<BigInteger>(items[6]), nullptr);
}

TEST(SafeUnpickler, ViewsAreHeldAgainstTheirStorage) {
  const auto tensor = [](int64_t numel, int64_t offset, const Shape& shape, const Shape& strides) {
    return refusal(Hand().tensor("FloatStorage", "0", numel, offset, shape, strides).op(".").bytes);
  };
  constexpr int64_t kHuge = std::numeric_limits<int64_t>::max();
  EXPECT_EQ(tensor(6, 0, {2, 3}, {3, 1}), "no error");
  EXPECT_EQ(tensor(6, 0, {3, 2}, {1, 3}), "no error");
  EXPECT_EQ(tensor(6, 5, {}, {}), "no error");
  EXPECT_EQ(tensor(6, 6, {0, 4}, {4, 1}), "no error");
  for (const std::string& message :
       {tensor(6, 1, {2, 3}, {3, 1}), tensor(6, 6, {}, {}), tensor(6, -1, {2}, {1}),
        tensor(6, 0, {2}, {-1}), tensor(6, 0, {-2}, {1}), tensor(6, 0, {2, 3}, {1}),
        tensor(6, kHuge, {2}, {kHuge}), tensor(6, 1, {2}, {kHuge}),
        tensor(6, 0, {kHuge, kHuge}, {0, 0}),
        tensor(kHuge, 0, {kHuge, 1, 2}, {kHuge, kHuge, kHuge}), tensor(0, 0, {1}, {1}),
        tensor(6, 0, Shape(65, 1), Shape(65, 1)), tensor(-1, 0, {1}, {1})})
    EXPECT_TRUE(message.starts_with("m.bin: broken pickle at byte ")) << message;
}

TEST(SafeUnpickler, OpaqueThingsNeverBecomeTensors) {
  EXPECT_NE(refusal(Hand()
                        .global("torch._utils", "_rebuild_tensor_v2")
                        .op("(")
                        .global("my", "Storage")
                        .op(")\x81")
                        .number(0)
                        .numbers({1})
                        .numbers({1})
                        .op("\x89NtR.")
                        .bytes)
                .find("a tensor without a storage"),
            std::string::npos);
  EXPECT_NE(refusal(Hand()
                        .global("torch._utils", "_rebuild_parameter")
                        .op("(")
                        .global("my", "Tensor")
                        .op(")\x81")
                        .op("\x89NtR.")
                        .bytes)
                .find("a parameter without a tensor"),
            std::string::npos);
}

TEST(SafeUnpickler, CopiesAndValuesAreLimited) {
  const Limits small{.values = 1000};
  const auto limited = [&](const std::string& bytes) {
    return message_of([&] { unpickle(std::as_bytes(std::span(bytes)), "m.bin", small); });
  };
  EXPECT_NE(limited(std::string(2000, ']') + ".").find("more than 1000 values"), std::string::npos);
  // One list of pairs, copied into ever more dicts.
  Hand bomb;
  bomb.op("]q\x01(");
  for (int i = 0; i < 100; ++i) bomb.op(")]\x86");
  bomb.op("e0");
  for (int i = 0; i < 20; ++i) bomb.global("collections", "OrderedDict").op("(h\x01tR0");
  EXPECT_NE(limited(bomb.op("N.").bytes).find("more than 1000 values"), std::string::npos);
  EXPECT_NE(limited("\x80\x02"
                    "c" +
                    std::string(600, 'a') + "\nb\n.")
                .find("a name of more than 512 bytes"),
            std::string::npos);
}

TEST(SafeUnpickler, BrokenPicklesSayWhere) {
  for (const std::string& bytes : {std::string(),
                                   std::string("\x80\x06."),
                                   std::string("."),
                                   std::string("t."),
                                   std::string("X\xff\xff\xff\xff"
                                               "a"),
                                   std::string("\x8d\xff\xff\xff\xff\xff\xff\xff\xff"),
                                   std::string("h\x01."),
                                   std::string("(0t."),
                                   std::string("N)R."),
                                   std::string("]Nb"),
                                   std::string("Nb."),
                                   std::string("NNs."),
                                   std::string("N(NNNu."),
                                   std::string("\x82\x01."),
                                   std::string("\x97."),
                                   std::string("Inan\n."),
                                   std::string("I1"),
                                   std::string("Sa\n."),
                                   std::string("(N0N1."),
                                   std::string("\x8b\xff\xff\xff\xff."),
                                   std::string("\x95\xff\0\0\0\0\0\0\0.", 10),
                                   std::string("g99999999999\n.")})
    EXPECT_TRUE(refusal(bytes).starts_with("m.bin: broken pickle at byte "))
        << bytes << ": " << refusal(bytes);
}

}  // namespace
}  // namespace isthmus::formats::pickle
