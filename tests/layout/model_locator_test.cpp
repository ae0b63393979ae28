#include "layout/model_locator.h"

#include <cstdlib>

#include "layout/fixtures.h"

namespace isthmus::layout {
namespace {

namespace fs = std::filesystem;

class Environment {
 public:
  ~Environment() {
    for (const char* name : kNames) ::unsetenv(name);
    if (home_) ::setenv("HOME", home_->c_str(), 1);
  }
  Environment() {
    if (const char* home = std::getenv("HOME")) home_ = home;
    for (const char* name : kNames) ::unsetenv(name);
    ::unsetenv("HOME");
  }
  void set(const char* name, const std::string& value) { ::setenv(name, value.c_str(), 1); }

 private:
  static constexpr const char* kNames[] = {"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME",
                                           "XDG_CACHE_HOME", "ISTHMUS_MODELS"};
  std::optional<std::string> home_;
};

void make_model(const fs::path& folder) { write(folder / "config.json", "{}"); }

void make_snapshot(const fs::path& cache, const std::string& repository, const std::string& commit,
                   bool with_reference = true) {
  make_model(cache / repository / "snapshots" / commit);
  if (with_reference) write(cache / repository / "refs/main", commit + "\n");
}

TEST(ModelLocator, TheHubCacheIsTheFirstThatIsSet) {
  Environment environment;
  EXPECT_EQ(ModelLocator::from_environment().hub_cache, "");
  environment.set("HOME", "/h");
  EXPECT_EQ(ModelLocator::from_environment().hub_cache, "/h/.cache/huggingface/hub");
  environment.set("XDG_CACHE_HOME", "/x");
  EXPECT_EQ(ModelLocator::from_environment().hub_cache, "/x/huggingface/hub");
  environment.set("HF_HOME", "/f");
  EXPECT_EQ(ModelLocator::from_environment().hub_cache, "/f/hub");
  environment.set("HUGGINGFACE_HUB_CACHE", "/g");
  EXPECT_EQ(ModelLocator::from_environment().hub_cache, "/g");
  environment.set("HF_HUB_CACHE", "/c");
  EXPECT_EQ(ModelLocator::from_environment().hub_cache, "/c");
}

TEST(ModelLocator, RootsAreSeparatedByColons) {
  Environment environment;
  environment.set("ISTHMUS_MODELS", "/a::/b:");
  EXPECT_EQ(ModelLocator::from_environment().roots, (std::vector<fs::path>{"/a", "/b"}));
}

TEST(ModelLocator, FindsFoldersFilesRootsAndRepositories) {
  const fs::path top = fresh_folder("find");
  make_model(top / "here/llava");
  make_model(top / "root/liuhaotian/llava-a");
  make_model(top / "root/llava-b");
  write(top / "here/model.gguf", "");
  make_snapshot(top / "hub", "models--liuhaotian--llava-c", "0123abc");
  make_snapshot(top / "hub", "models--gpt2", "77", false);
  const ModelLocator locator{{top / "root"}, top / "hub"};
  EXPECT_EQ(locator.find_model((top / "here/llava").string()), top / "here/llava");
  EXPECT_EQ(locator.find_model((top / "here/model.gguf").string()), top / "here/model.gguf");
  EXPECT_EQ(locator.find_model("liuhaotian/llava-a"), top / "root/liuhaotian/llava-a");
  EXPECT_EQ(locator.find_model("liuhaotian/llava-b"), top / "root/llava-b");
  EXPECT_EQ(locator.find_model("liuhaotian/llava-c"),
            top / "hub/models--liuhaotian--llava-c/snapshots/0123abc");
  EXPECT_EQ(locator.find_model("gpt2"), top / "hub/models--gpt2/snapshots/77");
}

TEST(ModelLocator, AMissingModelListsEveryPlace) {
  const fs::path top = fresh_folder("missing");
  const ModelLocator locator{{top / "root"}, top / "hub"};
  const std::string message = message_of<ModelError>([&] { locator.find_model("org/name"); });
  for (const fs::path& place :
       {top / "root/org/name", top / "root/name", top / "hub/models--org--name"})
    EXPECT_NE(message.find(place.string()), std::string::npos) << message;
  EXPECT_THROW(locator.find_model(""), ModelError);
  EXPECT_THROW(locator.find_model("/no/such/folder"), ModelError);
  EXPECT_THROW(locator.find_model(std::string("a\0b", 3)), ModelError);
}

TEST(ModelLocator, AReferenceCannotLeadOutOfTheCache) {
  const fs::path top = fresh_folder("reference");
  make_model(top / "outside");
  make_model(top / "hub/models--a--b/snapshots/1");
  make_model(top / "hub/models--a--b/snapshots/2");
  write(top / "hub/models--a--b/refs/main", "../../../outside");
  EXPECT_THROW((ModelLocator{{}, top / "hub"}).find_model("a/b"), ModelError);
}

TEST(ModelLocator, FindsTheTowersOfTheFixtures) {
  const ModelLocator locator;
  const fs::path model = llava_case("v15_original") / "model/llava-v1.5-tiny";
  const fs::path tower = llava_case("v15_original") / "model/openai/clip-tiny-patch14-70";
  EXPECT_EQ(locator.find_vision_tower("openai/clip-tiny-patch14-70", model), tower);
  EXPECT_EQ(locator.find_vision_tower("openai/clip-tiny-patch14-70", model / ""), tower);
  EXPECT_EQ(locator.find_vision_tower(tower.string(), "/elsewhere"), tower);
}

TEST(ModelLocator, LooksForATowerBesideTheModelThenFurtherOut) {
  const fs::path top = fresh_folder("tower");
  make_model(top / "a/b/model");
  const ModelLocator locator{{top / "root"}, top / "hub"};
  make_snapshot(top / "hub", "models--openai--clip", "1");
  const auto find = [&] { return locator.find_vision_tower("openai/clip", top / "a/b/model"); };
  EXPECT_EQ(find(), top / "hub/models--openai--clip/snapshots/1");
  make_model(top / "root/clip");
  EXPECT_EQ(find(), top / "root/clip");
  make_model(top / "a/openai/clip");
  EXPECT_EQ(find(), top / "a/openai/clip");
  make_model(top / "a/b/clip");
  EXPECT_EQ(find(), top / "a/b/clip");
  make_model(top / "a/b/model/openai/clip");
  EXPECT_EQ(find(), top / "a/b/model/openai/clip");
}

TEST(ModelLocator, TheChosenTowerWins) {
  const fs::path top = fresh_folder("chosen");
  make_model(top / "clip");
  make_model(top / "mine");
  const ModelLocator locator;
  EXPECT_EQ(locator.find_vision_tower("clip", top / "model", top / "mine"), top / "mine");
  EXPECT_THROW(locator.find_vision_tower("clip", top / "model", top / "gone"), ModelError);
}

TEST(ModelLocator, ATowersNameCannotLeaveTheSearchedPlaces) {
  const fs::path top = fresh_folder("escape");
  make_model(top / "secret/clip");
  make_model(top / "a/b/c/d/model");
  const ModelLocator locator;
  for (const char* name : {"../../../../secret/clip", "../../../../../secret/clip",
                           "openai/../../../../../secret/clip"})
    EXPECT_THROW(locator.find_vision_tower(name, top / "a/b/c/d/model"), ModelError) << name;
  for (const char* name : {"", "..", "../..", "/", "."})
    EXPECT_THROW(locator.find_vision_tower(name, top / "a/b/c/d/model"), ModelError) << name;
}

TEST(ModelLocator, AnAbsolutePathOfTheTrainingMachineStillNamesTheTower) {
  const fs::path top = fresh_folder("training");
  make_model(top / "clip-vit");
  EXPECT_EQ((ModelLocator{}).find_vision_tower("/mnt/training/openai/clip-vit", top / "model"),
            top / "clip-vit");
}

}  // namespace
}  // namespace isthmus::layout
