#include "layout/flamingo_folder.h"

#include "layout/fixtures.h"
#include "layout/flamingo_pieces.h"

namespace isthmus::layout {
namespace {

namespace fs = std::filesystem;

void expect_part(const std::string& message, const std::string& part) {
  EXPECT_NE(message.find(part), std::string::npos) << message;
}

// Nothing of the surroundings.
FlamingoSources find(const fs::path& model, const FlamingoFlags& flags = {}) {
  return find_flamingo(model, flags, {});
}

std::string complaint(const fs::path& model, const FlamingoFlags& flags = {}) {
  return message_of<ModelError>([&] { find(model, flags); });
}

void make_repository(const fs::path& cache, const std::string& repository, const fs::path& folder) {
  write(cache / repository / "refs/main", "abc");
  link(folder, cache / repository / "snapshots/abc");
}

TEST(FlamingoFolder, SubFoldersBesideTheCheckpointAreThePieces) {
  for (const char* name : kFlamingoCases) {
    const fs::path model = flamingo_case(name) / "model";
    EXPECT_TRUE(is_flamingo(model)) << name;
    const FlamingoSources sources = find(model);
    EXPECT_EQ(sources.language_model, model / "lm");
    EXPECT_EQ(sources.checkpoint, model / "checkpoint.pt");
    EXPECT_EQ(sources.vision_files, VisionFiles::kOpenClip);
    EXPECT_EQ(sources.vision, model / "clip" / (std::string(name) == "neox_rpj_every2"
                                                    ? "ViT-tiny.pt"
                                                    : "open_clip_pytorch_model.bin"));
    EXPECT_EQ(sources.vision_config, model / "clip/open_clip_config.json");
    EXPECT_FALSE(sources.cross_attn_every_n_layers);
    EXPECT_TRUE(sources.only_attend_immediate_media);
    EXPECT_FALSE(sources.vision_ln_post);
  }
}

// The case holds two more .pt files beside its checkpoint.
TEST(FlamingoFolder, OtherFilesBesideTheCheckpointDoNotCount) {
  const fs::path model = flamingo_case("media_masking") / "model";
  EXPECT_TRUE(is_flamingo(model));
  EXPECT_EQ(find(model).checkpoint, model / "checkpoint.pt");
}

TEST(FlamingoFolder, IsthmusJsonNamesThePieces) {
  const fs::path top = fresh_folder("flamingo_json");
  link(mpt_case() / "checkpoint.pt", top / "elsewhere/trained.pt");
  write(top / "model/isthmus.json", R"({"family": "flamingo", "vision": ")" +
                                        (mpt_case() / "clip").string() +
                                        R"(", "language_model": "org/lm",
      "checkpoint": "../elsewhere/trained.pt", "cross_attn_every_n_layers": 4,
      "vision_ln_post": true, "only_attend_immediate_media": false})");
  make_repository(top / "hub", "models--org--lm", mpt_case() / "lm");
  const ModelLocator locator{{}, top / "hub"};
  EXPECT_TRUE(is_flamingo(top / "model"));
  const FlamingoSources sources = find_flamingo(top / "model", {}, locator);
  EXPECT_EQ(sources.name, "model");
  EXPECT_EQ(sources.checkpoint, top / "elsewhere/trained.pt");
  EXPECT_EQ(sources.language_model, top / "hub/models--org--lm/snapshots/abc");
  EXPECT_EQ(sources.vision, mpt_case() / "clip/open_clip_pytorch_model.bin");
  EXPECT_EQ(sources.cross_attn_every_n_layers, 4);
  EXPECT_TRUE(sources.vision_ln_post);
  EXPECT_FALSE(sources.only_attend_immediate_media);
}

TEST(FlamingoFolder, AModelThatIsNotTrainedYetHasNoCheckpoint) {
  const fs::path top = fresh_folder("flamingo_untrained");
  link(mpt_case() / "lm", top / "lm");
  link(mpt_case() / "clip", top / "clip");
  write(top / "isthmus.json",
        R"({"family": "flamingo", "vision": "clip", "language_model": "lm"})");
  EXPECT_EQ(find(top).checkpoint, "");
  EXPECT_EQ(find(top).language_model, top / "lm");
  EXPECT_EQ(find(top).tokenizer_folder(), top / "lm");
  link(mpt_case() / "lm", top / "words");
  write(top / "isthmus.json", R"({"family": "flamingo", "vision": "clip", "language_model": "lm",
      "tokenizer": "words"})");
  EXPECT_EQ(find(top).tokenizer_folder(), top / "words");
}

TEST(FlamingoFolder, ACheckpointAloneTakesTheOthersFromFlags) {
  const fs::path top = fresh_folder("flamingo_flags");
  link(mpt_case() / "checkpoint.pt", top / "alone/checkpoint.pt");
  link(mpt_case() / "checkpoint.pt", top / "trained.pt");
  const FlamingoFlags flags{(mpt_case() / "lm").string(), (mpt_case() / "clip").string()};
  for (const fs::path& model : {top / "alone", top / "alone/checkpoint.pt", top / "trained.pt"}) {
    EXPECT_TRUE(is_flamingo(model));
    const FlamingoSources sources = find(model, flags);
    EXPECT_EQ(sources.language_model, mpt_case() / "lm");
    EXPECT_EQ(sources.vision, mpt_case() / "clip/open_clip_pytorch_model.bin");
    EXPECT_EQ(sources.checkpoint.filename(), model == top / "trained.pt" ? "trained.pt"
                                                                         : "checkpoint.pt");
  }
  // They stand above what lies beside the checkpoint.
  const fs::path neox = flamingo_case("neox_rpj_every2") / "model";
  EXPECT_EQ(find(mpt_case(), {(neox / "lm").string(), (neox / "clip/ViT-tiny.pt").string()}).vision,
            neox / "clip/ViT-tiny.pt");
}

TEST(FlamingoFolder, AFileMayBeNamedWithoutAFolder) {
  const fs::path before = fs::current_path();
  fs::current_path(mpt_case());
  const FlamingoSources sources = find("checkpoint.pt");
  fs::current_path(before);
  EXPECT_EQ(sources.checkpoint, "checkpoint.pt");
  EXPECT_EQ(sources.language_model, "./lm");
  EXPECT_EQ(sources.name, "model");
}

TEST(FlamingoFolder, TheLastEpochOfTrainingCounts) {
  const fs::path top = fresh_folder("flamingo_epochs");
  link(mpt_case() / "lm", top / "lm");
  link(mpt_case() / "clip", top / "clip");
  for (const char* epoch : {"checkpoint_2.pt", "checkpoint_10.pt", "checkpoint_9.pt"})
    link(mpt_case() / "checkpoint.pt", top / epoch);
  EXPECT_EQ(find(top).checkpoint.filename(), "checkpoint_10.pt");
}

TEST(FlamingoFolder, TheReleasedModelsAreKnownByName) {
  const fs::path top = fresh_folder("flamingo_released");
  const fs::path hub = top / "hub", repository = top / "repository";
  link(mpt_case() / "checkpoint.pt", repository / "checkpoint.pt");
  make_repository(hub, "models--openflamingo--OpenFlamingo-9B-vitl-mpt7b", repository);
  make_repository(hub, "models--anas-awadalla--mpt-7b", mpt_case() / "lm");
  link(flamingo_case("neox_rpj_every2") / "model/clip/ViT-tiny.pt", top / "cache/ViT-L-14.pt");
  const ModelLocator locator{{}, hub, top / "cache"};
  const fs::path model = locator.find_model("openflamingo/OpenFlamingo-9B-vitl-mpt7b");
  EXPECT_TRUE(is_flamingo(model));
  const FlamingoSources sources = find_flamingo(model, {}, locator);
  EXPECT_EQ(sources.name, "OpenFlamingo-9B-vitl-mpt7b");
  EXPECT_EQ(sources.language_model, hub / "models--anas-awadalla--mpt-7b/snapshots/abc");
  EXPECT_EQ(sources.vision, top / "cache/ViT-L-14.pt");
  EXPECT_EQ(sources.vision_config, "");
  EXPECT_EQ(sources.cross_attn_every_n_layers, 4);

  fs::remove_all(top / "cache");
  const std::string message =
      message_of<ModelError>([&] { find_flamingo(model, {}, locator); });
  expect_part(message, "OpenFlamingo-9B-vitl-mpt7b: its vision tower: \"ViT-L-14\" not found");
  expect_part(message, (top / "cache/ViT-L-14.pt").string());
  expect_part(message, "models--openai--clip-vit-large-patch14");
  expect_part(message, "--vision");
}

TEST(FlamingoFolder, AClipOfHuggingFaceIsRecognised) {
  const fs::path clip = llava_case("v15_original") / "model/openai/clip-tiny-patch14-70";
  const FlamingoSources sources = find(mpt_case(), {"", clip.string()});
  EXPECT_EQ(sources.vision_files, VisionFiles::kHuggingFace);
  EXPECT_EQ(sources.vision, clip);
  EXPECT_EQ(sources.vision_config, "");
}

TEST(FlamingoFolder, OtherModelsAreNotFlamingos) {
  EXPECT_FALSE(is_flamingo(llava_case("v15_original") / "model/llava-v1.5-tiny"));
  EXPECT_FALSE(is_flamingo(llava_case("adapters") / "model/llava-tiny-pretrain"));
  EXPECT_FALSE(is_flamingo(
      llava_case("adapters") / "model/llava-tiny-pretrain/mm_projector.bin"));
  EXPECT_FALSE(is_flamingo(mpt_case() / "lm"));
  EXPECT_FALSE(is_flamingo(mpt_case() / "clip"));
  EXPECT_FALSE(is_flamingo(flamingo_case("neox_rpj_every2") / "model/clip/ViT-tiny.pt"));
  EXPECT_FALSE(is_flamingo("/no/such/folder"));
  const fs::path top = fresh_folder("flamingo_other");
  EXPECT_FALSE(is_flamingo(top));
  write(top / "checkpoint.pt", "no checkpoint");
  EXPECT_FALSE(is_flamingo(top));
  write(top / "isthmus.json", R"({"family": "onellm"})");
  EXPECT_FALSE(is_flamingo(top));
  write(top / "isthmus.json", "{");
  EXPECT_THROW(is_flamingo(top), ModelError);
}

TEST(FlamingoFolder, AMissingPieceIsNamedWithItsFlag) {
  const fs::path top = fresh_folder("flamingo_missing");
  link(mpt_case() / "checkpoint.pt", top / "checkpoint.pt");
  std::string message = complaint(top);
  expect_part(message, "no language model");
  expect_part(message, "mpt, mosaic_gpt, gpt_neox, opt, llama");
  expect_part(message, "--base");
  link(mpt_case() / "lm", top / "lm");
  message = complaint(top);
  expect_part(message, "no vision tower");
  expect_part(message, "--vision");
  link(mpt_case() / "clip", top / "clip");
  EXPECT_EQ(find(top).vision, top / "clip/open_clip_pytorch_model.bin");

  link(mpt_case() / "lm", top / "lm2");
  message = complaint(top);
  expect_part(message, "several sub-folders hold a language model: lm, lm2");
  expect_part(message, "--base");
  EXPECT_EQ(find(top, {(top / "lm2").string(), ""}).language_model, top / "lm2");

  expect_part(complaint(top, {"org/nowhere", ""}), "--base: \"org/nowhere\" not found");
  expect_part(complaint(top, {(top / "lm").string(), "ViT-X"}), "--vision: \"ViT-X\" not found");
  expect_part(complaint(top, {(top / "lm").string(), (top / "lm").string()}),
              "no CLIP in this folder");
  expect_part(complaint(top, {(top / "clip").string(), ""}), "no config.json");
}

TEST(FlamingoFolder, WhatIsthmusJsonNamesMustBeThere) {
  const fs::path top = fresh_folder("flamingo_json_missing");
  const auto describe = [&](const std::string& text) {
    write(top / "isthmus.json", R"({"family": "flamingo", )" + text + "}");
    return complaint(top);
  };
  const std::string clip = R"("vision": ")" + (mpt_case() / "clip").string() + R"(")";
  const std::string pieces =
      clip + R"(, "language_model": ")" + (mpt_case() / "lm").string() + R"(")";
  expect_part(describe(R"("language_model": "lm")"), "isthmus.json: vision");
  expect_part(describe(R"("vision": "clip")"), "isthmus.json: vision: \"clip\" not found");
  expect_part(describe(clip), "isthmus.json: language_model");
  expect_part(describe(clip + R"(, "language_model": "lm")"),
              "isthmus.json: language_model: \"lm\" not found");
  expect_part(describe(pieces + R"(, "checkpoint": "checkpoint.pt")"),
              "isthmus.json: checkpoint: \"checkpoint.pt\" not found");
  fs::create_directories(top / "empty");
  expect_part(describe(pieces + R"(, "checkpoint": "empty")"), "holds no checkpoint.pt");
  expect_part(describe(pieces + R"(, "cross_attn_every_n_layers": 0)"),
              "cross_attn_every_n_layers");
  expect_part(describe(pieces + R"(, "vision_ln_post": 1)"), "vision_ln_post");
  expect_part(describe(pieces + R"(, "vision_lnpost": true)"),
              "\"vision_lnpost\" is not known for a flamingo; known are family, vision,");
}

TEST(FlamingoFolder, ALanguageModelOfAnotherKindIsRefused) {
  const fs::path top = fresh_folder("flamingo_kind");
  write(top / "t5/config.json", R"({"model_type": "t5"})");
  const std::string message = message_of<UnsupportedError>(
      [&] { find(mpt_case(), {(top / "t5").string(), ""}); });
  expect_part(message, "\"t5\" is not a language model Flamingo goes with");
}

TEST(FlamingoFolder, SeveralArchivesInAFolderAreNotGuessedAt) {
  const fs::path top = fresh_folder("flamingo_archives");
  const fs::path archive = flamingo_case("neox_rpj_every2") / "model/clip/ViT-tiny.pt";
  link(archive, top / "a.pt");
  link(mpt_case() / "checkpoint.pt", top / "b.pt");
  EXPECT_EQ(find(mpt_case(), {"", top.string()}).vision, top / "a.pt");
  link(archive, top / "c.pt");
  expect_part(complaint(mpt_case(), {"", top.string()}), "several CLIP files (a.pt, c.pt");
}

}  // namespace
}  // namespace isthmus::layout
