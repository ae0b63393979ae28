// `isthmus quantize`, and models in one file wherever a model is named.
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "program.h"

namespace isthmus::testing_programs {
namespace {

namespace fs = std::filesystem;

const std::vector<std::string> kAsk = {"--image", demo("pictures/table01.png").string(), "--prompt",
                                       "how many objects ?"};

std::vector<std::string> ask(const std::string& model) {
  std::vector<std::string> arguments = {"run", model};
  arguments.insert(arguments.end(), kAsk.begin(), kAsk.end());
  return arguments;
}

TEST(Quantize, OneFileAnswersAsTheFolderDoes) {
  const fs::path folder = fresh_folder();
  for (const std::string model : {"demo-llava", "demo-onellm", "demo-flamingo"}) {
    const fs::path file = folder / (model + ".isthmus");
    const Outcome made = isthmus({"quantize", model, "-o", file.string(), "--storage", "q8"});
    ASSERT_EQ(made.status, 0) << made.err;
    EXPECT_NE(made.out.find("MB of weights became"), std::string::npos) << made.out;
    const Outcome want = isthmus(ask(model)), got = isthmus(ask(file.string()));
    EXPECT_EQ(got.status, 0) << got.err;
    EXPECT_EQ(got.out, want.out);
    const Outcome described = isthmus({"describe", file.string()});
    EXPECT_EQ(described.status, 0) << described.err;
  }
}

TEST(Quantize, NothingIsLeftBehind) {
  const fs::path folder = fresh_folder(), temporary = folder / "tmp";
  fs::create_directories(temporary);
  const fs::path file = folder / "m.isthmus";
  ASSERT_EQ(isthmus({"quantize", "demo-llava", "-o", file.string()}).status, 0);
  const Outcome answer =
      isthmus(ask(file.string()), {.environment = {{"TMPDIR", temporary.string()}}});
  EXPECT_EQ(answer.status, 0) << answer.err;
  EXPECT_TRUE(fs::is_empty(temporary));
}

TEST(Quantize, MistakesAreNamed) {
  const fs::path folder = fresh_folder();
  const Outcome into_folder = isthmus({"quantize", "demo-llava", "-o", folder.string()});
  EXPECT_NE(into_folder.status, 0);
  EXPECT_NE(into_folder.err.find("is a folder"), std::string::npos) << into_folder.err;

  const fs::path file = folder / "m.isthmus";
  ASSERT_EQ(isthmus({"quantize", "demo-llava", "-o", file.string()}).status, 0);
  const Outcome over_itself = isthmus({"quantize", file.string(), "-o", file.string()});
  EXPECT_NE(over_itself.status, 0);
  EXPECT_NE(over_itself.err.find("is the model itself"), std::string::npos) << over_itself.err;
  // A copy that broke off.
  const std::string whole = text_of(file);
  const fs::path half = put_file(folder / "half.isthmus", whole.substr(0, whole.size() / 2));
  const Outcome broken = isthmus(ask(half.string()));
  EXPECT_NE(broken.status, 0);
  EXPECT_NE(broken.err.find("half.isthmus"), std::string::npos) << broken.err;
  EXPECT_NE(broken.err.find("truncated"), std::string::npos) << broken.err;
}

TEST(EvalAgainst, TellsWhatFewBitsChange) {
  const Outcome same =
      isthmus({"eval", "demo-llava", "--against", "f32", "--limit", "4", "--json"});
  ASSERT_EQ(same.status, 0) << same.err;
  const auto found = nlohmann::json::parse(same.out);
  ASSERT_EQ(found.size(), 2u);
  EXPECT_GT(found[0]["tokens"].get<int>(), 10);
  EXPECT_EQ(found[0]["same_choice"], 1.0);
  const Outcome table =
      isthmus({"eval", "demo-flamingo", "--against", "f32", "--limit", "4", "--storage", "q4"});
  ASSERT_EQ(table.status, 0) << table.err;
  EXPECT_NE(table.out.find("shots (test)"), std::string::npos) << table.out;
  const Outcome other = isthmus({"eval", "demo-llava", "--against", "nothing-there"});
  EXPECT_NE(other.status, 0);
  EXPECT_NE(other.err.find("nothing-there"), std::string::npos) << other.err;
}

}  // namespace
}  // namespace isthmus::testing_programs
