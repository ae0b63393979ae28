// Flamingo from the command line: solved examples, literal prompts, traces, and what is refused.
#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "flamingo_program.h"
#include "formats/npy.h"

namespace isthmus::testing_programs {
namespace {

using nlohmann::json;

// The second prompt of the golden case, in the order of a command line.
const std::string kForest = "A train next to a forest.",
                  kKite = "A child flying a kite in the park.";
const fs::path kForestPicture = neox_picture(5), kKitePicture = neox_picture(2),
               kAskedPicture = neox_picture(6);

json neox_golden() { return json::parse(text_of(flamingo_fixture("neox_rpj_every2/expect.json"))); }

// The ids of that prompt alone, without the padding of its batch.
std::vector<int64_t> golden_input_ids() {
  const json golden = neox_golden();
  std::vector<int64_t> ids;
  for (size_t i = 0; i < golden["input_ids"][1].size(); ++i)
    if (golden["attention_mask"][1][i] == 1) ids.push_back(golden["input_ids"][1][i]);
  return ids;
}

fs::path write_golden_request(const fs::path& folder) {
  const auto image = [](const fs::path& file) {
    return json{{"type", "image"}, {"path", file.string()}};
  };
  const auto text = [](const std::string& words) {
    return json{{"type", "text"}, {"text", words}};
  };
  const json end{{"type", "token"}, {"text", "<|endofchunk|>"}};
  const json request{{"prompt",
                      {image(kForestPicture), text("Output:" + kForest), end, text("\n"),
                       image(kKitePicture), text("Output:" + kKite), end, text("\n"),
                       image(kAskedPicture), text("Output:")}},
                     {"generate", {{"max_new_tokens", 12}}}};
  return put_file(folder / "request.json", request.dump());
}

std::vector<std::string> run_with_shots(std::vector<std::string> more) {
  std::vector<std::string> arguments{"run", kNeoxModel, "--shot",
                                     kForestPicture.string() + "=" + kForest, "--shot",
                                     kKitePicture.string() + "=" + kKite, "--image", kAskedPicture};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

std::string spelt_prompt() {
  return "<image>Output:" + kForest + "<|endofchunk|>\n<image>Output:" + kKite +
         "<|endofchunk|>\n<image>Output:";
}

json answer_of(const Outcome& outcome) {
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  return json::parse(outcome.out);
}

// --- run ---

TEST(FlamingoRun, ShotsGiveTheAnswerOfTheReference) {
  const json generations = neox_golden()["generations"];
  const json greedy = answer_of(
      isthmus(run_with_shots({"--template", "caption", "--max-new-tokens", "12", "--json"})));
  EXPECT_EQ(greedy["output_ids"], generations[0]["new_tokens"][1]);
  EXPECT_EQ(greedy["text"], generations[0]["text_skip_special"][1]);
  EXPECT_EQ(greedy["prompt_tokens"], golden_input_ids().size());
  const json beams =
      answer_of(isthmus(run_with_shots({"--template", "caption", "--max-new-tokens", "10",
                                        "--num-beams", "3", "--length-penalty", "0", "--json"})));
  EXPECT_EQ(beams["output_ids"], generations[1]["new_tokens"][1]);
}

TEST(FlamingoRun, WithoutATemplateExamplesStandAsGiven) {
  const Outcome outcome = isthmus(run_with_shots({"--max-new-tokens", "4"}));
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ(outcome.err, "");
  const std::string spelt =
      "<image>" + kForest + "<|endofchunk|><image>" + kKite + "<|endofchunk|><image>";
  const json literal = answer_of(
      isthmus({"run", kNeoxModel, "--literal", "--image", kForestPicture, "--image", kKitePicture,
               "--image", kAskedPicture, "-p", spelt, "--max-new-tokens", "4", "--json"}));
  EXPECT_EQ(outcome.out, literal["text"].get<std::string>() + "\n");
}

TEST(FlamingoRun, ALiteralPromptAndARequestFileAreTheSame) {
  const json expected = neox_golden()["generations"][0]["new_tokens"][1];
  const json literal = answer_of(isthmus({"run", kNeoxModel, "--literal", "--image",
                                          kForestPicture, "--image", kKitePicture, "--image",
                                          kAskedPicture, "-p", spelt_prompt(), "--max-new-tokens",
                                          "12", "--json"}));
  EXPECT_EQ(literal["output_ids"], expected);
  const json request = answer_of(isthmus(
      {"run", kNeoxModel, "--request", write_golden_request(fresh_folder()), "--json"}));
  EXPECT_EQ(request["output_ids"], expected);
}

// Pictures 0 to 4 with captions, below `folder`.
fs::path write_examples(const fs::path& folder, bool with_broken_line = false) {
  std::string lines;
  for (int i = 0; i < 5; ++i) {
    const fs::path picture = neox_picture(i);
    fs::create_directories(folder / "pictures");
    fs::copy_file(picture, folder / "pictures" / picture.filename());
    if (i == 2 && with_broken_line) lines += "{\"image\": \"a.png\", \n";
    lines += json{{"image", "pictures/" + picture.filename().string()},
                  {"caption", "It is number " + std::to_string(i) + "."}}
                 .dump() +
             "\n";
  }
  return put_file(folder / "examples.jsonl", lines);
}

// The pictures that -v says were chosen, in the order of the prompt.
std::vector<std::string> chosen(const Outcome& outcome) {
  std::vector<std::string> names;
  for (const std::string& line : lines_of(outcome.err))
    if (line.starts_with("example "))
      names.push_back(fs::path(line.substr(8, line.find(": ") - 8)).filename());
  return names;
}

TEST(FlamingoRun, RicesTakesTheNearestAndKeepsTheirFeatures) {
  const fs::path folder = fresh_folder(), examples = write_examples(folder);
  const Surroundings surroundings{{{"XDG_CACHE_HOME", folder / "cache"}}};
  const auto nearest = [&](const fs::path& image, const Surroundings& around) {
    return isthmus({"run", kNeoxModel, "--shots-from", examples, "--k", "2", "--select", "rices",
                    "--image", image, "--template", "caption", "--max-new-tokens", "2", "-v"},
                   around);
  };
  // Another file with the bytes of picture 1: that is the nearest, and stands last.
  const fs::path asked = folder / "asked.jpg";
  fs::copy_file(neox_picture(1), asked);
  const Outcome first = nearest(asked, surroundings);
  ASSERT_EQ(first.status, 0) << first.err;
  ASSERT_EQ(chosen(first).size(), 2u) << first.err;
  EXPECT_EQ(chosen(first)[1], "img1.jpg");
  // The picture of the question itself is no example, however its path is spelt.
  Surroundings inside = surroundings;
  inside.folder = folder;
  const Outcome own = nearest("./pictures/img1.jpg", inside);
  EXPECT_EQ(own.status, 0) << own.err;
  EXPECT_EQ(chosen(own).size(), 2u);
  EXPECT_FALSE(std::ranges::count(chosen(own), "img1.jpg")) << own.err;

  // A picture that was not chosen, spoilt behind the cache's back: only its features are looked at.
  std::set<std::string> names{"img0.png", "img2.png", "img3.png", "img4.png"};
  names.erase(chosen(first)[0]);
  const fs::path spoilt = folder / "pictures" / *names.begin();
  const auto time = fs::last_write_time(spoilt);
  put_file(spoilt, std::string(fs::file_size(spoilt), 'x'));
  fs::last_write_time(spoilt, time);
  const Outcome again = nearest(asked, surroundings);
  EXPECT_EQ(again.status, 0) << again.err;
  EXPECT_EQ(again.out, first.out);
  EXPECT_EQ(chosen(again), chosen(first));
  const Surroundings elsewhere{{{"XDG_CACHE_HOME", folder / "another"}}};
  const Outcome without = nearest(asked, elsewhere);
  EXPECT_EQ(without.status, 3);
  EXPECT_NE(without.err.find(spoilt.filename().string()), std::string::npos) << without.err;
}

TEST(FlamingoRun, RandomExamplesDependOnTheSeedAlone) {
  const fs::path examples = write_examples(fresh_folder());
  std::set<std::vector<std::string>> draws;
  for (const char* seed : {"1", "2", "1"}) {
    const Outcome outcome =
        isthmus({"run", kNeoxModel, "--shots-from", examples, "--k", "3", "--seed", seed, "--image",
                 kAskedPicture, "--max-new-tokens", "1", "-v"});
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    EXPECT_EQ(chosen(outcome).size(), 3u) << outcome.err;
    draws.insert(chosen(outcome));
  }
  EXPECT_EQ(draws.size(), 2u);
}

// A file's name may hold the sign that ends it.
TEST(FlamingoRun, PicturesOfAnySizeShareAPrompt) {
  const fs::path folder = fresh_folder();
  std::vector<std::string> arguments{"run", kNeoxModel, "--max-new-tokens", "2", "--json"};
  for (const auto& [width, height] : {std::pair{1, 400}, {3000, 40}, {5, 5}}) {
    const fs::path picture = folder / ("w=" + std::to_string(width) + ".bmp");
    write_bmp(picture, width, height);
    arguments.insert(arguments.end(), {"--shot", picture.string() + "=A picture = a picture."});
  }
  arguments.insert(arguments.end(), {"--image", kAskedPicture});
  EXPECT_EQ(answer_of(isthmus(arguments))["output_ids"].size(), 2u);
}

TEST(FlamingoRun, ALanguageModelAloneContinuesText) {
  const json answer = answer_of(isthmus({"run", flamingo_fixture("neox_rpj_every2/model/lm"), "-p",
                                         "A cat", "--max-new-tokens", "3", "--json"}));
  EXPECT_EQ(answer["output_ids"].size(), 3u);
}

// --- trace, verify, describe ---

TEST(FlamingoTrace, WritesEveryDocumentedStage) {
  const fs::path folder = fresh_folder(), out = folder / "stages";
  const Outcome outcome = isthmus(
      {"trace", kNeoxModel, "--request", write_golden_request(folder), "--out", out, "--hidden"});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  const json trace = json::parse(text_of(out / "trace.json")), golden = neox_golden();
  const auto ids = golden_input_ids();
  EXPECT_EQ(trace["input_ids"].get<std::vector<int64_t>>(), ids);
  EXPECT_EQ(trace["output_ids"], golden["generations"][0]["new_tokens"][1]);
  EXPECT_EQ(trace["finish_reason"], "length");

  const auto rows = static_cast<int64_t>(ids.size());
  std::map<std::string, Shape> shapes = {
      {"inputs_embeds", {rows, 48}}, {"logits", {rows, 430}}, {"step_logits", {12, 430}}};
  for (int layer = 0; layer <= 4; ++layer) shapes["hidden." + std::to_string(layer)] = {rows, 48};
  for (const std::string medium : {"media.0", "media.1", "media.2"}) {
    shapes[medium + ".input"] = {1, 3, 56, 56};
    shapes[medium + ".tokens"] = {1, 17, 64};
    shapes[medium + ".features"] = {1, 16, 64};
    shapes[medium + ".aligned"] = {64, 64};
  }
  std::set<std::string> names;
  for (const json& tensor : trace["tensors"]) {
    const std::string name = tensor["name"];
    names.insert(name);
    ASSERT_TRUE(shapes.contains(name)) << name;
    EXPECT_EQ(tensor["shape"].get<Shape>(), shapes[name]) << name;
    EXPECT_FALSE(tensor["meaning"].get<std::string>().empty());
    EXPECT_EQ(formats::read_npy(out / tensor["file"].get<std::string>()).shape, shapes[name]);
  }
  EXPECT_EQ(names.size(), shapes.size());

  json stage;
  for (const json& tensor : golden["tensors"])
    if (tensor["name"] == "logits") stage = tensor;
  const auto found = floats_of(out / "logits.npy"),
             all = floats_of(flamingo_fixture("neox_rpj_every2/expect/logits.npy"));
  const std::span expected = std::span(all).last(found.size());  // left padding, the last row
  for (size_t i = 0; i < found.size(); ++i)
    ASSERT_LE(std::abs(found[i] - expected[i]),
              stage["atol"].get<double>() + stage["rtol"].get<double>() * std::abs(expected[i]))
        << i / 430 << " " << i % 430;
  const auto steps = floats_of(out / "step_logits.npy");
  for (size_t i = 0; i < 430; ++i)
    EXPECT_NEAR(steps[i], found[found.size() - 430 + i], 1e-4) << i;  // another order of sums
}

TEST(FlamingoVerify, AGoldenFolderAgreesAndADamagedOneNamesItsStage) {
  const fs::path folder = copy_of(flamingo_fixture("opt_every2"), fresh_folder() / "case");
  const Outcome good = isthmus({"verify", folder});
  EXPECT_EQ(good.status, 0) << good.out << good.err;
  EXPECT_NE(good.out.find("stages agree\n"), std::string::npos) << good.out;

  const fs::path array = folder / "expect/resampler_out.npy";
  std::string bytes = text_of(array);
  bytes.replace(128 + 12, 4, std::string("\x00\x00\x80\x41", 4));  // 16.0f
  put_file(array, bytes);
  const Outcome damaged = isthmus({"verify", folder});
  EXPECT_EQ(damaged.status, 1);
  EXPECT_NE(damaged.err.find("opt_every2: batch: resampler_out differs: 1 of 768 values, max |Δ|"),
            std::string::npos)
      << damaged.err;
}

TEST(FlamingoDescribe, ShowsTheTreeAndEveryGate) {
  const std::string tree = text_of(flamingo_fixture("neox_rpj_every2/print_model.txt"));
  const Outcome outcome = isthmus({"describe", kNeoxModel});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ(outcome.err, "");
  EXPECT_EQ(outcome.out.substr(0, tree.size()), tree);
  EXPECT_NE(outcome.out.find("tanh(attn_gate)"), std::string::npos);
  EXPECT_NE(outcome.out.find("tanh(ff_gate)"), std::string::npos);
  const json description =
      json::parse(isthmus({"describe", kNeoxModel, "--json", "--summary"}).out);
  ASSERT_EQ(description["gates"].size(), 2u) << description["gates"];
}

}  // namespace
}  // namespace isthmus::testing_programs
