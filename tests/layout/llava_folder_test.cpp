#include "layout/llava_folder.h"

#include "layout/fixtures.h"

namespace isthmus::layout {
namespace {

namespace fs = std::filesystem;

TEST(LlavaFolder, TellsWhatAFolderHolds) {
  const fs::path models = llava_case("adapters") / "model";
  const auto lora = LlavaFolder::open(models / "llava-v1.5-tiny-lora");
  EXPECT_EQ(lora.contents, FolderContents::kLora);
  EXPECT_TRUE(lora.needs_base());
  EXPECT_EQ(lora.adapter_file.filename(), "adapter_model.bin");
  EXPECT_EQ(lora.non_lora_trainables_file.filename(), "non_lora_trainables.bin");
  EXPECT_EQ(lora.lora->rank, 5);

  const auto projector = LlavaFolder::open(models / "llava-tiny-pretrain");
  EXPECT_EQ(projector.contents, FolderContents::kProjectorOnly);
  EXPECT_EQ(projector.projector_file.filename(), "mm_projector.bin");

  const auto base = LlavaFolder::open(models / "vicuna-tiny");
  EXPECT_EQ(base.contents, FolderContents::kFullModel);
  EXPECT_FALSE(base.needs_base());
  EXPECT_EQ(base.name, "vicuna-tiny");
}

TEST(LlavaFolder, AFileStandsForItsFolder) {
  const fs::path folder = fresh_folder("file");
  write(folder / "config.json", "{}");
  write(folder / "model.safetensors", "");
  write(folder / "mm_projector/checkpoint-100.bin", "");
  EXPECT_EQ(LlavaFolder::open(folder / "model.safetensors").contents, FolderContents::kFullModel);
  const auto projector = LlavaFolder::open(folder / "mm_projector/checkpoint-100.bin");
  EXPECT_EQ(projector.contents, FolderContents::kProjectorOnly);
  EXPECT_EQ(projector.projector_file, folder / "mm_projector/checkpoint-100.bin");
  EXPECT_EQ(projector.path, folder);
}

TEST(LlavaFolder, EndTokensComeFromTheGenerationConfig) {
  const fs::path folder = fresh_folder("eos");
  write(folder / "config.json", R"({"model_type": "llama", "eos_token_id": 2})");
  write(folder / "pytorch_model.bin", "");
  EXPECT_EQ(LlavaFolder::open(folder).config.eos_token_ids, (std::vector<int64_t>{2}));
  write(folder / "generation_config.json", R"({"eos_token_id": [2, 7]})");
  EXPECT_EQ(LlavaFolder::open(folder).config.eos_token_ids, (std::vector<int64_t>{2, 7}));
}

TEST(LlavaFolder, ErrorsSayWhatIsMissing) {
  const fs::path folder = fresh_folder("empty");
  EXPECT_NE(message_of<ModelError>([&] { LlavaFolder::open(folder); }).find("no config.json"),
            std::string::npos);
  EXPECT_THROW(LlavaFolder::open(folder / "nowhere"), ModelError);
  write(folder / "config.json", "{}");
  const std::string message = message_of<ModelError>([&] { LlavaFolder::open(folder); });
  EXPECT_NE(message.find("model.safetensors.index.json"), std::string::npos) << message;
  EXPECT_NE(message.find("mm_projector.bin"), std::string::npos) << message;
  write(folder / "adapter_model.bin", "");
  EXPECT_NE(message_of<ModelError>([&] { LlavaFolder::open(folder); }).find("adapter_config.json"),
            std::string::npos);
  write(folder / "config.json", "{");
  EXPECT_THROW(LlavaFolder::open(folder), ModelError);
}

TEST(ModelName, IsShortenedAsTheReferenceDoes) {
  EXPECT_EQ(model_name_from_path("/models/llava-v1.5-7b/"), "llava-v1.5-7b");
  EXPECT_EQ(model_name_from_path("/runs/llava-v1.5-7b/checkpoint-100"),
            "llava-v1.5-7b_checkpoint-100");
  EXPECT_EQ(model_name_from_path("/hub/models--liuhaotian--llava-v1.5-7b/snapshots/4481d270"),
            "llava-v1.5-7b");
}

}  // namespace
}  // namespace isthmus::layout
