#include "formats/checkpoint.h"
#include "base/ordered_json.h"

#include <nlohmann/json.hpp>

#include "base/json_view.h"
#include "formats/name_map.h"
#include "formats/safetensors.h"
#include "helpers.h"

namespace isthmus::formats {
namespace {

using namespace testing_helpers;

const std::string kTorchFolder = "v15_original/model/llava-v1.5-tiny";
const std::string kSafetensorsFolder = "v16_anyres_mistral/model/llava-v1.6-mistral-tiny";

// A copy of a fixture's model folder that a test may damage.
std::filesystem::path copy_of(const std::string& folder, const std::string& name) {
  const auto target = temporary(name);
  std::filesystem::remove_all(target);
  std::filesystem::copy(fixture(folder), target);
  return target;
}

TEST(Checkpoint, EveryFixtureFileOpens) {
  size_t count = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(fixture(""))) {
    if (entry.path().extension() != ".bin" && entry.path().extension() != ".safetensors") continue;
    const Checkpoint checkpoint = Checkpoint::open(entry.path());
    EXPECT_FALSE(checkpoint.names().empty()) << entry.path();
    size_t total = 0;
    for (const std::string& name : checkpoint.names()) total += checkpoint.at(name).bytes.size();
    EXPECT_GE(total, checkpoint.total_bytes()) << entry.path();
    EXPECT_LE(checkpoint.total_bytes(), entry.file_size()) << entry.path();
    ++count;
  }
  EXPECT_GE(count, 25u);
}

TEST(Checkpoint, ShardedTorchFolder) {
  const Checkpoint checkpoint = Checkpoint::open(fixture(kTorchFolder));
  ASSERT_EQ(checkpoint.files().size(), 2u);
  EXPECT_EQ(checkpoint.files()[0].filename(), "pytorch_model-00001-of-00002.bin");
  const RawTensor& embedding = checkpoint.at("model.embed_tokens.weight");
  EXPECT_EQ(embedding.dtype, DType::kF16);
  EXPECT_EQ(embedding.shape.size(), 2u);
  EXPECT_TRUE(embedding.is_contiguous());
  EXPECT_EQ(checkpoint.total_bytes(), 427184u);  // metadata.total_size of its index
  EXPECT_FALSE(checkpoint.contains("model.layers.99.mlp.up_proj.weight"));
  EXPECT_NE(message_of([&] { checkpoint.at("nothing"); }).find("nothing: missing in "),
            std::string::npos);
}

TEST(Checkpoint, ShardedSafetensorsFolder) {
  const Checkpoint checkpoint = Checkpoint::open(fixture("hf_llava15/model/llava-1.5-tiny-hf"));
  EXPECT_EQ(checkpoint.at("language_model.lm_head.weight").shape, (Shape{784, 64}));
  EXPECT_EQ(checkpoint.at("language_model.lm_head.weight").dtype, DType::kF16);
  EXPECT_EQ(checkpoint.shards()[0].metadata.at("format"), "pt");
}

TEST(Checkpoint, MissingShardNamesTheIndexAndAKey) {
  const auto folder = copy_of(kTorchFolder, "missing_shard");
  std::filesystem::remove(folder / "pytorch_model-00002-of-00002.bin");
  const std::string message = message_of([&] { Checkpoint::open(folder); });
  EXPECT_TRUE(message.starts_with((folder / "pytorch_model.bin.index.json").string() +
                                  ": weight_map: a shard is missing beside the index: "
                                  "pytorch_model-00002-of-00002.bin (for "))
      << message;
}

TEST(Checkpoint, TruncatedShardNamesItsSizes) {
  for (const auto& [source, shard] :
       {std::pair{kTorchFolder, "pytorch_model-00002-of-00002.bin"},
        std::pair{kSafetensorsFolder, "model-00002-of-00002.safetensors"}}) {
    const auto folder = copy_of(source, "truncated_shard");
    const auto size = std::filesystem::file_size(folder / shard);
    std::filesystem::resize_file(folder / shard, size - 20000);
    const std::string message = message_of([&] { Checkpoint::open(folder); });
    EXPECT_TRUE(message.starts_with((folder / shard).string() + ": is " +
                                    std::to_string(size - 20000) + " bytes"))
        << message;
    EXPECT_NE(message.find("truncated"), std::string::npos) << message;
  }
}

TEST(Checkpoint, KeysThatTheIndexPromisesMustBeThere) {
  const auto folder = copy_of(kTorchFolder, "broken_promise");
  const auto index = folder / "pytorch_model.bin.index.json";
  std::string text = get_file(index);
  const size_t at = text.find("model.norm.weight");
  text.replace(at, 17, "model.morn.weight");
  std::ofstream(index) << text;
  EXPECT_EQ(message_of([&] { Checkpoint::open(folder); }),
            index.string() +
                ": weight_map: 1 tensors are not where it says: model.morn.weight in " +
                "pytorch_model-00002-of-00002.bin");
}

TEST(Checkpoint, IndexMayNotLeaveItsFolder) {
  const auto folder = temporary("outside");
  std::filesystem::create_directories(folder);
  for (const char* shard : {"/etc/passwd", "../x.bin", "a/../../x.bin", ""}) {
    std::ofstream(folder / "model.safetensors.index.json")
        << R"({"weight_map": {"w": ")" << shard << "\"}}";
    EXPECT_NE(message_of([&] { Checkpoint::open(folder); }).find("is not a file beside the index"),
              std::string::npos);
  }
}

TEST(Checkpoint, SameKeyInTwoFilesIsRefused) {
  const auto one = tensor_of<float>("w", DType::kF32, {1}, {1});
  const std::vector<std::filesystem::path> files = {temporary("one.safetensors"),
                                                    temporary("two.bin")};
  write_safetensors(files[0], {&one, 1});
  write_torch_checkpoint(files[1], {&one, 1});
  EXPECT_EQ(message_of([&] { Checkpoint::open_files(files); }),
            files[1].string() + ": w: is also in " + files[0].string());
}

TEST(Checkpoint, FolderWithoutWeightsListsWhatWasLookedFor) {
  const auto folder = temporary("bare");
  std::filesystem::create_directories(folder);
  EXPECT_EQ(
      message_of([&] { Checkpoint::open(folder); }),
      folder.string() +
          ": no checkpoint found; looked for model.safetensors.index.json, model.safetensors, "
          "pytorch_model.bin.index.json, pytorch_model.bin");
}

TEST(Checkpoint, PlaceholdersOfFailedDownloadsAreNamed) {
  const auto pointer =
      put_file("pointer.bin", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n");
  EXPECT_NE(message_of([&] { Checkpoint::open(pointer); }).find("is a Git LFS pointer"),
            std::string::npos);
  EXPECT_THROW(Checkpoint::open(put_file("page.bin", "<!DOCTYPE html>")), ModelError);
  EXPECT_THROW(Checkpoint::open(put_file("some.txt", "text")), UnsupportedError);
  EXPECT_THROW(Checkpoint::open(temporary("not_there.bin")), ModelError);
}

TEST(Checkpoint, SharedStorageIsCountedOnce) {
  auto a = tensor_of<float>("a", DType::kF32, {4}, {1, 2, 3, 4});
  const auto path = put_file("shared.pt", legacy_checkpoint());
  const Checkpoint checkpoint = Checkpoint::open(path);
  EXPECT_EQ(checkpoint.total_bytes(), 6u * 4 + 8);  // "part" lies inside the storage of "w"
}

// Through the module's names and back into a folder that the original code can read.
void expect_saved_alike(const std::string& source, const std::string& name) {
  const NameMap map(
      {{"lm_head.weight", "decoder.lm_head.weight"},
       {"model.layers.{i}.mlp.{rest}", "decoder.layers.{i}.mlp.{rest}", Transform::kTranspose},
       {"model.layers.{i}.{rest}", "decoder.layers.{i}.{rest}"},
       {"model.{rest}", "decoder.{rest}"}});
  const Checkpoint original = Checkpoint::open(fixture(source));
  std::vector<RawTensor> module_tensors, file_tensors;
  for (const std::string& key : original.names()) {
    const auto mapped = map.to_module(key);
    ASSERT_TRUE(mapped) << key;
    module_tensors.push_back(apply(mapped->transform, original.at(key)));
    module_tensors.back().name = mapped->name;
  }
  for (const RawTensor& tensor : module_tensors) {
    const auto mapped = map.to_file(tensor.name);
    ASSERT_TRUE(mapped) << tensor.name;
    file_tensors.push_back(apply(inverse(mapped->transform), tensor));
    file_tensors.back().name = mapped->name;
  }
  const auto folder = temporary(name);
  std::filesystem::remove_all(folder);
  save_checkpoint_like(original, file_tensors, folder);

  const Checkpoint saved = Checkpoint::open(folder);
  ASSERT_EQ(saved.shards().size(), original.shards().size());
  for (size_t i = 0; i < saved.shards().size(); ++i)
    EXPECT_EQ(saved.shards()[i].file.filename(), original.shards()[i].file.filename());
  ASSERT_EQ(saved.names().size(), original.names().size());
  for (const std::string& key : original.names()) {
    EXPECT_EQ(saved.at(key).dtype, original.at(key).dtype) << key;
    EXPECT_EQ(saved.at(key).shape, original.at(key).shape) << key;
    EXPECT_TRUE(to_contiguous(saved.at(key)) == to_contiguous(original.at(key))) << key;
  }
  const JsonView before = JsonView::load(original.index_file()),
                 after = JsonView::load(saved.index_file());
  EXPECT_EQ(nlohmann::json(before.raw()), nlohmann::json(after.raw()));
}

TEST(Checkpoint, TorchFolderIsSavedInItsOriginalLayout) {
  expect_saved_alike(kTorchFolder, "saved_torch");
}

TEST(Checkpoint, SafetensorsFolderIsSavedInItsOriginalLayout) {
  expect_saved_alike(kSafetensorsFolder, "saved_safetensors");
}

TEST(Checkpoint, SavingNeedsTheSameNames) {
  const Checkpoint original = Checkpoint::open(put_file("few.pt", legacy_checkpoint()));
  std::vector<RawTensor> tensors = {original.at("w"), original.at("w"), original.at("b")};
  tensors[2].name = "c";
  const auto folder = temporary("unsaved");
  EXPECT_EQ(message_of([&] { save_checkpoint_like(original, tensors, folder); }),
            folder.string() +
                ": 4 tensors do not fit the original layout: w (twice), c (not in the original), "
                "b (missing), part (missing)");
}

}  // namespace
}  // namespace isthmus::formats
