#include "formats/bundle.h"

#include "formats/checkpoint.h"
#include "helpers.h"
#include "hostile_files.h"

namespace isthmus::formats {
namespace {

namespace fs = std::filesystem;
using namespace testing_helpers;

BundleContents small_model() {
  BundleContents contents{
      "tiny-v1", ".", {{"config.json", "{}"}, {"vision/config.json", "[]"}}, {}};
  contents.weights["model.safetensors"].push_back(
      outgoing(tensor_of<float>("w", DType::kF32, {2}, {1, 2})));
  contents.weights["vision/model.bin"].push_back(
      outgoing(tensor_of<float>("w", DType::kF32, {1}, {3})));
  return contents;
}

TEST(Bundle, IsLaidOutAsTheFolderItWas) {
  const fs::path file = temporary("bundle.isthmus");
  write_bundle(file, small_model());
  ASSERT_TRUE(is_bundle(file));
  const fs::path folder = mount_bundle(file);
  EXPECT_EQ(folder.filename(), "tiny-v1");
  EXPECT_EQ(get_file(folder / "config.json"), "{}");
  EXPECT_EQ(get_file(folder / "vision/config.json"), "[]");
  const auto weights = Checkpoint::open(folder);
  EXPECT_EQ(weights.names(), std::vector<std::string>{"w"});
  EXPECT_EQ(values_of<float>(weights.at("w")), (std::vector<float>{1, 2}));
  // Messages and fingerprints speak of the file that the user has.
  EXPECT_EQ(weights.files(), std::vector<fs::path>{fs::canonical(file)});
  EXPECT_EQ(values_of<float>(Checkpoint::open(folder / "vision/model.bin").at("w")),
            std::vector<float>{3});
  EXPECT_EQ(mount_bundle(file), folder);
}

// Of a GGUF file the metadata are bytes, its tensors weights.
TEST(Bundle, TheHeadOfAGgufFileMayHaveWeightsBesides) {
  const fs::path file = temporary("both.isthmus");
  BundleContents contents = small_model();
  contents.files["model.safetensors"] = "GGUF, the head";
  write_bundle(file, contents);
  const fs::path folder = mount_bundle(file);
  EXPECT_EQ(get_file(folder / "model.safetensors"), "GGUF, the head");
  EXPECT_EQ(values_of<float>(Checkpoint::open(folder).at("w")), (std::vector<float>{1, 2}));
}

TEST(Bundle, FilesAreAddedWhereRoomWasLeft) {
  const fs::path file = temporary("added.isthmus"), narrow = temporary("narrow.isthmus");
  write_bundle(file, small_model(), 512);
  EXPECT_EQ(bundled_case(file), std::nullopt);
  const fs::path other = temporary("added too.isthmus");
  fs::copy_file(file, other, fs::copy_options::overwrite_existing);
  add_to_bundle(other,
                {{"golden/expect.json", "{}"}, {"golden/empty", ""}, {"golden/x.npy", "xyz"}});
  const auto folder = bundled_case(other);
  ASSERT_TRUE(folder.has_value());
  EXPECT_EQ(get_file(*folder / "expect.json"), "{}");
  EXPECT_EQ(get_file(*folder / "empty"), "");
  EXPECT_EQ(get_file(*folder / "x.npy"), "xyz");
  EXPECT_EQ(values_of<float>(Checkpoint::open(mount_bundle(other)).at("w")),
            (std::vector<float>{1, 2}));

  write_bundle(narrow, small_model(), 40);
  const std::string before = get_file(narrow);
  EXPECT_NE(message_of([&] {
              add_to_bundle(narrow, {{"golden/expect.json", "{}"}});
            }).find("room"),
            std::string::npos);
  EXPECT_EQ(get_file(narrow), before);
}

TEST(Bundle, OtherFilesAreNone) {
  write_safetensors(temporary("plain.safetensors"),
                    std::vector{tensor_of<float>("w", DType::kF32, {1}, {1})});
  EXPECT_FALSE(is_bundle(temporary("plain.safetensors")));
  EXPECT_FALSE(is_bundle(put_file("note.txt", "isthmus.model")));
  EXPECT_FALSE(is_bundle(temporary("absent")));
  EXPECT_FALSE(is_bundle(fs::temp_directory_path()));
}

// A hostile file may not write anywhere else.
TEST(Bundle, NamesThatLeadOutAreRefused) {
  const auto refused = [](const std::string& tensor, const std::string& name,
                          const std::string& model) {
    const fs::path file = temporary("hostile.isthmus");
    write_safetensors(file, std::vector{tensor_of<uint8_t>(tensor, DType::kU8, {1}, {65})},
                      {{"isthmus.name", name}, {"isthmus.model", model}});
    const std::string message = message_of([&] { mount_bundle(file); });
    EXPECT_TRUE(message.starts_with(file.string())) << message;
    return message;
  };
  const std::string long_part(201, 'a'), many_parts = [] {
    std::string path = "a";
    while (path.size() < 1100) path += "/a";
    return path;
  }();
  for (const std::string& name :
       {std::string("../evil:"), std::string("/etc/evil:"), std::string("a/../../evil:"),
        std::string(":"), std::string("no colon"), std::string("./x:"), long_part + ":",
        many_parts + ":"})
    EXPECT_NE(refused(name, "m", ".").find("inside the model"), std::string::npos) << name;
  EXPECT_NE(refused("x:", "m", "y").find("isthmus.model: \"y\" names nothing"), std::string::npos);
  for (const char* name : {"..", "", "a/b", "."})
    EXPECT_NE(refused("x:", name, ".").find("isthmus.name"), std::string::npos) << name;
  EXPECT_NE(refused("x:", "m", "../x").find("isthmus.model"), std::string::npos);
  write_safetensors(temporary("hostile.isthmus"),
                    std::vector{tensor_of<float>("x:", DType::kF32, {1}, {1})},
                    {{"isthmus.name", "m"}, {"isthmus.model", "."}});
  EXPECT_NE(message_of([&] { mount_bundle(temporary("hostile.isthmus")); }).find("expected a file"),
            std::string::npos);
}

TEST(Bundle, AFileIsNoFolderOfOthers) {
  const auto refused = [](const std::string& file, const std::string& inside) {
    write_safetensors(temporary("twice.isthmus"),
                      std::vector{tensor_of<uint8_t>(file, DType::kU8, {1}, {65}),
                                  tensor_of<uint8_t>(inside, DType::kU8, {1}, {65})},
                      {{"isthmus.name", "m"}, {"isthmus.model", "."}});
    return message_of<ModelError>([&] { mount_bundle(temporary("twice.isthmus")); });
  };
  EXPECT_NE(refused("a:", "a/b:").find("twice.isthmus: a/b: cannot be laid out"), std::string::npos)
      << refused("a:", "a/b:");
  EXPECT_NE(refused("a:w", "a/b:").find("twice.isthmus: a: is a file and a folder"),
            std::string::npos)
      << refused("a:w", "a/b:");
  EXPECT_NE(refused("a:w", "a:").find("a: is a file and has weights"), std::string::npos);
}

TEST(Bundle, BrokenOnesAreRefusedAndLeaveNothingBehind) {
  BundleContents contents = small_model();
  auto owner = std::make_shared<std::vector<std::byte>>(*bytes_of(DType::kQ4, {16, 256}));
  RawTensor blocks;
  blocks.name = "b";
  blocks.dtype = DType::kQ4;
  blocks.shape = {16, 256};
  blocks.strides = row_major_strides(blocks.shape);
  blocks.bytes = *owner;
  blocks.owner = owner;
  contents.weights["model.safetensors"].push_back(outgoing(blocks));
  const fs::path whole = temporary("whole.isthmus");
  write_bundle(whole, contents);
  const std::string good = get_file(whole);
  const size_t head = 8 + read_le<uint64_t>(std::as_bytes(std::span(good)), 0);
  Mutations mutations(good, head, 5);
  for (int round = 0; round < 1000; ++round) {
    const std::string bytes = mutations.next();
    // One laid out is remembered by its path.
    const fs::path file = temporary(fmt::format("mutated_{}.isthmus", round));
    survives(file, bytes, mutations.what(), [&] {
      const fs::path folder = mount_bundle(file);
      EXPECT_TRUE(fs::exists(folder));
      for (const char* place : {"model.safetensors", "vision/model.bin"})
        if (const auto found = bundled_weights(folder / place)) {
          for (const RawTensor& tensor : found->tensors)
            EXPECT_EQ(tensor.bytes.size(), *bytes_of(tensor.dtype, tensor.shape));
        }
    });
    if (HasFailure()) return;
    fs::remove(file);
  }
}

TEST(Bundle, NamesThatNoFileHasAreNotWritten) {
  BundleContents contents = small_model();
  contents.files["../x"] = "";
  EXPECT_NE(message_of([&] { write_bundle(temporary("b"), contents); }).find("../x"),
            std::string::npos);
  EXPECT_FALSE(fs::exists(temporary("b")));
}

}  // namespace
}  // namespace isthmus::formats
