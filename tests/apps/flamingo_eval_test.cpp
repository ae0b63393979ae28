// `isthmus eval` on tiny data sets, and what Flamingo's commands refuse.
#include <algorithm>
#include <set>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "flamingo_program.h"

namespace isthmus::testing_programs {
namespace {

using nlohmann::json;

constexpr int kPictures = 7;

// One line for every golden picture, with what `kind` asks for.
fs::path write_data(const fs::path& folder, const std::string& kind) {
  std::string lines;
  for (int i = 0; i < kPictures; ++i) {
    json line{{"image", neox_picture(i).string()}};
    if (kind == "captions") line["captions"] = {"A dog number " + std::to_string(i), "A dog."};
    if (kind == "vqa") line.update({{"question", "What is it?"}, {"answers", {"dog", "a dog"}}});
    if (kind == "classification")
      line.update({{"label", i % 2 == 0 ? "cat" : "dog"}, {"ocr", "hi"}});
    lines += line.dump() + "\n";
  }
  return put_file(folder / (kind + ".jsonl"), lines);
}

std::vector<std::string> evaluation(const fs::path& data, const fs::path& out,
                                    std::vector<std::string> more = {}) {
  std::vector<std::string> arguments{"eval", kNeoxModel, "--data", data, "--train", data,
                                     "--out", out};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

json report_in(const fs::path& out) { return json::parse(text_of(out / "report.json")); }

// --- eval ---

TEST(Eval, EveryKindOfDataIsScoredAndReported) {
  const std::vector<std::pair<std::string, std::string>> kinds{
      {"captions", "CIDEr"}, {"vqa", "VQA accuracy"}, {"classification", "accuracy"}};
  for (const auto& [kind, metric] : kinds) {
    const fs::path folder = fresh_folder() / kind, out = folder / "out";
    const Outcome outcome = isthmus(evaluation(write_data(folder, kind), out,
                                               {"--shots", "0,2", "--max-new-tokens", "4"}));
    ASSERT_EQ(outcome.status, 0) << outcome.err;
    EXPECT_NE(outcome.out.find(metric), std::string::npos) << outcome.out;
    EXPECT_NE(outcome.err.find((out / "report.html").string()), std::string::npos);
    const std::string page = text_of(out / "report.html");
    EXPECT_NE(page.find("<html"), std::string::npos);
    EXPECT_NE(page.find("data:image/"), std::string::npos);

    const json report = report_in(out), task = report["tasks"][0];
    EXPECT_TRUE(report["finished"].get<bool>());
    EXPECT_EQ(task["name"], kind);
    EXPECT_EQ(task["samples"], kPictures);
    ASSERT_EQ(task["shots"].size(), 2u);
    for (const json& shots : task["shots"]) {
      const json& trial = shots["trials"][0];
      EXPECT_EQ(trial["scored"], kPictures);
      EXPECT_EQ(trial["broken"], 0);
      EXPECT_GE(shots["score"].get<double>(), shots["interval"][0].get<double>());
      EXPECT_LE(shots["score"].get<double>(), shots["interval"][1].get<double>());
      const auto lines = lines_of(
          text_of(out / "results" / (kind + "_" + shots["shots"].dump() + "shots_seed42.jsonl")));
      ASSERT_EQ(lines.size(), kPictures + 1u);
      for (size_t i = 1; i < lines.size(); ++i)
        EXPECT_EQ(json::parse(lines[i])["demonstrations"].size(), 2u) << lines[i];
    }
  }
}

TEST(Eval, JsonOnStandardOutputIsTheReport) {
  const fs::path folder = fresh_folder(), data = write_data(folder, "captions");
  const Outcome outcome = isthmus(evaluation(
      data, folder / "out", {"--shots", "2", "--select", "rices", "--limit", "3", "--features",
                             folder / "features", "--num-beams", "1", "--json"}));
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ(json::parse(outcome.out), report_in(folder / "out"));
  EXPECT_EQ(report_in(folder / "out")["tasks"][0]["shots"][0]["trials"][0]["scored"], 3);
  EXPECT_FALSE(fs::is_empty(folder / "features"));
  // Another setting does not go on with these results.
  const Outcome other = isthmus(evaluation(
      data, folder / "out", {"--shots", "2", "--select", "rices", "--limit", "3", "--features",
                             folder / "features", "--num-beams", "2", "--json"}));
  EXPECT_EQ(other.status, 2);
  EXPECT_NE(other.err.find("num_beams"), std::string::npos) << other.err;
}

TEST(Eval, AKilledOneGoesOnWhereItWas) {
  const fs::path folder = fresh_folder(), out = folder / "out";
  std::string lines;
  for (int i = 0; i < 60; ++i)
    lines +=
        json{{"image", neox_picture(i % kPictures).string()}, {"caption", "A dog."}}.dump() + "\n";
  const fs::path data = put_file(folder / "data.jsonl", lines);
  const std::vector<std::string> flags{"--shots", "2", "--batch", "1", "--max-new-tokens", "40"};
  const auto arguments = evaluation(data, out, flags);
  const fs::path results = out / "results/captions_2shots_seed42.jsonl";
  // Killed when the header and three samples are on disk.
  std::string command = isthmus_program();
  for (const std::string& argument : arguments) command += ' ' + argument;  // none holds a space
  const Outcome killed = run_program(
      {"/bin/sh", "-c",
       command + " & child=$!; while kill -0 $child 2>/dev/null && [ \"$(cat '" + results.string() +
           "' 2>/dev/null | wc -l)\" -lt 4 ]; do sleep 0.01; done; kill -9 $child; wait $child"});
  EXPECT_EQ(killed.status, 128 + 9) << killed.err;
  auto kept = lines_of(text_of(results));
  ASSERT_GE(kept.size(), 4u);
  ASSERT_LT(kept.size(), 61u) << "it was too quick to be killed";

  // What is on disk is taken as it stands: a mark in the first record is still there at the end.
  json record = json::parse(kept[1]);
  record["prediction"] = "the mark";
  kept[1] = record.dump();
  std::string marked;
  for (const std::string& line : kept) marked += line + "\n";
  put_file(results, marked + R"({"place": 59, "id": "6)");  // a line that was being written
  const Outcome resumed = isthmus(arguments);
  ASSERT_EQ(resumed.status, 0) << resumed.err;
  const auto all = lines_of(text_of(results));
  ASSERT_EQ(all.size(), 61u);
  EXPECT_EQ(all[1], kept[1]);
  std::set<int> places;
  for (size_t i = 1; i < all.size(); ++i) places.insert(json::parse(all[i])["place"].get<int>());
  EXPECT_EQ(places.size(), 60u);
  EXPECT_EQ(report_in(out)["tasks"][0]["shots"][0]["trials"][0]["scored"], 60);
}

// --- What is refused ---

enum Status { kUsage = 2, kInput = 3, kModelBroken = 4 };

void expect_refused(const Outcome& outcome, int status, const std::vector<std::string>& named) {
  EXPECT_EQ(outcome.status, status) << outcome.err;
  EXPECT_EQ(outcome.out, "");
  EXPECT_TRUE(outcome.err.starts_with("isthmus: ")) << outcome.err;
  EXPECT_EQ(outcome.err.find("isthmus: ", 1), std::string::npos) << outcome.err;
  for (const std::string& what : named)
    EXPECT_NE(outcome.err.find(what), std::string::npos)
        << "misses " << what << " in: " << outcome.err;
}

// isthmus.json over the pieces of a golden model.
fs::path model_of_pieces(const std::string& golden, const json& more) {
  const fs::path pieces = flamingo_fixture(golden + "/model");
  json model{{"family", "flamingo"},
             {"vision", (pieces / "clip").string()},
             {"language_model", (pieces / "lm").string()},
             {"checkpoint", (pieces / "checkpoint.pt").string()}};
  model.update(more);
  return put_file(fresh_folder() / "model/isthmus.json", model.dump()).parent_path();
}

Outcome ask(const fs::path& model, std::vector<std::string> more = {}) {
  std::vector<std::string> arguments{"run",          model, "--image", neox_picture(0),
                                     "-p",           "A",   "--max-new-tokens", "2"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return isthmus(arguments);
}

TEST(FlamingoBadInput, ACheckpointOfAnotherPeriod) {
  const Outcome every = ask(model_of_pieces("opt_every2", {{"cross_attn_every_n_layers", 1}}));
  expect_refused(every, kModelBroken, {"checkpoint.pt", "cross_attn_every_n_layers", "1", "2"});
  const Outcome described =
      isthmus({"describe", model_of_pieces("opt_every2", {{"cross_attn_every_n_layers", 4}})});
  expect_refused(described, kModelBroken, {"cross_attn_every_n_layers", "4", "2"});
}

TEST(FlamingoBadInput, ACheckpointOfAnotherLanguageModel) {
  expect_refused(ask(kNeoxModel, {"--base", flamingo_fixture("mpt7b_every1/model/lm")}),
                 kModelBroken, {"checkpoint.pt", "gpt_neox.layers", "mpt"});
  // The same kind in another size.
  expect_refused(ask(kNeoxModel, {"--base", flamingo_fixture("neox_pythia_parallel/model/lm")}),
                 kModelBroken, {"checkpoint.pt"});
  expect_refused(ask(kNeoxModel, {"--base", flamingo_fixture("nowhere")}), kModelBroken,
                 {"--base", "nowhere"});
  expect_refused(ask(kNeoxModel, {"--vision", flamingo_fixture("opt_every2/model/clip")}),
                 kModelBroken, {"64", "32"});
}

TEST(FlamingoBadInput, ATokenizerWithoutRoomForTheAddedTokens) {
  // Of another model: its length is not the number of rows that were trained.
  expect_refused(
      ask(model_of_pieces("neox_rpj_every2",
                          {{"tokenizer", flamingo_fixture("opt_every2/model/lm").string()}})),
      kModelBroken, {"checkpoint.pt", "430", "390"});
}

TEST(FlamingoBadInput, MarkersWithoutPicturesAndTheReverse) {
  const std::string picture = neox_picture(0);
  expect_refused(isthmus({"run", kNeoxModel, "--literal", "--image", picture, "-p",
                          "<image>A<|endofchunk|><image>"}),
                 kUsage, {"2 <image>", "1 picture"});
  expect_refused(isthmus({"run", kNeoxModel, "--literal", "--image", picture, "--image", picture,
                          "-p", "<image>A"}),
                 kUsage, {"1 <image>", "2 pictures"});
  const fs::path request = put_file(
      fresh_folder() / "request.json",
      R"({"prompt": [{"type": "token", "text": "<image>"}, {"type": "text", "text": "A"}]})");
  expect_refused(isthmus({"run", kNeoxModel, "--request", request}), kUsage,
                 {"<image>", "no picture"});
  expect_refused(isthmus({"run", kNeoxModel, "--literal", "--shot", picture + "=A", "--image",
                          picture, "-p", "<image>"}),
                 kUsage, {"--literal", "--shot"});
}

TEST(FlamingoBadInput, ExamplesThatCannotBeUsed) {
  const fs::path folder = fresh_folder();
  const auto with = [](const fs::path& file, std::vector<std::string> more = {}) {
    more.insert(more.end(), {"--shots-from", file, "--k", "2"});
    return ask(kNeoxModel, more);
  };
  const fs::path empty = put_file(folder / "empty.jsonl", "");
  expect_refused(with(empty), kInput, {"empty.jsonl"});
  const std::string line = json{{"image", neox_picture(1).string()}, {"caption", "A."}}.dump();
  const fs::path broken =
      put_file(folder / "broken.jsonl", line + "\n{\"image\": \n" + line + "\n");
  expect_refused(with(broken), kInput, {"broken.jsonl:2"});
  const Outcome going_on = with(broken, {"--skip-broken"});
  EXPECT_EQ(going_on.status, 0) << going_on.err;
  EXPECT_NE(going_on.err.find("broken.jsonl:2"), std::string::npos) << going_on.err;

  expect_refused(ask(kNeoxModel, {"--shot", "A cat."}), kUsage,
                 {"--shot", "FILE=TEXT", "\"A cat.\""});
  expect_refused(with(broken, {"--shot", neox_picture(0).string() + "=A"}), kUsage,
                 {"--shot and --shots-from"});
  expect_refused(isthmus({"run", kNeoxModel, "--shot", neox_picture(0).string() + "=A"}), kUsage,
                 {"no question"});
  expect_refused(isthmus({"run", kNeoxModel, "--shots-from", broken, "--skip-broken", "--select",
                          "rices", "-p", "A"}),
                 kUsage, {"rices", "--image"});
}

TEST(FlamingoBadInput, PicturesThatAreNone) {
  const fs::path folder = fresh_folder(), text = put_file(folder / "text.png", "not a picture");
  expect_refused(ask(kNeoxModel, {"--shot", folder / "gone.png=A"}), kInput, {"gone.png"});
  expect_refused(ask(kNeoxModel, {"--shot", text.string() + "=A"}), kInput,
                 {"text.png", "not an image"});
  expect_refused(ask(flamingo_fixture("opt_every2/model/lm")), kUsage, {"language model alone"});
  expect_refused(ask(kNeoxModel, {"--system", "Be kind."}), kUsage, {"\"system\""});
}

TEST(FlamingoBadInput, DataOfAnEvaluation) {
  const fs::path folder = fresh_folder(), good = write_data(folder, "captions"),
                 text = put_file(folder / "text.png", "not a picture");
  const auto evaluate = [&](const fs::path& data, std::vector<std::string> more = {}) {
    std::vector<std::string> arguments{"eval",    kNeoxModel, "--data",  data,
                                       "--train", good,       "--shots", "1",
                                       "--out",   folder / "out"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return isthmus(arguments);
  };
  expect_refused(evaluate(put_file(folder / "empty.jsonl", "")), kInput, {"empty.jsonl"});
  const std::string line = json{{"image", neox_picture(1).string()}, {"caption", "A."}}.dump();
  const fs::path broken = put_file(folder / "broken.jsonl", line + "\n[1\n" + line + "\n");
  expect_refused(evaluate(broken), kInput, {"broken.jsonl:2"});
  const Outcome skipping = evaluate(broken, {"--skip-broken"});
  EXPECT_EQ(skipping.status, 0) << skipping.err;
  const json task = report_in(folder / "out")["tasks"][0];
  EXPECT_EQ(task["broken_entries"], 1);
  EXPECT_EQ(task["samples"], 2);
  fs::remove_all(folder / "out");
  const std::string bad_line = json{{"image", text.string()}, {"caption", "A."}}.dump();
  const fs::path unreadable = put_file(folder / "unreadable.jsonl", line + "\n" + bad_line);
  expect_refused(evaluate(unreadable), kInput, {"text.png"});
  expect_refused(isthmus({"eval", kNeoxModel, "--out", folder / "out"}), kUsage, {"--task"});
  expect_refused(isthmus({"eval", kNeoxModel, "--task", "klingon=x", "--out", folder / "out"}),
                 kUsage, {"klingon"});
}

}  // namespace
}  // namespace isthmus::testing_programs
