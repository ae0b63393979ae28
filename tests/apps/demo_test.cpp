// The models that come with Isthmus, as a user meets them.
#include <filesystem>

#include <gtest/gtest.h>

#include "program.h"

namespace isthmus::testing_programs {
namespace {

namespace fs = std::filesystem;

// "31 of 46 answers are right."
struct Score {
  int right = 0, asked = 0;
};

Score score_of(const std::string& out) {
  for (const std::string& line : lines_of(out)) {
    Score score;
    if (std::sscanf(line.c_str(), "%d of %d answers are right", &score.right, &score.asked) == 2)
      return score;
  }
  return {};
}

TEST(Demo, ShowsAllModalitiesBeforeAndAfter) {
  const fs::path page = fresh_folder() / "demo.html";
  const Outcome shown = isthmus({"demo", "-o", page.string()});
  ASSERT_EQ(shown.status, 0) << shown.err;
  const Score score = score_of(shown.out);
  EXPECT_GE(score.asked, 25);
  EXPECT_GE(score.right, score.asked * 6 / 10) << shown.out;
  const std::string html = text_of(page);
  for (const char* family : {"<h2>LLaVA</h2>", "<h2>OneLLM</h2>", "<h2>Flamingo</h2>"})
    EXPECT_NE(html.find(family), std::string::npos) << family;
  EXPECT_EQ(html.find("src=\"http"), std::string::npos);
}

TEST(Demo, ModelsAnswerByTheirNames) {
  const Outcome answer =
      isthmus({"run", "demo-llava", "--image", demo("pictures/table01.png").string(), "-p",
               "how many objects ?", "--max-new-tokens", "8"},
              {.folder = fresh_folder()});
  EXPECT_EQ(answer.status, 0) << answer.err;
  EXPECT_EQ(answer.out, "one\n");
}

}  // namespace
}  // namespace isthmus::testing_programs
