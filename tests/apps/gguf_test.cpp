// `isthmus convert`, and the files it writes given back to the other verbs.
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "program.h"

namespace isthmus::testing_programs {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

TEST(Convert, TheFolderAndItsTwoFilesAnswerAsTheModel) {
  const fs::path folder = fresh_folder(), picture = demo("pictures/table02.png");
  const Outcome converted = isthmus({"convert", demo("models/llava-v1.5").string(), "-o",
                                     folder.string(), "--format", "gguf", "--dtype", "f32"});
  ASSERT_EQ(converted.status, 0) << converted.err;
  EXPECT_EQ(converted.out, folder.string() + "\n");

  const Outcome described = isthmus({"describe", "--json", folder.string()});
  ASSERT_EQ(described.status, 0) << described.err;
  EXPECT_LT(described.cpu_seconds, 0.2);  // no libtorch
  const json description = json::parse(described.out);
  EXPECT_EQ(description.at("layout"), "llama.cpp");
  EXPECT_EQ(description.at("template"), "vicuna_v1");

  const auto answer = [&](std::vector<std::string> model) {
    model.insert(model.begin(), "run");
    model.insert(model.end(), {"--image", picture.string(), "-p", "What is in this picture?"});
    const Outcome outcome = isthmus(model);
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    return outcome.out;
  };
  const std::string said = answer({demo("models/llava-v1.5").string()});
  EXPECT_EQ(answer({folder.string()}), said);
  EXPECT_EQ(
      answer({(folder / "model.gguf").string(), "--mmproj", (folder / "mmproj.gguf").string()}),
      said);
}

TEST(Convert, TheTwoFilesBecomeOneThatAnswersAsThey) {
  const fs::path folder = fresh_folder(), one = folder / "one.isthmus";
  ASSERT_EQ(isthmus({"convert", demo("models/llava-v1.5").string(), "-o", folder.string(),
                     "--format", "gguf", "--dtype", "q8_0"})
                .status,
            0);
  const std::string model = folder / "model.gguf", mmproj = folder / "mmproj.gguf";
  const Outcome made = isthmus({"quantize", model, "--vision", mmproj, "-o", one.string()});
  ASSERT_EQ(made.status, 0) << made.err;
  const auto answer = [&](std::vector<std::string> of) {
    of.insert(of.begin(), "run");
    of.insert(of.end(),
              {"--image", demo("pictures/table02.png").string(), "-p", "What is in this picture?"});
    const Outcome outcome = isthmus(of);
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    return outcome.out;
  };
  const std::string said = answer({model, "--mmproj", mmproj});
  EXPECT_GT(said.size(), 1u);
  EXPECT_EQ(answer({one.string()}), said);
  const json described = json::parse(isthmus({"describe", "--json", one.string()}).out);
  EXPECT_EQ(described.at("layout"), "llama.cpp");
}

TEST(Convert, AFormatMustBeNamedAndAFlamingoIsRefused) {
  const fs::path folder = fresh_folder() / "out";
  EXPECT_EQ(isthmus({"convert", demo("models/llava-v1.5").string(), "-o", folder.string()}).status,
            2);
  const Outcome refused = isthmus(
      {"convert", demo("models/flamingo").string(), "-o", folder.string(), "--format", "gguf"});
  EXPECT_EQ(refused.status, 5) << refused.err;
  EXPECT_FALSE(fs::exists(folder));
}

}  // namespace
}  // namespace isthmus::testing_programs
