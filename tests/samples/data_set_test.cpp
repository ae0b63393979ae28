#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "error_message.h"
#include "isthmus/error.h"
#include "samples/caption_folder.h"
#include "samples/conversations.h"

namespace isthmus::samples {
namespace {

namespace fs = std::filesystem;

fs::path written(const std::string& name, const std::string& text) {
  const fs::path file = fs::path(testing::TempDir()) / ("isthmus_samples_" + name);
  std::ofstream(file) << text;
  return file;
}

TEST(Conversations, OfLlavaAreRead) {
  const fs::path file = written("llava.json", R"([
    {"id": "a", "image": "x.png", "conversations": [
      {"from": "human", "value": "<image>\nWhat?"}, {"from": "gpt", "value": "A cat."}]},
    {"id": 7, "conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Yes"}]}])");
  const auto data = open_conversations(file, {"/pictures"});
  ASSERT_EQ(data->size(), 2u);
  const Sample sample = data->at(0);
  EXPECT_EQ(sample.name, "isthmus_samples_llava.json[0] (id a)");
  ASSERT_EQ(sample.media.size(), 1u);
  EXPECT_EQ(sample.media[0].path, "/pictures/x.png");
  EXPECT_EQ(sample.media[0].modality, "image");
  EXPECT_EQ(sample.turns[1].role, "assistant");
  EXPECT_TRUE(data->at(1).media.empty());
  EXPECT_EQ(data->fingerprint(), open_conversations(file, {"/pictures"})->fingerprint());
  EXPECT_NE(data->fingerprint(), open_conversations(file, {"/other"})->fingerprint());
}

TEST(Conversations, OfChatLogsAreRead) {
  const fs::path file = written("chat.jsonl", R"({"messages": [{"role": "user", "content": [
)");
  std::ofstream(file)
      << R"({"messages": [{"role": "user", "content": [{"type": "audio", "path": "a.wav"}, {"type": "text", "text": "Hear?"}]}, {"role": "assistant", "content": "Rain."}]})"
      << "\n";
  const auto data = open_conversations(file);
  ASSERT_EQ(data->size(), 1u);
  EXPECT_EQ(data->at(0).turns[0].text, "<image>Hear?");
  EXPECT_EQ(data->at(0).media[0].modality, "audio");
  EXPECT_EQ(data->at(0).media[0].path, file.parent_path() / "a.wav");
}

TEST(Conversations, BrokenFilesNameTheirPlace) {
  const auto error = [](const std::string& text) {
    return message_of<InputError>([&] { open_conversations(written("broken.json", text)); });
  };
  EXPECT_NE(error("[{").find("not valid JSON"), std::string::npos);
  EXPECT_NE(error("{}").find("expected a list"), std::string::npos);
  EXPECT_NE(error(R"([{"conversations": [{"from": "robot", "value": "x"}]}])").find("robot"),
            std::string::npos);
  EXPECT_NE(error(R"([{"id": 1}])").find("[0]"), std::string::npos);
  EXPECT_NE(message_of<InputError>([] { open_conversations("nowhere.json"); }).find("nowhere.json"),
            std::string::npos);
}

TEST(CaptionFolder, ReadsQuotedFields) {
  const fs::path file =
      written("captions.csv",
              "file,caption,modality\r\na.png,\"A cat, \"\"grey\"\"\",\nb.wav,Rain,audio\n");
  const auto data = open_caption_folder(file);
  ASSERT_EQ(data->size(), 2u);
  const Sample sample = data->at(0);
  ASSERT_EQ(sample.document.size(), 2u);
  EXPECT_EQ(sample.document[0].path, file.parent_path() / "a.png");
  EXPECT_EQ(sample.document[1].text, "A cat, \"grey\"");
  EXPECT_EQ(data->at(1).document[0].modality, "audio");
  EXPECT_EQ(data->at(1).name, "isthmus_samples_captions.csv:3");
}

TEST(CaptionFolder, BrokenTablesNameTheirLine) {
  const auto error = [](const std::string& text) {
    return message_of<InputError>([&] { open_caption_folder(written("broken.csv", text)); });
  };
  EXPECT_NE(error("file,text\na,b\n").find(":1: has no column \"caption\""), std::string::npos);
  EXPECT_NE(error("file,caption\na\n").find(":2: has 1 fields"), std::string::npos);
  EXPECT_NE(error("file,caption\na,\"b\n").find(":2: a quote is never closed"), std::string::npos);
  EXPECT_NE(error("").find("is empty"), std::string::npos);
}

}  // namespace
}  // namespace isthmus::samples
