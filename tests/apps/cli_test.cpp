// The command line as its help and docs/formats.md describe it.
#include <algorithm>
#include <map>
#include <set>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/mapped_file.h"
#include "formats/npy.h"
#include "program.h"

namespace isthmus::testing_programs {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

const fs::path kGoldenModel = fixture("v15_original/model/llava-v1.5-tiny");
const fs::path kDemo = demo("llava/llava-v1.5-tabletop");

json golden(const std::string& name, const std::string& request) {
  const json all = json::parse(text_of(fixture(name + "/expect.json")));
  for (const json& one : all.at("requests"))
    if (one.at("name") == request) return one;
  throw std::runtime_error("no such request");
}

// A request of one turn in the format of docs/formats.md.
json request_of(const json& golden, const fs::path& folder) {
  const std::string turn = golden.at("turns")[0];
  const std::string marker = "<image>\n";
  json content = json::array();
  content.push_back({{"type", "image"}, {"path", (folder / golden.at("images")[0]).string()}});
  content.push_back({{"type", "text"}, {"text", turn.substr(marker.size())}});
  return {{"messages", {{{"role", "user"}, {"content", content}}}},
          {"template", golden.at("conv_mode")},
          {"generate", {{"max_new_tokens", golden.at("max_new_tokens")}}}};
}

fs::path write_golden_request(const fs::path& folder) {
  const json request = request_of(golden("v15_original", "single"), fixture("v15_original"));
  return put_file(folder / "request.json", request.dump());
}

// --- What needs no model ---

TEST(CommandLine, VersionAndHelpAnswerWithoutTheHalfThatComputes) {
  // Alone in a folder, `isthmus` could not start anything else.
  const fs::path alone = fresh_folder() / "isthmus";
  fs::copy_file(isthmus_program(), alone);
  EXPECT_EQ(run_program({alone, "--version"}).out, "isthmus 0.1.0\n");
  const Outcome help = run_program({alone, "--help"});
  EXPECT_EQ(help.status, 0);
  for (const std::string verb :
       {"describe", "run", "serve", "trace", "align", "eval", "verify", "bench", "doctor"}) {
    EXPECT_NE(help.out.find("\n  " + verb), std::string::npos) << verb;
    const Outcome own = run_program({alone, verb, "--help"});
    EXPECT_EQ(own.status, 0) << own.err;
    EXPECT_NE(own.out.find("Usage: isthmus " + verb), std::string::npos);
    EXPECT_EQ(own.err, "");
  }
  EXPECT_EQ(run_program({alone, "describe", kGoldenModel, "--summary"}).status, 0);
  const Outcome run = run_program({alone, "run", kGoldenModel, "-p", "Hi"});
  EXPECT_EQ(run.status, 70);
  EXPECT_NE(run.err.find("isthmus-compute is not beside"), std::string::npos);
}

TEST(CommandLine, VersionTakesUnderFiftyMillisecondsAndLoadsNoLibtorch) {
  const std::string binary = text_of(isthmus_program());
  EXPECT_EQ(binary.find("libtorch"), std::string::npos);
  EXPECT_EQ(binary.find("libc10"), std::string::npos);
#ifndef ISTHMUS_SANITIZE
  double best = 1;
  for (int i = 0; i < 3; ++i) best = std::min(best, isthmus({"--version"}).cpu_seconds);
  EXPECT_LT(best, 0.05);
#endif
}

TEST(CommandLine, MistakesAreOneLineAndStatusTwo) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> mistakes = {
      {{}, "a verb is missing"},
      {{"paint"}, "there is no verb \"paint\""},
      {{"--colour"}, "there is no option --colour"},
      {{"run"}, "run: MODEL is required"},
      {{"run", kGoldenModel, "--colour", "red"}, "--colour"},
      {{"run", kGoldenModel, "-p", "Hi", "--max-new-tokens", "0"}, "--max-new-tokens"},
      {{"run", kGoldenModel, "-p", "Hi", "--temperature", "warm"},
       "--temperature: expected a number that is not negative"},
      {{"run", kGoldenModel, "-p", "Hi", "--top-p", "1.5"}, "--top-p"},
      {{"run", kGoldenModel, "-p", "Hi", "--storage", "q9"}, "\"q9\" is not one of"},
      {{"run", kGoldenModel, "-p", "Hi", "--storage", "nose=f32"}, "no part is called \"nose\""},
      {{"run", kGoldenModel, "-p", "Hi", "--threads", "0"}, "--threads"},
      {{"run", kGoldenModel, "-p", "Hi", "--template", "klingon"},
       "no conversation template \"klingon\""},
      {{"run", kGoldenModel, "-p", "Hi", "--request", "x.json"}, "--request holds the question"},
      {{"trace", kGoldenModel}, "--request is required"},
      {{"describe", kGoldenModel, "--image-size", "64a"}, "expected WIDTHxHEIGHT, found \"64a\""},
  };
  for (const auto& [arguments, message] : mistakes) {
    const Outcome outcome = isthmus(arguments);
    EXPECT_EQ(outcome.status, 2) << outcome.err;
    EXPECT_TRUE(outcome.err.starts_with("isthmus: ")) << outcome.err;
    EXPECT_EQ(lines_of(outcome.err).size(), 1u) << outcome.err;
    EXPECT_NE(outcome.err.find(message), std::string::npos) << outcome.err;
    EXPECT_EQ(outcome.out, "");
  }
}

TEST(CommandLine, AnInstructionSetThatIsNotThereIsAUsageError) {
  const auto run = [](const std::string& isa) {
    return isthmus({"run", kGoldenModel.string(), "-p", "Hello", "--max-new-tokens", "4"},
                   {.environment = {{"ISTHMUS_ISA", isa}}});
  };
  const Outcome unknown = run("avx1024");
  EXPECT_EQ(unknown.status, 2) << unknown.err;
  EXPECT_NE(
      unknown.err.find("ISTHMUS_ISA=avx1024: not an instruction set known here; choose one of"),
      std::string::npos)
      << unknown.err;
  EXPECT_EQ(lines_of(unknown.err).size(), 1u) << unknown.err;
  EXPECT_EQ(unknown.out, "");
  // Every processor has the generic one; of the others, those it names are there.
  EXPECT_EQ(run("generic").status, 0);
  for (const char* isa : {"avx2", "avx_vnni", "avx512"}) {
    const bool named = unknown.err.find(std::string(" ") + isa + ",") != std::string::npos;
    const Outcome outcome = run(isa);
    EXPECT_EQ(outcome.status, named ? 0 : 2) << isa << ": " << outcome.err;
    if (!named) {
      EXPECT_NE(outcome.err.find("this CPU does not support it"), std::string::npos);
    }
  }
}

TEST(CommandLine, AnotherDeviceIsNotSupported) {
  const Outcome outcome = isthmus({"run", kGoldenModel, "-p", "Hi", "--device", "cuda"});
  EXPECT_EQ(outcome.status, 5);
  EXPECT_NE(outcome.err.find("--device cuda"), std::string::npos) << outcome.err;
  const Outcome align = isthmus({"align", "recipe.yaml", "--device", "cuda"});
  EXPECT_EQ(align.status, 5);
  EXPECT_NE(align.err.find("--device cuda"), std::string::npos) << align.err;
}

// --- describe ---

TEST(Describe, BeginsWithTheModuleTreeOfTheReference) {
  for (const std::string name :
       {"v15_original/model/llava-v1.5-tiny", "hf_llava15/model/llava-1.5-tiny-hf",
        "hf_llava_next/model/llava-v1.6-tiny-hf"}) {
    const std::string expected =
        text_of(fixture(name.substr(0, name.find('/')) + "/expect/print_model.txt"));
    ASSERT_FALSE(expected.empty());
    const Outcome outcome = isthmus({"describe", fixture(name)});
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    EXPECT_EQ(outcome.out.substr(0, expected.size()), expected) << name;
    EXPECT_EQ(outcome.err, "");
  }
}

TEST(Describe, JsonHoldsTreePartsAndTotals) {
  const json description = json::parse(isthmus({"describe", kGoldenModel, "--json"}).out);
  EXPECT_EQ(description.at("module_tree").get<std::string>() + "\n",
            text_of(fixture("v15_original/expect/print_model.txt")));
  const json summary = json::parse(isthmus({"describe", kGoldenModel, "--json", "--summary"}).out);
  EXPECT_FALSE(summary.contains("module_tree"));
  json without_tree = description;
  without_tree.erase("module_tree");
  EXPECT_EQ(summary, without_tree);
}

TEST(Describe, ImageSizeShowsThePathOfThatPicture) {
  const Outcome outcome =
      isthmus({"describe", kGoldenModel, "--summary", "--image-size", "640x480"});
  EXPECT_NE(outcome.out.find("image 640x480 → pad to 640x640 → resize to 70x70"), std::string::npos)
      << outcome.out;
  EXPECT_FALSE(outcome.out.starts_with("Llava"));
}

// --- run ---

TEST(Run, AnswersWithTheRecordedText) {
  const Outcome outcome = isthmus({"run", kDemo, "--image", demo("pictures/table01.png"), "-p",
                                   "Tell me the color of the cylinder.", "--max-new-tokens", "64"});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ(outcome.out, "The cylinder is purple.\n");
  EXPECT_EQ(outcome.err, "");
}

TEST(Run, TheQuestionMayComeFromStandardInput) {
  Surroundings surroundings;
  surroundings.input = "Tell me the color of the cylinder.\n";
  const Outcome outcome =
      isthmus({"run", kDemo, "--image", demo("pictures/table01.png")}, surroundings);
  EXPECT_EQ(outcome.out, "The cylinder is purple.\n") << outcome.err;
  surroundings.input = "\n";
  const Outcome empty =
      isthmus({"run", kDemo, "--image", demo("pictures/table01.png")}, surroundings);
  EXPECT_EQ(empty.status, 2);
  EXPECT_NE(empty.err.find("the question is empty"), std::string::npos) << empty.err;
}

TEST(Run, TextArrivesPieceByPiece) {
  Surroundings surroundings;
  surroundings.keep_pieces = true;
  const Outcome outcome = isthmus({"run", kDemo, "--image", demo("pictures/table01.png"), "-p",
                                   "Tell me the color of the cylinder."},
                                  surroundings);
  EXPECT_EQ(outcome.out, "The cylinder is purple.\n") << outcome.err;
  EXPECT_GE(outcome.pieces.size(), 4u);  // of six tokens, the last of which ends the answer
}

TEST(Run, RequestFileGivesTheDocumentedFieldsAndTheIdsOfTheReference) {
  const fs::path request = write_golden_request(fresh_folder());
  const Outcome outcome = isthmus({"run", kGoldenModel, "--request", request, "--json"});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  const json answer = json::parse(outcome.out);
  const json expected = golden("v15_original", "single");
  EXPECT_EQ(answer.at("output_ids"), expected.at("output_ids"));
  EXPECT_EQ(answer.at("text"), expected.at("output_text"));
  EXPECT_EQ(answer.at("finish_reason"), expected.at("stop"));
  EXPECT_EQ(answer.at("prompt_tokens"),
            expected.at("input_ids").size() + 24);  // 25 rows stand for one marker
  for (const char* field : {"encode_s", "prefill_s", "decode_s", "reused_tokens",
                            "generated_tokens", "guess_s", "guessed_tokens", "accepted_tokens"})
    EXPECT_TRUE(answer.at("timings").at(field).is_number()) << field;
  EXPECT_EQ(answer.size(), 5u) << outcome.out;
  EXPECT_EQ(answer.at("timings").size(), 8u) << outcome.out;
}

TEST(Run, AGenerationFlagReplacesTheFieldOfTheRequestAndNoOther) {
  const fs::path folder = fresh_folder();
  json request = json::parse(text_of(write_golden_request(folder)));
  request["generate"]["max_new_tokens"] = 3;
  request["generate"]["min_new_tokens"] = 3;
  put_file(folder / "request.json", request.dump());
  const Outcome three =
      isthmus({"run", kGoldenModel, "--request", folder / "request.json", "--json", "--seed", "7"});
  ASSERT_EQ(three.status, 0) << three.err;
  EXPECT_EQ(json::parse(three.out).at("output_ids").size(), 3u);
  const Outcome five = isthmus({"run", kGoldenModel, "--request", folder / "request.json", "--json",
                                "--max-new-tokens", "5"});
  EXPECT_EQ(json::parse(five.out).at("output_ids").size(), 5u);
}

TEST(Run, SamplingRepeatsWithItsSeed) {
  const auto sample = [](const std::string& seed) {
    return isthmus({"run", kGoldenModel, "-p", "Hi", "--temperature", "1.5", "--max-new-tokens",
                    "16", "--seed", seed})
        .out;
  };
  EXPECT_EQ(sample("1"), sample("1"));
  EXPECT_NE(sample("1"), sample("2"));
}

TEST(Run, PathsOfARequestAreRelativeToItsFile) {
  const fs::path folder = fresh_folder();
  json request = json::parse(text_of(write_golden_request(folder)));
  fs::copy_file(fixture("v15_original/inputs/img0.jpg"), folder / "beside.jpg");
  request["messages"][0]["content"][0]["path"] = "beside.jpg";
  const Outcome outcome = isthmus({"run", kGoldenModel, "--request",
                                   put_file(folder / "request.json", request.dump()), "--json"});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ(json::parse(outcome.out).at("output_ids"),
            golden("v15_original", "single").at("output_ids"));
}

// --- where models are found ---

// The cache of the Hugging Face libraries, with one repository whose files are links.
fs::path make_hub(const fs::path& hub) {
  const fs::path repository = hub / "models--tiny-org--llava-1.5-tiny-hf";
  put_file(repository / "refs/main", "0123abcd");
  const fs::path snapshot = repository / "snapshots/0123abcd";
  fs::create_directories(snapshot);
  for (const auto& file : fs::directory_iterator(fixture("hf_llava15/model/llava-1.5-tiny-hf")))
    fs::create_symlink(file.path(), snapshot / file.path().filename());
  return hub;
}

TEST(Models, ARepositoryIsFoundInTheHuggingFaceCache) {
  const fs::path folder = fresh_folder();
  make_hub(folder / "home/hub");
  const Surroundings by_home{{{"HF_HOME", folder / "home"}, {"HF_HUB_CACHE", ""}}};
  const Outcome found =
      isthmus({"run", "tiny-org/llava-1.5-tiny-hf", "-p", "Hi", "--max-new-tokens", "2"}, by_home);
  EXPECT_EQ(found.status, 0) << found.err;

  make_hub(folder / "elsewhere");
  const Surroundings by_hub{
      {{"HF_HOME", folder / "nowhere"}, {"HF_HUB_CACHE", folder / "elsewhere"}}};
  EXPECT_EQ(isthmus({"describe", "tiny-org/llava-1.5-tiny-hf"}, by_hub).status, 0);

  const Surroundings absent{{{"HF_HOME", folder / "nowhere"}, {"HF_HUB_CACHE", ""}}};
  const Outcome lost = isthmus({"run", "tiny-org/llava-1.5-tiny-hf", "-p", "Hi"}, absent);
  EXPECT_EQ(lost.status, 4);
  EXPECT_NE(lost.err.find((folder / "nowhere/hub/models--tiny-org--llava-1.5-tiny-hf").string()),
            std::string::npos)
      << lost.err;
}

TEST(Models, AFolderOfModelsIsSearched) {
  const Surroundings surroundings{
      {{"ISTHMUS_MODELS", "/nonexistent:" + kGoldenModel.parent_path().string()}}};
  const Outcome outcome =
      isthmus({"run", "llava-v1.5-tiny", "-p", "Hi", "--max-new-tokens", "2"}, surroundings);
  EXPECT_EQ(outcome.status, 0) << outcome.err;
}

TEST(Models, AdaptersStandOnTheirBase) {
  const fs::path models = fixture("adapters/model");
  for (const char* name : {"llava-tiny-pretrain", "llava-v1.5-tiny-lora"}) {
    const Outcome outcome =
        isthmus({"run", models / name, "--base", models / "vicuna-tiny", "-p", "Hi", "--image",
                 fixture("adapters/inputs/img0.png"), "--max-new-tokens", "2"});
    EXPECT_EQ(outcome.status, 0) << outcome.err;
  }
}

// --- trace ---

TEST(Trace, WritesEveryDocumentedStage) {
  const fs::path folder = fresh_folder(), out = folder / "stages";
  const Outcome outcome = isthmus(
      {"trace", kGoldenModel, "--request", write_golden_request(folder), "--out", out, "--hidden"});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  const json trace = json::parse(text_of(out / "trace.json"));
  const json expected = golden("v15_original", "single");
  EXPECT_EQ(trace.at("input_ids"), expected.at("input_ids"));
  EXPECT_EQ(trace.at("output_ids"), expected.at("output_ids"));
  EXPECT_EQ(trace.at("text"), expected.at("output_text"));
  EXPECT_EQ(trace.at("finish_reason"), expected.at("stop"));

  const int64_t rows = static_cast<int64_t>(expected.at("input_ids").size()) + 24;
  const int64_t steps = static_cast<int64_t>(expected.at("output_ids").size());
  std::map<std::string, Shape> shapes = {
      {"media.0.input", {1, 3, 70, 70}}, {"media.0.tokens", {1, 26, 48}},
      {"media.0.features", {1, 25, 48}}, {"media.0.projected", {1, 25, 64}},
      {"media.0.aligned", {25, 64}},     {"inputs_embeds", {rows, 64}},
      {"logits", {rows, 720}},           {"step_logits", {steps, 720}}};
  for (int layer = 0; layer <= 3; ++layer) shapes["hidden." + std::to_string(layer)] = {rows, 64};
  std::set<std::string> names;
  for (const json& tensor : trace.at("tensors")) {
    const std::string name = tensor.at("name");
    names.insert(name);
    ASSERT_TRUE(shapes.contains(name)) << name;
    EXPECT_EQ(tensor.at("shape").get<Shape>(), shapes[name]) << name;
    EXPECT_EQ(tensor.at("dtype"), "float32");
    EXPECT_FALSE(tensor.at("meaning").get<std::string>().empty());
    const auto array = formats::read_npy(out / tensor.at("file").get<std::string>());
    EXPECT_EQ(array.shape, shapes[name]) << name;
    EXPECT_EQ(array.dtype, DType::kF32);
  }
  EXPECT_EQ(names.size(), shapes.size());
  // Every array is listed, and nothing else lies there.
  EXPECT_EQ(static_cast<size_t>(std::distance(fs::directory_iterator(out), {})), names.size() + 1);
}

// --- verify ---

TEST(Verify, AGoldenFolderAgrees) {
  const Outcome outcome = isthmus({"verify", fixture("hf_llava15")});
  EXPECT_EQ(outcome.status, 0) << outcome.out << outcome.err;
  EXPECT_NE(outcome.out.find("stages agree\n"), std::string::npos);
  const json report = json::parse(isthmus({"verify", fixture("hf_llava15"), "--json"}).out);
  EXPECT_TRUE(report.at("agrees").get<bool>());
  EXPECT_GT(report.at("stages").size(), 10u);
}

TEST(Verify, NamesTheFirstStageThatDiffers) {
  const fs::path folder = copy_of(fixture("v15_original"), fresh_folder() / "case");
  // The fourth float of the projected features of one request, far beyond the tolerance.
  const fs::path array = folder / "expect/single.projected.npy";
  std::string bytes = text_of(array);
  ASSERT_GT(bytes.size(), 144u);
  bytes.replace(128 + 12, 4, std::string("\x00\x00\x80\x40", 4));  // 4.0f
  put_file(array, bytes);
  const Outcome outcome = isthmus({"verify", folder});
  EXPECT_EQ(outcome.status, 1);
  EXPECT_EQ(lines_of(outcome.err).size(), 1u);
  EXPECT_NE(outcome.err.find("v15_original: single: projected differs: 1 of 1600 values, max |Δ|"),
            std::string::npos)
      << outcome.err;
  EXPECT_NE(outcome.err.find("[0, 0, 3]"), std::string::npos) << outcome.err;
  const Outcome as_json = isthmus({"verify", folder, "--json"});
  EXPECT_EQ(as_json.status, 1);
  EXPECT_FALSE(json::parse(as_json.out).at("agrees").get<bool>());
}

// --- doctor, bench ---

TEST(Doctor, PrintsJson) {
  const Outcome outcome = isthmus({"doctor", "--json"});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_TRUE(json::accept(outcome.out)) << outcome.out;
}

TEST(Bench, MeasuresEveryPart) {
  const Outcome outcome = isthmus({"bench", kGoldenModel, "--repetitions", "1", "--prompt-tokens",
                                   "4", "--new-tokens", "4", "--json"});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  const json report = json::parse(outcome.out);
  for (const char* field :
       {"load_s", "encode_s", "prefill_tokens_per_s", "decode_tokens_per_s", "resident_mb"})
    EXPECT_GT(report.at(field).get<double>(), 0) << field;
  std::map<std::string, json> parts;
  for (const json& part : report.at("parts")) parts[part.at("name")] = part;
  for (const char* name : {"prepare", "encoder", "aligner", "prefill", "decode"}) {
    ASSERT_TRUE(parts.contains(name)) << name;
    EXPECT_GT(parts[name].at("seconds").get<double>(), 0) << name;
  }
  EXPECT_GT(parts["aligner"].at("float32_operations").get<double>(), 0);
  EXPECT_GT(parts["decode"].at("bytes").get<double>(), 0);
  for (const auto& [name, peak] : report.at("peaks").items())
    EXPECT_GT(peak.get<double>(), 0) << name;
  EXPECT_GT(parts["prefill"].at("float32_operations").get<double>(),
            parts["decode"].at("float32_operations").get<double>());
}

TEST(Bench, TextAlone) {
  const Outcome outcome = isthmus({"bench", kGoldenModel, "--repetitions", "1", "--prompt-tokens",
                                   "4", "--new-tokens", "2", "--text-only"});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ(outcome.out.find("encoder"), std::string::npos) << outcome.out;
  EXPECT_NE(outcome.out.find("% of the"), std::string::npos) << outcome.out;
}

}  // namespace
}  // namespace isthmus::testing_programs
