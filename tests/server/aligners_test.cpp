// Aligners over HTTP: chosen by a request, added and taken away while the server runs.
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "new_folder.h"
#include "running_server.h"

namespace isthmus::server {
namespace {

namespace fs = std::filesystem;

// "a" and "broken" inside, and links that lead out.
fs::path folder_of_aligners() {
  const fs::path folder = new_folder("server_aligners") / "inside";
  fs::create_directories(folder / "a");
  fs::create_directories(folder / "broken");
  fs::create_directories(folder / "sub" / "b");
  std::ofstream(folder / "a/weights") << "w";
  fs::create_directories(folder.parent_path() / "outside");
  std::ofstream(folder.parent_path() / "outside/weights") << "w";
  fs::create_directory_symlink(folder.parent_path() / "outside", folder / "away");
  fs::create_directories(folder / "half");
  fs::create_symlink(folder.parent_path() / "outside/weights", folder / "half/weights");
  fs::create_directory_symlink(folder / "a", folder / "around");
  return folder;
}

Settings settings_with(const fs::path& folder) {
  Settings settings;
  settings.aligner_folder = folder;
  return settings;
}

std::string chat_with(const std::string& fields) {
  return "{" + fields + R"(, "messages": [{"role": "user", "content": "Hi"}]})";
}

std::string last_aligner(const Running& running) {
  const std::lock_guard lock(running.log->mutex);
  return running.log->questions.back().aligner;
}

TEST(Aligners, AreAddedListedAndTakenAway) {
  const Running running({}, settings_with(folder_of_aligners()));
  const auto added = running.post("/v1/aligners", R"({"name": "x", "path": "a"})");
  EXPECT_EQ(added->status, 200) << added->body;
  EXPECT_EQ(json_of(added)["id"], "scripted:x");
  EXPECT_EQ(running.post("/v1/aligners", R"({"model": "scripted", "name": "y", "path": "sub/b"})")
                ->status,
            200);
  EXPECT_EQ(
      running.post("/v1/load_lora_adapter", R"({"lora_name": "z", "lora_path": "around"})")->status,
      200);
  EXPECT_EQ(json_of(running.get("/v1/aligners"))["data"].size(), 3);
  const auto models = json_of(running.get("/v1/models"))["data"];
  ASSERT_EQ(models.size(), 4);
  EXPECT_EQ(models[0]["aligners"], nlohmann::json({"x", "y", "z"}));
  EXPECT_TRUE(models[0]["parent"].is_null());
  EXPECT_EQ(models[1]["id"], "scripted:x");
  EXPECT_EQ(models[1]["parent"], "scripted");
  EXPECT_EQ(json_of(running.get("/v1/models/scripted:x"))["parent"], "scripted");
  EXPECT_EQ(json_of(running.get("/api/tags"))["models"][1]["name"], "scripted:x");
  const auto gone = running.client().Delete("/v1/aligners/x");
  EXPECT_EQ(gone->status, 200) << gone->body;
  EXPECT_EQ(running.client().Delete("/v1/aligners/scripted:y")->status, 200);
  EXPECT_EQ(running.client().Delete("/v1/aligners/x")->status, 404);
  EXPECT_EQ(running.client().Delete("/v1/aligners/scripted")->status, 400);
  EXPECT_EQ(running.post("/v1/unload_lora_adapter", R"({"lora_name": "z"})")->status, 200);
  EXPECT_TRUE(json_of(running.get("/v1/aligners"))["data"].empty());
}

TEST(Aligners, AreChosenByARequest) {
  const Running running({}, settings_with(folder_of_aligners()));
  running.post("/v1/aligners", R"({"name": "x", "path": "a"})");
  const auto ask = [&](const std::string& fields) {
    return running.post("/v1/chat/completions", chat_with(fields));
  };
  const auto by_field = ask(R"("model": "scripted", "aligner": "x")");
  EXPECT_EQ(by_field->status, 200);
  EXPECT_EQ(last_aligner(running), "x");
  const auto by_model = ask(R"("model": "scripted:x")");
  EXPECT_EQ(json_of(by_model)["model"], "scripted:x");
  EXPECT_EQ(last_aligner(running), "x");
  EXPECT_EQ(ask(R"("model": "x")")->status, 200);
  EXPECT_EQ(last_aligner(running), "x");
  EXPECT_EQ(ask(R"("model": "scripted")")->status, 200);
  EXPECT_EQ(last_aligner(running), "");
  EXPECT_EQ(
      running.post("/v1/messages", chat_with(R"("max_tokens": 3, "model": "scripted:x")"))->status,
      200);
  EXPECT_EQ(last_aligner(running), "x");
  EXPECT_EQ(running.post("/api/chat", chat_with(R"("model": "scripted:x")"))->status, 200);
  EXPECT_EQ(last_aligner(running), "x");
  EXPECT_EQ(ask(R"("model": "scripted:x", "aligner": "y")")->status, 400);
  const auto none = ask(R"("model": "scripted:y")");
  EXPECT_EQ(none->status, 404);
  EXPECT_NE(none->body.find("scripted:x"), std::string::npos);
}

TEST(Aligners, NothingOutsideTheFolderIsLoaded) {
  const fs::path folder = folder_of_aligners();
  const Running running({}, settings_with(folder));
  const auto add = [&](const nlohmann::json& path) {
    return running.post("/v1/aligners", nlohmann::json{{"name", "x"}, {"path", path}}.dump());
  };
  const std::vector<std::string> refused{
      "../outside", "a/../../outside",  "away", "half", "", "/etc", folder.string(),
      "a/..",       "sub/../../outside"};
  for (const std::string& path : refused) EXPECT_EQ(add(path)->status, 400) << path;
  EXPECT_EQ(add(std::string("a\0b", 3))->status, 400);
  EXPECT_EQ(add("nothing")->status, 404);
  EXPECT_EQ(add(7)->status, 400);
  EXPECT_TRUE(json_of(running.get("/v1/aligners"))["data"].empty());
  const auto broken = add("broken");
  EXPECT_EQ(broken->status, 400);
  EXPECT_EQ(json_of(broken)["error"]["message"], "broken/weights: are broken");
}

TEST(Aligners, AreLeftAsTheyAreWithoutAFolder) {
  const Running running;
  EXPECT_EQ(running.post("/v1/aligners", R"({"name": "x", "path": "a"})")->status, 403);
  EXPECT_EQ(
      running.post("/v1/load_lora_adapter", R"({"lora_name": "x", "lora_path": "a"})")->status,
      403);
  EXPECT_EQ(running.post("/v1/unload_lora_adapter", R"({"lora_name": "x"})")->status, 403);
  EXPECT_EQ(running.client().Delete("/v1/aligners/x")->status, 403);
  EXPECT_EQ(running.get("/v1/aligners")->status, 200);
}

TEST(Aligners, NeedAKeyWhereTheOthersDo) {
  Settings settings = settings_with(folder_of_aligners());
  settings.api_keys = {"secret"};
  const Running running({}, settings);
  EXPECT_EQ(running.post("/v1/aligners", R"({"name": "x", "path": "a"})")->status, 401);
  EXPECT_EQ(running.client().Delete("/v1/aligners/x")->status, 401);
  EXPECT_EQ(running.get("/v1/aligners")->status, 401);
  const httplib::Headers key{{"Authorization", "Bearer secret"}};
  EXPECT_EQ(running.post("/v1/aligners", R"({"name": "x", "path": "a"})", key)->status, 200);
  EXPECT_EQ(running.client().Delete("/v1/aligners/x", key)->status, 200);
}

}  // namespace
}  // namespace isthmus::server
