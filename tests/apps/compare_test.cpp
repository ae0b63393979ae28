// `isthmus compare` as a user meets it.
#include <filesystem>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "program.h"

namespace isthmus::testing_programs {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

// The models that come with Isthmus, for a few steps.
fs::path recipe_of_two(const fs::path& folder, int steps) {
  return put_file(folder / "recipe.yaml", fmt::format(R"(name: tiny
model: {{base: {}, vision: {}}}
stages:
  - name: align
    trainable: ["aligner.*"]
    data: [{{type: world, kind: questions, side: 80, samples: 100}}]
    batch: 2
    steps: {}
    groups: [{{match: "*", rate: 2.0e-3}}]
    save_every: 5
    held_out: {{every: 2, samples: 5, data: [{{type: world, kind: questions, split: test, side: 80}}]}}
compare:
  linear: {{fresh: {{token_scale: 0.03}}}}
  resampler+xattn:
    template: "{{media}}: {{question}} {{answer}}{{end}}"
    fresh: {{resampler_layers: 1, resampler_heads: 1, latents: 4, cross_attention_heads: 1, gate: 0.5}}
  upm:
    fresh: {{experts: 2, resampler_layers: 1, resampler_width: 64,
             sizes: {{resample_tokens: 4, resampler_heads: 2, router_hidden: 16}}}}
)",
                                                      demo("models/language_model").string(),
                                                      demo("models/vision").string(), steps));
}

const json& aligner(const json& report, const std::string& name) {
  for (const json& one : report.at("aligners"))
    if (one.at("aligner") == name) return one;
  throw std::runtime_error(name + " is not in the report");
}

TEST(Compare, ReportsWhatEachAlignerIsWorthAndCosts) {
  const fs::path folder = fresh_folder(), out = folder / "out";
  const Outcome compared =
      isthmus({"compare", recipe_of_two(folder, 4).string(), "-o", out.string(), "--aligners",
               "linear,resampler+xattn,upm", "--threads", "1"});
  ASSERT_EQ(compared.status, 0) << compared.err;
  EXPECT_NE(compared.err.find("<medium>: what "), std::string::npos) << compared.err;
  EXPECT_NE(compared.out.find("linear - resampler+xattn"), std::string::npos) << compared.out;
  EXPECT_NE(compared.out.find((out / "compare.html").string()), std::string::npos);

  const json report = json::parse(text_of(out / "compare.json"));
  EXPECT_EQ(report.at("name"), "tiny");
  ASSERT_EQ(report.at("aligners").size(), 3u);
  EXPECT_EQ(report.at("pairs").size(), 3u);
  const json &linear = aligner(report, "linear"), &xattn = aligner(report, "resampler+xattn"),
             &upm = aligner(report, "upm");
  EXPECT_EQ(linear.at("soft_tokens"), 64);
  EXPECT_EQ(xattn.at("latents"), 4);
  EXPECT_EQ(upm.at("soft_tokens"), 4 + 2);
  EXPECT_EQ(linear.at("trainable"), 128 * 128 + 128);
  EXPECT_EQ(linear.at("form"), "v1");
  EXPECT_EQ(xattn.at("form"), "{media}: {question} {answer}{end}");
  EXPECT_EQ(upm.at("rates"), "* 0.002");
  for (const json& one : report.at("aligners")) {
    EXPECT_EQ(one.at("exact").at("answers"), linear.at("exact").at("answers"));
    EXPECT_EQ(one.at("exact").at("pictures"), 5);
    EXPECT_EQ(one.at("flops").at("encoder"), linear.at("flops").at("encoder"));
    EXPECT_GT(one.at("first_token_s").at("median"), 0);
    EXPECT_GT(one.at("weight_bytes"), one.at("cache_bytes"));
    EXPECT_EQ(one.at("steps"), 4);
    EXPECT_EQ(one.at("loss").size(), 4u);
    EXPECT_EQ(one.at("quality").size(), 3u);  // before, after two steps, at the end
    EXPECT_EQ(one.at("answers").size(), 8u);
    EXPECT_TRUE(one.contains("dependence"));
  }
  // A sequence without soft tokens is short, and its rows are read by the gated blocks.
  EXPECT_LT(xattn.at("prompt_rows"), upm.at("prompt_rows"));
  EXPECT_LT(upm.at("prompt_rows"), linear.at("prompt_rows"));
  EXPECT_GT(xattn.at("flops").at("gated_blocks"), 0);
  EXPECT_EQ(linear.at("flops").at("gated_blocks"), 0);
  EXPECT_TRUE(linear.at("alignment").contains("layers"));
  EXPECT_FALSE(xattn.contains("alignment"));
  EXPECT_EQ(xattn.at("gates").size(), 2u * 4);
  EXPECT_EQ(upm.at("routing").size(), 2u);

  const std::string html = text_of(out / "compare.html");
  for (const char* part : {"<h1>Aligners compared: tiny</h1>", "<svg ", "not defined",
                           "prefers-color-scheme", "Answers side by side", "✗"})
    EXPECT_NE(html.find(part), std::string::npos) << part;
  EXPECT_EQ(html.find("src=\"http"), std::string::npos);
  EXPECT_EQ(html.find("<script"), std::string::npos);

  const Outcome again = isthmus({"compare", recipe_of_two(folder, 4).string(), "-o", out.string(),
                                 "--aligners", "upm", "--threads", "1"});
  EXPECT_EQ(again.status, 0) << again.err;
  EXPECT_NE(again.err.find("upm: is there already"), std::string::npos) << again.err;
}

TEST(Compare, InterruptedItGoesOnToTheSameBytes) {
  const fs::path folder = fresh_folder();
  const std::string file = recipe_of_two(folder, 40).string();
  const auto compare = [&](const std::string& out, std::vector<std::string> before) {
    before.insert(before.end(),
                  {isthmus_program().string(), "compare", file, "-o", (folder / out).string(),
                   "--aligners", "linear", "--threads", "1", "--set", "stages.0.held_out.every=0"});
    return run_program(before);
  };
  ASSERT_EQ(compare("whole", {}).status, 0);
  int stops = 0;
  Outcome last;
  for (const char* seconds : {"1.2", "1.4", "100"}) {
    last = compare("stopped", {"/usr/bin/timeout", "-s", "INT", seconds});
    stops += last.status != 0 ? 1 : 0;
  }
  ASSERT_EQ(last.status, 0) << last.err;
  EXPECT_GE(stops, 1);
  EXPECT_EQ(text_of(folder / "whole/linear/align/metrics.jsonl"),
            text_of(folder / "stopped/linear/align/metrics.jsonl"));
  EXPECT_EQ(text_of(folder / "whole/linear/align/model/mm_projector.bin"),
            text_of(folder / "stopped/linear/align/model/mm_projector.bin"));
  // Every step is timed, whoever made it.
  EXPECT_EQ(lines_of(text_of(folder / "stopped/linear/align/timing.jsonl")).size(), 40u);
}

TEST(Compare, UnknownAlignersAreRefusedWithTheNearest) {
  const fs::path folder = fresh_folder();
  const std::string file = recipe_of_two(folder, 1).string();
  const Outcome wrong = isthmus({"compare", file, "--aligners", "linear,qpm"});
  EXPECT_EQ(wrong.status, 2);
  EXPECT_EQ(wrong.err, "isthmus: --aligners: there is no aligner \"qpm\"; did you mean \"upm\"?\n");
  const Outcome alone = isthmus({"align", file});
  EXPECT_EQ(alone.status, 2);
  EXPECT_NE(alone.err.find("it is for isthmus compare"), std::string::npos) << alone.err;
}

}  // namespace
}  // namespace isthmus::testing_programs
