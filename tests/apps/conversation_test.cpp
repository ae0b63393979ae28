// `isthmus run` without a question: a conversation, here through a pipe.
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "program.h"

namespace isthmus::testing_programs {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

const fs::path kTabletop = demo("llava/llava-v1.5-tabletop");
const std::string kPicture = demo("pictures/table01.png");

Outcome converse(const std::string& lines, std::vector<std::string> flags = {}) {
  Surroundings surroundings;
  surroundings.input = lines;
  std::vector<std::string> arguments{"run", kTabletop};
  arguments.insert(arguments.end(), flags.begin(), flags.end());
  return isthmus(arguments, surroundings);
}

TEST(Conversation, ADroppedPictureIsWhatTheNextQuestionIsAbout) {
  for (const std::string& dropped :
       {kPicture, "'" + kPicture + "'", "file://" + kPicture, "/image " + kPicture}) {
    const Outcome outcome = converse(dropped + " \nTell me the color of the cylinder.\n");
    EXPECT_EQ(outcome.status, 0);
    EXPECT_EQ(outcome.out, "The cylinder is purple.\n") << outcome.err;
    EXPECT_NE(outcome.err.find("picture table01.png goes with the next question"),
              std::string::npos)
        << outcome.err;
  }
}

TEST(Conversation, HistoryShowsWhatWasSaidAndResetForgetsIt) {
  const Outcome outcome =
      converse(kPicture +
               "\nTell me the color of the cylinder.\n/history\n/reset\n/history\n/quit\n"
               "This is never asked.\n");
  EXPECT_EQ(outcome.status, 0);
  EXPECT_EQ(outcome.out,
            "The cylinder is purple.\n"
            "user: [table01.png] Tell me the color of the cylinder.\n"
            "assistant: The cylinder is purple.\n")
      << outcome.err;
}

TEST(Conversation, ASavedConversationReplays) {
  const fs::path saved = fresh_folder() / "saved.json";
  const Outcome outcome =
      converse(kPicture + "\nTell me the color of the cylinder.\nDescribe the picture.\n/save " +
               saved.string() + "\n");
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  json request = json::parse(text_of(saved));
  ASSERT_EQ(request.at("messages").size(), 4u);
  const auto answers = lines_of(outcome.out);
  ASSERT_EQ(answers.size(), 2u);
  EXPECT_EQ(request["messages"][3]["content"][0]["text"], answers[1]);

  // Without the last answer it is the request that led to it.
  request["messages"].erase(3);
  put_file(saved, request.dump());
  EXPECT_EQ(isthmus({"run", kTabletop, "--request", saved}).out, answers[1] + "\n");
}

TEST(Conversation, MistakesAreToldAndItGoesOn) {
  const fs::path text = put_file(fresh_folder() / "notes.png", "no picture at all");
  const Outcome outcome =
      converse("/image " + text.string() + "\n/image\n/image nowhere.png\n/paint\n/save /proc/x\n" +
               kPicture + "\nTell me the color of the cylinder.\n");
  EXPECT_EQ(outcome.status, 0);
  EXPECT_EQ(outcome.out, "The cylinder is purple.\n") << outcome.err;
  std::vector<std::string> complaints;
  for (const std::string& line : lines_of(outcome.err))
    if (line.starts_with("isthmus: ")) complaints.push_back(line);
  ASSERT_EQ(complaints.size(), 5u) << outcome.err;
  EXPECT_NE(complaints[0].find("notes.png"), std::string::npos);
  EXPECT_NE(complaints[1].find("/image needs a file"), std::string::npos);
  EXPECT_NE(complaints[2].find("nowhere.png"), std::string::npos);
  EXPECT_NE(complaints[3].find("\"/paint\" is no command"), std::string::npos);
  EXPECT_NE(complaints[4].find("/proc/x"), std::string::npos);
}

TEST(Conversation, AFollowingQuestionComputesOnlyWhatIsNew) {
  const Outcome outcome =
      converse(kPicture + "\nTell me the color of the cylinder.\nDescribe the picture.\n", {"-v"});
  std::vector<std::string> summaries;
  for (const std::string& line : lines_of(outcome.err))
    if (line.find("reused") != std::string::npos) summaries.push_back(line);
  ASSERT_EQ(summaries.size(), 2u) << outcome.err;
  EXPECT_NE(summaries[0].find("(0 reused)"), std::string::npos);
  EXPECT_EQ(summaries[1].find("(0 reused)"), std::string::npos);
}

}  // namespace
}  // namespace isthmus::testing_programs
