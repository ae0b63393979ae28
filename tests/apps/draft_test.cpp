// `--draft`: whatever file the draft lies in, the answer is the one without.
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "program.h"

namespace isthmus::testing_programs {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

// An answer that goes on, whatever the model makes of it.
json answer(const std::vector<std::string>& flags) {
  std::vector<std::string> arguments = {"bench",           demo("models/llava-v1.5").string(),
                                        "--image",         demo("pictures/table02.png").string(),
                                        "--repetitions",   "1",
                                        "--prompt-tokens", "4",
                                        "--new-tokens",    "24",
                                        "--json"};
  arguments.insert(arguments.end(), flags.begin(), flags.end());
  const Outcome outcome = isthmus(arguments);
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  return json::parse(outcome.out).at("fresh");
}

TEST(DraftFlag, AFolderAGgufFileAndAModelInOneFileGuessAlike) {
  const fs::path folder = fresh_folder(), language_model = demo("models/language_model");
  const fs::path file = folder / "draft.isthmus";
  ASSERT_EQ(
      isthmus({"quantize", language_model.string(), "-o", file.string(), "--storage", "q8"}).status,
      0);
  ASSERT_EQ(isthmus({"convert", demo("models/llava-v1.5").string(), "-o", folder.string(),
                     "--format", "gguf"})
                .status,
            0);
  const json plain = answer({});
  EXPECT_EQ(plain.at("guessed_tokens"), 0);
  for (const fs::path& draft : {language_model, file, folder / "model.gguf"}) {
    const json drafted = answer({"--draft", draft.string()});
    EXPECT_EQ(drafted.at("output_ids"), plain.at("output_ids"));
    EXPECT_GT(drafted.at("guessed_tokens"), 0) << draft;
    EXPECT_GE(drafted.at("guess_s"), 0.0);
  }
  const json off = answer({"--draft", language_model.string(), "--draft-tokens", "0"});
  EXPECT_EQ(off.at("guessed_tokens"), 0);
}

TEST(DraftFlag, AnotherVocabularyIsRefusedInOneLine) {
  const Outcome refused =
      isthmus({"run", demo("models/llava-v1.5").string(), "-p", "what is this ?", "--draft",
               demo("llava/llava-v1.5-tabletop").string()});
  EXPECT_EQ(refused.status, 2);
  EXPECT_EQ(lines_of(refused.err).size(), 1u) << refused.err;
  EXPECT_NE(refused.err.find("--draft: token "), std::string::npos) << refused.err;
}

}  // namespace
}  // namespace isthmus::testing_programs
