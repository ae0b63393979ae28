// `isthmus align` as a user meets it.
#include <filesystem>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "program.h"

namespace isthmus::testing_programs {
namespace {

namespace fs = std::filesystem;

fs::path recipe(const fs::path& folder, int steps) {
  const fs::path parts = fixture("train_stage1/model"), inputs = fixture("train_stage1/inputs");
  return put_file(folder / "recipe.yaml",
                  fmt::format(R"(model:
  base: {}
  vision: {}
  fresh: {{projector: mlp2x_gelu}}
stages:
  - name: align
    trainable: ["aligner.*"]
    data: [{{type: conversations, path: {}, media: {}, template: plain}}]
    batch: 3
    steps: {}
    groups: [{{match: "*", rate: 1.0e-2}}]
    schedule: {{decay: cosine, warmup_steps: 1}}
    save_every: 10
  - name: instruct
    trainable: ["aligner.*", "decoder.*"]
    data: [{{type: conversations, path: {}, media: {}, template: v1}}]
    batch: 3
    steps: 5
    groups: [{{match: "*", rate: 1.0e-3}}]
)",
                              (parts / "vicuna-tiny").string(),
                              (parts / "openai/clip-tiny-patch14-42").string(),
                              (inputs / "data.json").string(), (inputs / "images").string(), steps,
                              (inputs / "data.json").string(), (inputs / "images").string()));
}

TEST(Align, TrainsTwoStagesAndTheResultAnswers) {
  const fs::path folder = fresh_folder(), out = folder / "out";
  const Outcome trained =
      isthmus({"align", recipe(folder, 30).string(), "-o", out.string(), "--threads", "1"});
  ASSERT_EQ(trained.status, 0) << trained.err;
  EXPECT_NE(trained.err.find("stage align: 4320 numbers learn, 30 steps"), std::string::npos);
  EXPECT_NE(trained.err.find("[snow on the mountain, yellow flowers\n]"), std::string::npos)
      << trained.err;
  EXPECT_TRUE(fs::exists(out / "align/model/mm_projector.bin"));
  EXPECT_EQ(trained.out, (out / "instruct/model").string() + "\n");
  const Outcome answer = isthmus({"run", (out / "instruct/model").string(), "--image",
                                  fixture("train_stage1/inputs/images/im0.png").string(), "-p",
                                  "What is this?", "--max-new-tokens", "4"});
  EXPECT_EQ(answer.status, 0) << answer.err;
  const Outcome again = isthmus({"align", recipe(folder, 30).string(), "-o", out.string()});
  EXPECT_EQ(again.status, 0);
  EXPECT_NE(again.err.find("stage instruct: is there already"), std::string::npos) << again.err;
}

TEST(Align, KilledAtAnyMomentItGoesOnToTheSameBytes) {
  const fs::path folder = fresh_folder();
  const std::string file = recipe(folder, 150).string();
  const auto align = [&](const std::string& out, std::vector<std::string> before) {
    before.insert(before.end(), {isthmus_program().string(), "align", file, "-o",
                                 (folder / out).string(), "--threads", "1"});
    return run_program(before);
  };
  ASSERT_EQ(align("whole", {}).status, 0);
  int kills = 0;
  Outcome last;
  for (const char* seconds : {"0.8", "1.1", "0.9", "60"}) {
    last = align("killed", {"/usr/bin/timeout", "-s", "KILL", seconds});
    kills += last.status != 0 ? 1 : 0;
  }
  ASSERT_EQ(last.status, 0) << last.err;
  EXPECT_GE(kills, 1);
  for (const char* stage : {"align", "instruct"}) {
    EXPECT_EQ(text_of(folder / "whole" / stage / "metrics.jsonl"),
              text_of(folder / "killed" / stage / "metrics.jsonl"));
  }
  EXPECT_EQ(text_of(folder / "whole/align/model/mm_projector.bin"),
            text_of(folder / "killed/align/model/mm_projector.bin"));
}

TEST(Align, MistakesAreToldBeforeAnythingIsWritten) {
  const fs::path folder = fresh_folder(), out = folder / "out";
  const std::string file = recipe(folder, 5).string();
  const auto error = [&](std::vector<std::string> sets, int status) {
    std::vector<std::string> arguments = {"align", file, "-o", out.string()};
    for (const std::string& set : sets) arguments.insert(arguments.end(), {"--set", set});
    const Outcome outcome = isthmus(arguments);
    EXPECT_EQ(outcome.status, status) << outcome.err;
    return outcome.err;
  };
  EXPECT_NE(error({"stages.0.bach=3"}, 2).find("did you mean \"batch\"?"), std::string::npos);
  EXPECT_NE(error({"stages.0.data.0.path=gone.json"}, 3).find("gone.json"), std::string::npos);
  EXPECT_FALSE(fs::exists(out));
  EXPECT_NE(error({"stages.0.trainable=[aligner.nose.*]"}, 2)
                .find("no weight of the model fits \"aligner.nose.*\""),
            std::string::npos);
  EXPECT_NE(error({"stages.0.groups.0.match=decoder.*"}, 2).find("no group takes aligner."),
            std::string::npos);
  EXPECT_EQ(isthmus({"align", (folder / "nothing.yaml").string()}).status, 2);
}

}  // namespace
}  // namespace isthmus::testing_programs
