// What is broken is refused with one message that names it, the documented exit status, and nothing
// left behind.
#include <cstring>

#include <gtest/gtest.h>
#include <unistd.h>
#include <zlib.h>
#include <nlohmann/json.hpp>

#include "formats/bytes.h"
#include "formats/checkpoint.h"
#include "formats/npy.h"
#include "formats/zip.h"
#include "program.h"

namespace isthmus::testing_programs {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

const fs::path kModel = fixture("v15_original/model/llava-v1.5-tiny");
const std::string kSecondShard = "pytorch_model-00002-of-00002.bin";

enum Status { kUsage = 2, kInput = 3, kModelBroken = 4, kUnsupported = 5, kResource = 6 };

void expect_refused(const Outcome& outcome, int status, const std::vector<std::string>& named) {
  EXPECT_EQ(outcome.status, status) << outcome.err;
  EXPECT_EQ(outcome.out, "");
  const auto lines = lines_of(outcome.err);
  ASSERT_FALSE(lines.empty());
  EXPECT_TRUE(lines[0].starts_with("isthmus: ")) << outcome.err;
  for (size_t i = 1; i < lines.size(); ++i)
    EXPECT_FALSE(lines[i].starts_with("isthmus: ")) << outcome.err;
  for (const std::string& what : named)
    EXPECT_NE(outcome.err.find(what), std::string::npos)
        << "misses " << what << " in: " << outcome.err;
}

// A copy of the v1.5 fixture and its vision tower, to be damaged. Returns the model's folder.
fs::path damaged_model(const fs::path& folder) {
  return copy_of(fixture("v15_original/model"), folder / "model") / "llava-v1.5-tiny";
}

Outcome ask(const fs::path& model) {
  return isthmus({"run", model, "-p", "Hi", "--max-new-tokens", "2"});
}

Outcome ask_about(const fs::path& picture, const fs::path& model = kModel) {
  return isthmus({"run", model, "--image", picture, "-p", "Hi", "--max-new-tokens", "2"});
}

void change_config(const fs::path& model, const json& patch) {
  json config = json::parse(text_of(model / "config.json"));
  config.merge_patch(patch);
  put_file(model / "config.json", config.dump());
}

// --- Checkpoints ---

TEST(BrokenModel, AShardIsMissing) {
  const fs::path model = damaged_model(fresh_folder());
  fs::remove(model / kSecondShard);
  expect_refused(ask(model), kModelBroken,
                 {"pytorch_model.bin.index.json", kSecondShard, "missing"});
  expect_refused(isthmus({"describe", model}), kModelBroken, {kSecondShard});
}

TEST(BrokenModel, AShardIsCutShort) {
  const fs::path model = damaged_model(fresh_folder());
  const auto size = fs::file_size(model / kSecondShard);
  for (const auto left : {size / 2, size - 1, uintmax_t{100}, uintmax_t{0}}) {
    fs::resize_file(model / kSecondShard, left);
    expect_refused(ask(model), kModelBroken, {kSecondShard});
  }
  const fs::path next =
      copy_of(fixture("hf_llava_next/model/llava-v1.6-tiny-hf"), fresh_folder() / "next");
  const std::string shard = "model-00002-of-00002.safetensors";
  fs::resize_file(next / shard, fs::file_size(next / shard) - 1);
  expect_refused(ask(next), kModelBroken, {shard});
}

TEST(BrokenModel, TheConfigBelongsToAnotherSize) {
  const fs::path model = damaged_model(fresh_folder());
  change_config(model, {{"hidden_size", 128}, {"intermediate_size", 224}});
  expect_refused(
      ask(model), kModelBroken,
      {"model.layers.0.self_attn.q_proj.weight", "[64, 64]", "[128, 128]", "hidden_size 128"});
}

TEST(BrokenModel, TheConfigAsksForMoreLayersThanThereAre) {
  const fs::path model = damaged_model(fresh_folder());
  change_config(model, {{"num_hidden_layers", 4}});
  expect_refused(ask(model), kModelBroken, {"model.layers.3.self_attn.q_proj.weight"});
  change_config(model, {{"num_hidden_layers", 1'000'000'000}});
  expect_refused(ask(model), kModelBroken, {"num_hidden_layers"});
}

TEST(BrokenModel, SizesBeyondReasonAreRefusedBeforeAnythingIsAllocated) {
  const fs::path model = damaged_model(fresh_folder());
  for (const char* key : {"hidden_size", "intermediate_size", "vocab_size",
                          "max_position_embeddings", "num_attention_heads"}) {
    fs::copy_file(kModel / "config.json", model / "config.json",
                  fs::copy_options::overwrite_existing);
    change_config(model, {{key, int64_t{1} << 40}});
    const Outcome outcome = ask(model);
    EXPECT_TRUE(outcome.status == kModelBroken || outcome.status == 0)
        << key << ": " << outcome.err;
    EXPECT_LT(outcome.seconds, 30);
  }
}

// A pickle that would run `touch MARKER` in Python.
std::string touching_pickle(const fs::path& marker) {
  const std::string command = "touch " + marker.string();
  std::string pickle(
      "\x80\x02"
      "cposix\nsystem\n(X",
      18);
  formats::append_le(pickle, static_cast<uint32_t>(command.size()));
  return pickle + command + "tR.";
}

TEST(BrokenModel, APickleThatCallsTheSystemIsRefusedByName) {
  const fs::path folder = fresh_folder(), model = damaged_model(folder),
                 marker = folder / "touched";
  fs::remove(model / kSecondShard);
  formats::ZipWriter zip(model / kSecondShard);
  zip.add("archive/data.pkl", touching_pickle(marker));
  zip.add("archive/version", "3\n");
  zip.finish();
  expect_refused(ask(model), kModelBroken, {kSecondShard, "posix.system"});

  put_file(model / kSecondShard, touching_pickle(marker));  // not even in a zip
  expect_refused(ask(model), kModelBroken, {kSecondShard});
  EXPECT_FALSE(fs::exists(marker));
}

// One deflated entry of a few bytes that claims to become a terabyte.
std::string zip_bomb() {
  const std::string name = "archive/data.pkl", body = "\x03\x00";
  const auto header = [&](std::string& bytes) {
    formats::append_le(bytes, uint16_t{45});  // version needed
    formats::append_le(bytes, uint16_t{0});
    formats::append_le(bytes, uint16_t{8});  // deflated
    formats::append_le(bytes, uint32_t{0});
    formats::append_le(bytes, uint32_t{0});
    formats::append_le(bytes, static_cast<uint32_t>(body.size()));
    formats::append_le(bytes, uint32_t{0xfffffff0});
    formats::append_le(bytes, static_cast<uint16_t>(name.size()));
    formats::append_le(bytes, uint16_t{0});
  };
  std::string zip = "PK\x03\x04";
  header(zip);
  zip += name + body;
  const auto directory = static_cast<uint32_t>(zip.size());
  zip += std::string("PK\x01\x02\x2d\x00", 6);
  header(zip);
  zip += std::string(14, '\0') + name;  // comment, disk, attributes, offset 0
  const auto size = static_cast<uint32_t>(zip.size()) - directory;
  zip += std::string("PK\x05\x06\x00\x00\x00\x00\x01\x00\x01\x00", 12);
  formats::append_le(zip, size);
  formats::append_le(zip, directory);
  return zip + std::string(2, '\0');
}

TEST(BrokenModel, AZipBombIsNotUnpacked) {
  const fs::path model = damaged_model(fresh_folder());
  put_file(model / kSecondShard, zip_bomb());
  const Outcome outcome = ask(model);
  expect_refused(outcome, kUnsupported, {kSecondShard, "archive/data.pkl", "compressed"});
  EXPECT_LT(outcome.seconds, 30);
}

TEST(BrokenModel, TheIndexLeadsOutOfTheFolder) {
  const fs::path model = damaged_model(fresh_folder());
  const fs::path index = model / "pytorch_model.bin.index.json";
  json content = json::parse(text_of(index));
  content["weight_map"]["lm_head.weight"] = "../../../../etc/passwd";
  put_file(index, content.dump());
  expect_refused(ask(model), kModelBroken,
                 {"pytorch_model.bin.index.json", "../../../../etc/passwd"});
}

TEST(BrokenModel, TheTokenizerIsMissing) {
  const fs::path model = damaged_model(fresh_folder());
  fs::remove(model / "tokenizer.model");
  expect_refused(ask(model), kModelBroken, {model.string(), "tokenizer.model", "tokenizer.json"});
}

TEST(BrokenModel, TheTokenizerIsNone) {
  const fs::path model = damaged_model(fresh_folder());
  put_file(model / "tokenizer.model", "version https://git-lfs.github.com/spec/v1\n");
  expect_refused(ask(model), kModelBroken, {"tokenizer.model"});
}

TEST(BrokenModel, AShardIsOnlyAPointerToItsContent) {
  const fs::path model = damaged_model(fresh_folder());
  put_file(model / kSecondShard,
           "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n");
  expect_refused(ask(model), kModelBroken, {kSecondShard});
}

TEST(BrokenModel, TheConfigIsNoJson) {
  const fs::path model = damaged_model(fresh_folder());
  put_file(model / "config.json", "{\"hidden_size\": 64,");
  expect_refused(ask(model), kModelBroken, {"config.json", "JSON"});
  expect_refused(isthmus({"describe", model}), kModelBroken, {"config.json"});
  put_file(model / "config.json", "");
  expect_refused(ask(model), kModelBroken, {"config.json"});
  fs::remove(model / "config.json");
  expect_refused(ask(model), kModelBroken, {model.string(), "config.json"});
}

TEST(BrokenModel, AFieldOfTheConfigHasTheWrongType) {
  const fs::path model = damaged_model(fresh_folder());
  change_config(model, {{"hidden_size", "64"}});
  expect_refused(ask(model), kModelBroken,
                 {"config.json: hidden_size", "positive integer", "\"64\""});
}

TEST(BrokenModel, TheVisionTowerIsMissing) {
  const fs::path model = damaged_model(fresh_folder());
  fs::remove_all(model.parent_path() / "openai");
  expect_refused(ask(model), kModelBroken,
                 {"mm_vision_tower", "openai/clip-tiny-patch14-70", "--vision"});
}

TEST(BrokenModel, ThePathLeadsNowhere) {
  expect_refused(ask("/nowhere/llava"), kModelBroken, {"/nowhere/llava"});
  expect_refused(isthmus({"describe", "/nowhere/llava"}), kModelBroken, {"/nowhere/llava"});
  expect_refused(isthmus({"verify", "/nowhere/case"}), kModelBroken, {"/nowhere/case/expect.json"});
}

TEST(BrokenModel, AnAdapterNeedsItsBase) {
  for (const char* name : {"llava-tiny-pretrain", "llava-v1.5-tiny-lora"})
    expect_refused(ask(fixture("adapters/model") / name), kUsage, {name, "--base"});
  expect_refused(isthmus({"run", fixture("adapters/model/llava-tiny-pretrain"), "--base",
                          "/nowhere/vicuna", "-p", "Hi"}),
                 kModelBroken, {"/nowhere/vicuna"});
}

TEST(BrokenModel, WeightsThatAreNotNumbersAreToldInsteadOfAnswered) {
  const fs::path model = damaged_model(fresh_folder());
  const auto original = formats::Checkpoint::open(kModel);
  std::vector<formats::RawTensor> tensors;
  std::vector<std::byte> nan;  // float16
  for (const std::string& name : original.names()) {
    tensors.push_back(original.at(name));
    if (name != "model.norm.weight") continue;
    nan.resize(tensors.back().bytes.size(), std::byte{0x7e});
    tensors.back().bytes = nan;
  }
  for (const char* file : {"pytorch_model-00001-of-00002.bin", "pytorch_model-00002-of-00002.bin"})
    fs::remove(model / file);
  formats::save_checkpoint_like(original, tensors, model);
  expect_refused(ask(model), kModelBroken, {"logit", "is nan"});
  expect_refused(isthmus({"run", model, "-p", "Hi", "--temperature", "1", "--max-new-tokens", "2"}),
                 kModelBroken, {"logit", "is nan"});
}

// --- Pictures ---

std::string png_chunk(const std::string& type, const std::string& data) {
  const auto big_endian = [](uint32_t value) {
    std::string bytes;
    for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(value >> shift);
    return bytes;
  };
  const std::string body = type + data;
  const auto crc =
      ::crc32(0, reinterpret_cast<const Bytef*>(body.data()), static_cast<uInt>(body.size()));
  return big_endian(static_cast<uint32_t>(data.size())) + body +
         big_endian(static_cast<uint32_t>(crc));
}

// An 8-bit grey PNG of this size; only the first row has data.
std::string png_of(uint32_t side) {
  std::string header;
  for (int dimension = 0; dimension < 2; ++dimension)
    for (int shift = 24; shift >= 0; shift -= 8) header += static_cast<char>(side >> shift);
  header += std::string("\x08\x00\x00\x00\x00", 5);
  const std::string row(side + 1, '\x40');
  std::string raw = row;
  raw[0] = 0;  // no filter
  uLongf size = ::compressBound(raw.size());
  std::string packed(size, '\0');
  ::compress(reinterpret_cast<Bytef*>(packed.data()), &size,
             reinterpret_cast<const Bytef*>(raw.data()), raw.size());
  packed.resize(size);
  return "\x89PNG\r\n\x1a\n" + png_chunk("IHDR", header) + png_chunk("IDAT", packed) +
         png_chunk("IEND", "");
}

TEST(Picture, IsText) {
  const fs::path picture = put_file(fresh_folder() / "notes.jpg", "Dear diary\n");
  expect_refused(ask_about(picture), kInput, {"notes.jpg", "JPEG, PNG"});
}

TEST(Picture, IsEmptyMissingOrAFolder) {
  const fs::path folder = fresh_folder();
  expect_refused(ask_about(put_file(folder / "empty.png", "")), kInput, {"empty.png"});
  expect_refused(ask_about(folder / "absent.png"), kInput, {"absent.png"});
  expect_refused(ask_about(folder), kInput, {folder.string()});
}

TEST(Picture, HasNoPixels) {
  expect_refused(ask_about(put_file(fresh_folder() / "none.png", png_of(0))), kInput, {"none.png"});
}

TEST(Picture, OfOnePixelWorks) {
  const fs::path picture = put_file(fresh_folder() / "dot.png", png_of(1));
  for (const char* model :
       {"v15_original/model/llava-v1.5-tiny", "v16_anyres_vicuna/model/llava-v1.6-vicuna-tiny",
        "hf_llava15/model/llava-1.5-tiny-hf", "hf_llava_next/model/llava-v1.6-tiny-hf"}) {
    const Outcome outcome = ask_about(picture, fixture(model));
    EXPECT_EQ(outcome.status, 0) << model << ": " << outcome.err;
  }
}

TEST(Picture, ThatIsTooLargeIsRefusedFromItsHeader) {
  const Outcome outcome = ask_about(put_file(fresh_folder() / "huge.png", png_of(20000)));
  expect_refused(outcome, kInput, {"huge.png", "20000x20000"});
}

TEST(Picture, IsCutShort) {
  const std::string whole = text_of(fixture("v15_original/inputs/img0.jpg"));
  const fs::path picture = put_file(fresh_folder() / "half.jpg", whole.substr(0, whole.size() / 2));
  expect_refused(ask_about(picture), kInput, {"half.jpg"});
}

TEST(Picture, InCmykWorks) {
  EXPECT_EQ(ask_about(fixture("image_preprocess/inputs/cmyk.jpg")).status, 0);
}

TEST(Picture, CannotBeShownToALanguageModel) {
  expect_refused(
      ask_about(fixture("adapters/inputs/img0.png"), fixture("adapters/model/vicuna-tiny")), kUsage,
      {"takes no pictures"});
}

// --- Requests ---

Outcome ask_request(const std::string& content) {
  const fs::path file = put_file(fresh_folder() / "request.json", content);
  return isthmus({"run", kModel, "--request", file, "--json"});
}

TEST(BrokenRequest, EveryMistakeIsNamed) {
  const std::vector<std::pair<std::string, std::string>> mistakes = {
      {"", "JSON"},
      {"{\"messages\": [", "JSON"},
      {"[]", "object"},
      {"{}", "either messages or prompt"},
      {R"({"messages": []})", "messages: is empty"},
      {R"({"messages": [{"role": "user", "content": "Hi"}], "temperature": 0})",
       "temperature: unknown field"},
      {R"({"messages": [{"role": "user", "content": "Hi"}], "generate": {"warmth": 1}})",
       "generate.warmth"},
      {R"({"messages": [{"role": "user", "content": "Hi"}], "generate": {"top_p": 2}})", "top_p"},
      {R"({"messages": [{"role": "user", "content": "Hi"}], "generate": {"max_new_tokens": -1}})",
       "max_new_tokens"},
      {R"({"messages": [{"role": "user", "content": "Hi"}], "template": "klingon"})", "klingon"},
      {R"({"messages": [{"role": "robot", "content": "Hi"}]})", "messages[0].role: \"robot\""},
      {R"({"messages": [{"role": "user", "content": 7}]})", "messages[0].content"},
      {R"({"messages": [{"role": "user", "content": [{"type": "token", "text": "</s>"}]}]})",
       "content[0].type"},
      {R"({"messages": [{"role": "user", "content": [{"type": "smell", "text": "x"}]}]})", "content[0].text"},
      {R"({"messages": [{"role": "user", "content": [{"type": "image"}]}]})",
       "either path or data"},
      {R"({"messages": [{"role": "user", "content": [{"type": "image", "data": "!"}]}]})",
       "is not base64"},
      {R"({"prompt": [{"type": "token", "text": "<image>"}]})", "<image>"},
      {R"({"prompt": [{"type": "text", "text": "Hi"}], "template": "v1"})", "template"},
  };
  for (const auto& [content, message] : mistakes) {
    SCOPED_TRACE(content);
    expect_refused(ask_request(content), kUsage, {message});
  }
}

TEST(BrokenRequest, NamesAPictureThatIsNotThereOrAFileThatIsNotThere) {
  expect_refused(
      ask_request(
          R"({"messages": [{"role": "user", "content": [{"type": "image", "path": "gone.png"}]}]})"),
      kInput, {"gone.png"});
  expect_refused(isthmus({"run", kModel, "--request", "/nowhere/request.json"}), kInput,
                 {"/nowhere/request.json"});
  expect_refused(
      ask_request(
          R"({"messages": [{"role": "user", "content": [{"type": "image", "data": "SGVsbG8="}]}]})"),
      kInput, {"image 1 of the request"});
}

TEST(BrokenRequest, AsksForAnotherModality) {
  expect_refused(
      ask_request(
          R"({"messages": [{"role": "user", "content": [{"type": "audio", "path": "a.wav"}]}]})"),
      kUnsupported, {"audio"});
}

TEST(Prompt, LongerThanTheContextIsRefusedWithBothLengths) {
  std::string words;
  for (int i = 0; i < 5000; ++i) words += " 1";
  expect_refused(isthmus({"run", kModel, "-p", words}), kResource, {"4096", "tokens long"});
}

TEST(Prompt, TextThatSpellsASpecialTokenIsPlainText) {
  const fs::path folder = fresh_folder();
  for (const char* name :
       {"v15_original/model/llava-v1.5-tiny", "hf_llava15/model/llava-1.5-tiny-hf"}) {
    const json tokenizer = {{"messages", {{{"role", "user"}, {"content", "a </s> <image> <s> b"}}}},
                            {"generate", {{"max_new_tokens", 1}}}};
    const fs::path file = put_file(folder / "request.json", tokenizer.dump());
    const Outcome outcome =
        isthmus({"trace", fixture(name), "--request", file, "--out", folder / "out"});
    ASSERT_EQ(outcome.status, 0) << outcome.err;
    const auto ids =
        json::parse(text_of(folder / "out/trace.json")).at("input_ids").get<std::vector<int64_t>>();
    const json config = json::parse(text_of(fixture(name) / "config.json"));
    const int64_t image = config.value("image_token_index", int64_t{-200});
    EXPECT_EQ(ids.front(), 1);
    for (size_t i = 1; i < ids.size(); ++i) {
      EXPECT_NE(ids[i], 1) << i;
      EXPECT_NE(ids[i], 2) << i;
      EXPECT_NE(ids[i], image) << i;
    }
  }
}

// --- Output ---

TEST(Output, ThatCannotBeWrittenIsTold) {
  Surroundings full;
  full.output = "/dev/full";
  expect_refused(isthmus({"describe", kModel}, full), kResource, {"standard output"});
  expect_refused(isthmus({"run", kModel, "-p", "Hi", "--max-new-tokens", "2"}, full), kResource,
                 {"standard output"});
}

fs::path small_request(const fs::path& folder) {
  return put_file(
      folder / "request.json",
      R"({"messages": [{"role": "user", "content": "Hi"}], "generate": {"max_new_tokens": 2}})");
}

TEST(Output, ATraceThatCannotBeWrittenIsTold) {
  const fs::path folder = fresh_folder(), request = small_request(folder);
  expect_refused(isthmus({"trace", kModel, "--request", request, "--out", "/proc/isthmus"}),
                 kResource, {"/proc/isthmus"});
  const fs::path file = put_file(folder / "file", "");
  expect_refused(isthmus({"trace", kModel, "--request", request, "--out", file}), kResource,
                 {file.string()});
}

// Everything that lies in the folder is whole, and what trace.json lists is there.
void expect_whole(const fs::path& out) {
  if (!fs::exists(out)) return;
  for (const auto& file : fs::directory_iterator(out)) {
    if (file.path().extension() != ".npy") continue;
    EXPECT_NO_THROW(formats::read_npy(file.path())) << file.path();
  }
  if (!fs::exists(out / "trace.json")) return;
  const json trace = json::parse(text_of(out / "trace.json"));
  for (const json& tensor : trace.at("tensors"))
    EXPECT_TRUE(fs::exists(out / tensor.at("file").get<std::string>()));
}

TEST(Output, ADiskThatFillsUpLeavesNothingHalfWritten) {
  const fs::path folder = fresh_folder(), request = small_request(folder), out = folder / "out";
  // 16 KiB per file stand in for the end of the disk.
  const std::string command =
      "trap '' XFSZ; ulimit -f 16; exec \"$0\" trace \"$1\" --request \"$2\" --out \"$3\"";
  const Outcome outcome =
      run_program({"/bin/bash", "-c", command, isthmus_program(), kModel, request, out});
  expect_refused(outcome, kResource, {out.string(), "cannot be written"});
  expect_whole(out);
  for (const auto& file : fs::directory_iterator(out)) EXPECT_EQ(file.path().extension(), ".npy");
}

TEST(Output, AKilledProgramLeavesNothingHalfWritten) {
  const fs::path folder = fresh_folder(), request = small_request(folder);
  const double whole =
      isthmus({"trace", kModel, "--request", request, "--out", folder / "whole"}).seconds;
  for (int i = 0; i < 8; ++i) {
    const fs::path out = folder / std::to_string(i);
    run_program({"/usr/bin/timeout", "-s", "KILL", std::to_string(whole * (0.6 + 0.05 * i)),
                 isthmus_program(), "trace", kModel, "--request", request, "--out", out});
    expect_whole(out);
  }
}

TEST(Permission, AFileThatMayNotBeReadIsNamed) {
  if (::geteuid() == 0) GTEST_SKIP() << "root may read everything";
  const fs::path model = damaged_model(fresh_folder());
  fs::permissions(model / kSecondShard, fs::perms::none);
  expect_refused(ask(model), kModelBroken, {kSecondShard, "Permission denied"});
}

}  // namespace
}  // namespace isthmus::testing_programs
