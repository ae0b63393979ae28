// `isthmus quantize`, and models in one file wherever a model is named.
#include <algorithm>
#include <set>
#include <span>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/mapped_file.h"
#include "formats/checkpoint.h"
#include "formats/safetensors.h"
#include "formats/torch_checkpoint.h"
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
    EXPECT_NE(described.out.find(file.string()), std::string::npos) << described.out;
    EXPECT_EQ(described.out.find("isthmus-model"), std::string::npos)
        << "a folder that is gone by now: " << described.out;
  }
}

// ---- The file that verifies itself

struct Stage {
  std::string request, stage;
  bool agrees;
};

std::vector<Stage> stages_of(const Outcome& verified) {
  std::vector<Stage> stages;
  const auto report = nlohmann::json::parse(verified.out);
  for (const auto& stage : report.at("stages"))
    stages.push_back({stage.at("request"), stage.at("stage"), stage.at("agrees")});
  return stages;
}

const Stage* first_difference(const std::vector<Stage>& stages) {
  const auto found =
      std::find_if(stages.begin(), stages.end(), [](const Stage& stage) { return !stage.agrees; });
  return found == stages.end() ? nullptr : &*found;
}

// Every bit of `count` bytes in the middle of a tensor of the file turned round.
void damage(const fs::path& file, const std::string& tensor, size_t count) {
  size_t at = 0;
  {
    const auto mapped = MappedFile::open(file);
    for (const formats::RawTensor& found : formats::read_safetensors(mapped).tensors)
      if (found.name == tensor) {
        ASSERT_GT(found.bytes.size(), count);
        at = static_cast<size_t>(found.bytes.data() - mapped->bytes().data()) +
             (found.bytes.size() - count) / 2;
      }
  }
  ASSERT_GT(at, 0u) << tensor;
  std::string bytes = text_of(file);
  for (size_t i = 0; i < count; ++i) bytes[at + i] = static_cast<char>(~bytes[at + i]);
  put_file(file, bytes);
}

constexpr size_t kBlock = 4352;  // of 16 rows by 256 columns, in 8 bits

struct SelfVerified {
  const char* model;
  size_t questions;
  const char *encoder, *aligner, *decoder;  // a tensor of each
};

class SelfVerifying : public ::testing::TestWithParam<SelfVerified> {
 protected:
  static fs::path made(const std::vector<std::string>& flags = {}) {
    const fs::path file = fresh_folder() / "model.isthmus";
    std::vector<std::string> arguments = {"quantize", GetParam().model, "-o", file.string()};
    arguments.insert(arguments.end(), flags.begin(), flags.end());
    const Outcome outcome = isthmus(arguments);
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    EXPECT_NE(outcome.out.find("golden vectors of"), std::string::npos) << outcome.out;
    return file;
  }
};

TEST_P(SelfVerifying, AgreesWithItselfOnEveryInstructionSet) {
  for (const char* storage : {"q8", "q4", "f32"}) {
    const fs::path file =
        made({"--storage", storage, "--storage", std::string("encoder=") + storage, "--storage",
              std::string("aligner=") + storage});
    const auto doctor = nlohmann::json::parse(isthmus({"doctor", "--json"}).out);
    for (const std::string isa : doctor.at("kernels_supported")) {
      const Outcome verified =
          isthmus({"verify", file.string(), "--json"}, {.environment = {{"ISTHMUS_ISA", isa}}});
      EXPECT_EQ(verified.status, 0) << isa << ": " << verified.err;
      const auto stages = stages_of(verified);
      EXPECT_EQ(first_difference(stages), nullptr);
      std::set<std::string> requests;
      for (const Stage& stage : stages) requests.insert(stage.request);
      EXPECT_EQ(requests.size(), GetParam().questions + 1);  // and the weights
    }
  }
}

// By the bytes, which names the tensor, and by what the model makes of them.
TEST_P(SelfVerifying, DamageIsFoundWhereItIs) {
  const fs::path good = made();
  const auto expect = [&](const std::string& tensor, const std::string& part, bool is_medium,
                          const std::string& stage) {
    const fs::path file = good.parent_path() / "broken.isthmus";
    fs::copy_file(good, file, fs::copy_options::overwrite_existing);
    damage(file, tensor, kBlock);
    const Outcome verified = isthmus({"verify", file.string(), "--json"});
    EXPECT_EQ(verified.status, 1) << verified.err;
    EXPECT_NE(verified.err.find("weights: " + part + " differs: " + tensor + " is not as it was"),
              std::string::npos)
        << verified.err;
    auto stages = stages_of(verified);
    ASSERT_NE(first_difference(stages), nullptr);
    EXPECT_EQ(first_difference(stages)->stage, part);
    std::erase_if(stages, [](const Stage& found) { return found.request == "weights"; });
    const Stage* first = first_difference(stages);
    ASSERT_NE(first, nullptr) << tensor;
    EXPECT_EQ(first->stage, stage) << tensor;
    EXPECT_EQ(first->request != "text", is_medium) << tensor;
  };
  expect(GetParam().encoder, "encoder", true, "features");
  expect(GetParam().aligner, "aligner", true, "aligned");
  expect(GetParam().decoder, "decoder", false, "top_logits");
}

TEST_P(SelfVerifying, SaysWhatWasRecorded) {
  const fs::path file = made();
  const Outcome described = isthmus({"describe", file.string(), "--summary"});
  EXPECT_EQ(described.status, 0) << described.err;
  EXPECT_NE(described.out.find("golden   " + std::to_string(GetParam().questions) + " questions"),
            std::string::npos)
      << described.out;
  const auto json = nlohmann::json::parse(isthmus({"describe", file.string(), "--json"}).out);
  const auto& source = json.at("golden").at("source");
  EXPECT_EQ(source.at("questions"), GetParam().questions);
  EXPECT_GE(source.at("largest_kl"), 0.0);
  EXPECT_LT(source.at("largest_kl"), 0.1);
  const Outcome verified = isthmus({"verify", file.string()});
  EXPECT_EQ(verified.status, 0) << verified.err;
  EXPECT_NE(verified.out.find("stages agree"), std::string::npos) << verified.out;
}

INSTANTIATE_TEST_SUITE_P(
    Models, SelfVerifying,
    ::testing::Values(
        SelfVerified{"demo-llava", 2,
                     "vision/model.safetensors:vision_model.encoder.layers.1.mlp.fc1.weight",
                     "model.safetensors:model.mm_projector.2.weight",
                     "model.safetensors:model.layers.1.mlp.up_proj.weight"},
        SelfVerified{
            "demo-onellm", 9,
            "consolidated.00-of-01.pth:llma.clip.visual.transformer.resblocks.1.mlp.c_fc.weight",
            "consolidated.00-of-01.pth:llma.resample_layers.1.0.feed_forward.w3.weight",
            "consolidated.00-of-01.pth:llma.layers.1.feed_forward.w3.weight"},
        SelfVerified{"demo-flamingo", 2,
                     "vision/model.safetensors:vision_model.encoder.layers.1.mlp.fc1.weight",
                     "checkpoint.pt:perceiver.layers.1.0.to_q.weight",
                     "language_model/model.safetensors:model.layers.1.mlp.up_proj.weight"}),
    [](const auto& info) { return std::string(info.param.model).substr(5); });

// The tiny OneLLM with a ninth modality, two channels of 200 samples in pieces of 10, whose heads
// are those of the IMU.
fs::path with_ecg(const fs::path& folder, const std::string& entry) {
  const fs::path tiny = fs::path(ISTHMUS_FIXTURES) / "onellm/tiny/model";
  const auto whole = formats::Checkpoint::open(tiny / "consolidated.00-of-01.pth");
  std::vector<formats::RawTensor> tensors;
  for (const std::string& name : whole.names()) tensors.push_back(whole.at(name));
  const std::vector<float> numbers(48 * 21, 0.01F);
  const auto add = [&](const std::string& name, const Shape& shape) {
    formats::RawTensor tensor;
    tensor.name = name;
    tensor.shape = shape;
    tensor.strides = formats::row_major_strides(shape);
    tensor.bytes = std::as_bytes(std::span(numbers)).first(*formats::bytes_of(DType::kF32, shape));
    tensors.push_back(tensor);
  };
  add("llma.conv1.ecg.weight", {48, 2, 10});
  add("llma.conv1.ecg.bias", {48});
  add("llma.positional_embedding.ecg", {21, 48});
  for (const std::string& name : whole.names())
    for (const std::string table :
         {"resample_tokens", "clip_proj1", "clip_proj2", "routers", "start_tag", "end_tag"}) {
      const std::string imu = "llma." + table + ".imu";
      if (!name.starts_with(imu)) continue;
      formats::RawTensor tensor = whole.at(name);
      tensor.name = "llma." + table + ".ecg" + name.substr(imu.size());
      tensors.push_back(tensor);
    }
  fs::create_directories(folder);
  for (const char* file : {"params.json", "tokenizer.model"})
    fs::copy_file(tiny / file, folder / file);
  formats::write_torch_checkpoint(folder / "consolidated.00-of-01.pth", tensors);
  put_file(folder / "onellm.json",
           R"({"resampler_heads": 6, "point_group_size": 16, "clip_heads": 4, "modalities": [)" +
               entry + "]}");
  return folder;
}

TEST(Quantize, AModalityOfOnesOwnIsAskedAboutToo) {
  const fs::path folder = fresh_folder();
  const std::string usual = R"("name": "ecg", "tokenizer": "conv1d", "window": 200, "stride": 10)";
  int count = 0;
  for (const std::string entry :
       {R"("reader": "csv", "columns": ["II", "V1"], "time": "t", "time_unit": "ms", "rate": 250)",
        R"("reader": "csv", "columns": [3, 1])", R"("reader": "npy", "channels": 2)"}) {
    const fs::path model =
        with_ecg(folder / std::to_string(count++) / "ecg", "{" + usual + ", " + entry + "}");
    const fs::path file = model.parent_path() / "m.isthmus";
    const Outcome made = isthmus({"quantize", model.string(), "-o", file.string()});
    ASSERT_EQ(made.status, 0) << made.err;
    EXPECT_EQ(made.err.find("no golden vectors"), std::string::npos) << made.err;
    const Outcome verified = isthmus({"verify", file.string(), "--json"});
    EXPECT_EQ(verified.status, 0) << verified.err;
    const auto stages = stages_of(verified);
    EXPECT_TRUE(std::any_of(stages.begin(), stages.end(), [](const Stage& stage) {
      return stage.request == "ecg" && stage.stage == "aligned";
    }));
  }
}

TEST(Quantize, WithoutGoldenVectorsItCannotBeVerified) {
  const fs::path file = fresh_folder() / "m.isthmus";
  ASSERT_EQ(isthmus({"quantize", "demo-llava", "-o", file.string(), "--no-golden"}).status, 0);
  const Outcome verified = isthmus({"verify", file.string()});
  EXPECT_EQ(verified.status, 5);
  EXPECT_NE(verified.err.find("holds no golden vectors"), std::string::npos) << verified.err;
  EXPECT_NE(verified.err.find("isthmus quantize"), std::string::npos) << verified.err;
  EXPECT_EQ(isthmus({"describe", file.string(), "--summary"}).out.find("golden"),
            std::string::npos);
}

TEST(Quantize, WhatIsInFewBitsStaysSoUnlessItIsAskedOtherwise) {
  const fs::path folder = fresh_folder();
  const std::string four = (folder / "four.isthmus").string(),
                    again = (folder / "again.isthmus").string();
  ASSERT_EQ(
      isthmus({"quantize", "demo-llava", "-o", four, "--no-golden", "--storage", "q4"}).status, 0);
  ASSERT_EQ(isthmus({"quantize", four, "-o", again, "--no-golden"}).status, 0);
  EXPECT_EQ(fs::file_size(four), fs::file_size(again));
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
