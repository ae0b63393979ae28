#include "formats/bundle.h"

#include "formats/checkpoint.h"
#include "helpers.h"

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
  for (const char* name : {"../evil:", "/etc/evil:", "a/../../evil:", ":", "no colon", "./x:"})
    EXPECT_NE(refused(name, "m", ".").find("inside the model"), std::string::npos) << name;
  for (const char* name : {"..", "", "a/b", "."})
    EXPECT_NE(refused("x:", name, ".").find("isthmus.name"), std::string::npos) << name;
  EXPECT_NE(refused("x:", "m", "../x").find("isthmus.model"), std::string::npos);
  write_safetensors(temporary("hostile.isthmus"),
                    std::vector{tensor_of<float>("x:", DType::kF32, {1}, {1})},
                    {{"isthmus.name", "m"}, {"isthmus.model", "."}});
  EXPECT_NE(message_of([&] { mount_bundle(temporary("hostile.isthmus")); }).find("expected a file"),
            std::string::npos);
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
