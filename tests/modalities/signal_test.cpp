#include "modalities/signal.h"

#include <cmath>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "error_message.h"
#include "formats/npy.h"
#include "isthmus/error.h"
#include "media/nifti_writer.h"
#include "media/test_npy.h"
#include "modalities/fmri.h"

namespace isthmus::modalities {
namespace {

namespace fs = std::filesystem;
using testing_support::nifti_of;
using Floats = std::vector<float>;

fs::path file_of(const std::string& name, std::string_view content) {
  const fs::path path = fs::path(::testing::TempDir()) / ("isthmus_signal_" + name);
  std::ofstream(path, std::ios::binary)
      .write(content.data(), static_cast<std::streamsize>(content.size()));
  return path;
}

fs::path npy_of(const std::string& name, const Shape& shape, const Floats& values) {
  const fs::path path = fs::path(::testing::TempDir()) / ("isthmus_signal_" + name);
  formats::write_npy(path, DType::kF32, shape, std::as_bytes(std::span(values)));
  return path;
}

SignalConfig config_of(const std::string& json) {
  return SignalConfig::parse(JsonView::parse(json, "onellm.json"));
}

const std::string kEcg =
    "# a heart, lead by lead\n"
    "time,I,\"II, raw\",note\n"
    "0.00,1,10,\n"
    "0.01,2,20,\n"
    "0.02,3,30,\n"
    "\n"
    "0.03,4,40,\n";

TEST(Signal, CsvColumnsBecomeChannels) {
  const fs::path path = file_of("ecg.csv", kEcg);
  const auto config = config_of(
      R"({"reader": "csv", "tokenizer": "conv1d", "columns": ["II, raw", 1], "time": "time", "window": 6})");
  const Prepared prepared = prepare_signal(path, config);
  EXPECT_EQ(prepared.shape, (Shape{2, 6}));
  EXPECT_EQ(prepared.values, (Floats{10, 20, 30, 40, 0, 0, 1, 2, 3, 4, 0, 0}));
  ASSERT_EQ(prepared.notes.size(), 1u);
  EXPECT_EQ(prepared.notes[0], path.string() + ": 4 samples, followed by 2 zeros");
}

TEST(Signal, TheRateComesFromTheTimesAndIsChanged) {
  const fs::path path = file_of("ecg.csv", kEcg);
  const auto config = config_of(
      R"({"reader": "csv", "tokenizer": "conv1d", "columns": ["I"], "time": "time", "rate": 200})");
  const Prepared prepared = prepare_signal(path, config);
  EXPECT_EQ(prepared.shape, (Shape{1, 8}));
  EXPECT_EQ(prepared.notes.front(),
            path.string() + ": resampled from 100 to 200 samples per second");
  const auto unknown =
      config_of(R"({"reader": "csv", "tokenizer": "conv1d", "columns": ["I"], "rate": 200})");
  EXPECT_NE(
      message_of([&] { prepare_signal(path, unknown); }).find("give file_rate, or a time column"),
      std::string::npos);
}

TEST(Signal, CsvErrorsNameFileLineAndColumn) {
  const auto config = config_of(R"({"reader": "csv", "tokenizer": "conv1d", "columns": ["b"]})");
  const auto message = [&](const std::string& text) {
    const fs::path path = file_of("bad.csv", text);
    std::string found = message_of([&] { prepare_signal(path, config); });
    EXPECT_TRUE(found.starts_with(path.string() + ": ")) << found;
    return found.substr(std::min(found.size(), path.string().size() + 2));
  };
  EXPECT_EQ(message("a,b\n1,2\n3,four\n"), "line 3, column b: \"four\" is no number");
  EXPECT_EQ(message("a,b\n1,2\n3\n"), "line 3 has 1 fields, the header names 2");
  EXPECT_EQ(message("a,c\n1,2\n"), "no column b; it has a, c");
  EXPECT_EQ(message("a,b\n1,2\n3,\n"), "column b, row 2: empty or nan; expected a finite number");
  EXPECT_EQ(message("a,b\n"), "holds the names of columns and no row");
  EXPECT_EQ(message(""), "the file is empty");
  EXPECT_EQ(message("1,2\n3,4\n"), "line 1 holds numbers; expected the names of the columns");
}

TEST(Signal, ArraysAreTurnedToChannels) {
  const auto config =
      config_of(R"({"reader": "npy", "tokenizer": "conv1d", "channels": 2, "window": 2})");
  const Prepared plain = prepare_signal(npy_of("a.npy", {2, 3}, {1, 2, 3, 4, 5, 6}), config);
  EXPECT_EQ(plain.values, (Floats{1, 2, 4, 5}));
  const Prepared turned = prepare_signal(npy_of("b.npy", {3, 2}, {1, 4, 2, 5, 3, 6}), config);
  EXPECT_EQ(turned.values, plain.values);
  EXPECT_EQ(turned.notes.size(), 2u);
  const fs::path other = npy_of("c.npy", {3, 3}, Floats(9));
  EXPECT_EQ(message_of([&] { prepare_signal(other, config); }),
            other.string() + ": 3 channels; the model takes 2");
  const fs::path nan = npy_of("d.npy", {2, 2}, {1, 2, 3, std::nanf("")});
  EXPECT_EQ(message_of([&] { prepare_signal(nan, config); }),
            nan.string() + ": channel 1, sample 1: nan; expected a finite number");
  EXPECT_THROW(prepare_signal(npy_of("e.npy", {0, 2}, {}), config), InputError);
  EXPECT_THROW(prepare_signal(npy_of("f.npy", {1, 1, 2}, {1, 2}), config), InputError);
}

TEST(Signal, WindowsFollowEachOtherByTheHop) {
  const auto config = config_of(
      R"({"reader": "npy", "tokenizer": "conv1d", "window": 3, "hop": 2, "max_windows": 3})");
  const Prepared four = prepare_signal(npy_of("g.npy", {4}, {1, 2, 3, 4}), config);
  EXPECT_EQ(four.shape, (Shape{2, 1, 3}));
  EXPECT_EQ(four.values, (Floats{1, 2, 3, 3, 4, 0}));
  const Prepared cut = prepare_signal(npy_of("h.npy", {9}, {1, 2, 3, 4, 5, 6, 7, 8, 9}), config);
  EXPECT_EQ(cut.shape, (Shape{3, 1, 3}));
  EXPECT_NE(cut.notes.front().find("9 samples, of which the first 7 are used"), std::string::npos);
}

TEST(Signal, ChannelsAreNormalised) {
  const fs::path path = npy_of("i.npy", {2, 3}, {1, 2, 3, 5, 5, 5});
  const auto values = [&](const std::string& normalise) {
    return prepare_signal(path,
                          config_of(R"({"reader": "npy", "tokenizer": "conv1d", "normalise": )" +
                                    normalise + "}"))
        .values;
  };
  EXPECT_EQ(values(R"("none")"), (Floats{1, 2, 3, 5, 5, 5}));
  EXPECT_EQ(values(R"("min_max")"), (Floats{0, 0.5f, 1, 0, 0, 0}));
  EXPECT_NEAR(values(R"("zscore")")[2], std::sqrt(1.5f), 1e-6f);
  EXPECT_EQ(values(R"({"mean": [1, 5], "std": [2, 1]})"), (Floats{0, 0.5f, 1, 0, 0, 0}));
  EXPECT_EQ(values(R"({"mean": 1, "std": 2})"), (Floats{0, 0.5f, 1, 2, 2, 2}));
  EXPECT_THROW(values(R"({"mean": [1, 2, 3], "std": [1, 1, 1]})"), InputError);
}

TEST(Signal, EveryTokenizerHasItsShape) {
  const fs::path path = npy_of("j.npy", {2, 3}, {1, 2, 3, 4, 5, 6});
  const auto linear =
      prepare_signal(path, config_of(R"({"reader": "npy", "tokenizer": "linear", "window": 8})"));
  EXPECT_EQ(linear.shape, (Shape{1, 8}));
  EXPECT_EQ(linear.values, (Floats{1, 2, 3, 4, 5, 6, 0, 0}));
  const auto rows =
      prepare_signal(path, config_of(R"({"reader": "npy", "tokenizer": "knn", "channels": 3})"));
  EXPECT_EQ(rows.shape, (Shape{2, 3}));
  EXPECT_EQ(rows.values, (Floats{1, 2, 3, 4, 5, 6}));
  const auto picture = prepare_signal(
      path, config_of(R"({"reader": "npy", "tokenizer": "conv2d", "window": [3, 2]})"));
  EXPECT_EQ(picture.shape, (Shape{1, 3, 2}));
  EXPECT_EQ(picture.values, (Floats{1, 2, 4, 5, 0, 0}));
  const auto table = prepare_signal(
      file_of("grid.csv", "a,b\n1,2\n3,4\n"),
      config_of(R"({"reader": "csv", "tokenizer": "conv2d", "window": 2, "channels": 1})"));
  EXPECT_EQ(table.values, (Floats{1, 2, 3, 4}));
}

TEST(Signal, PicturesAreResized) {
  const fs::path picture = fs::path(ISTHMUS_FIXTURES) / "onellm/preproc/inputs/depth.png";
  for (const int64_t channels : {1, 3}) {
    const auto config = config_of(fmt::format(
        R"({{"reader": "image", "tokenizer": "conv2d", "window": [10, 20], "channels": {}}})",
        channels));
    const Prepared prepared = prepare_signal(picture, config);
    EXPECT_EQ(prepared.shape, (Shape{channels, 10, 20}));
    for (const float value : prepared.values) EXPECT_TRUE(value >= 0 && value <= 1);
  }
  // A thermal camera's array of any type, halved.
  const auto config =
      config_of(R"({"reader": "image", "tokenizer": "conv2d", "window": [1, 2], "channels": 1})");
  const Prepared constant = prepare_signal(npy_of("k.npy", {2, 4}, Floats(8, 300.5f)), config);
  EXPECT_EQ(constant.values, (Floats{300.5f, 300.5f}));
}

TEST(Signal, SoundIsReadAtItsOwnRate) {
  const auto config = config_of(
      R"({"reader": "audio", "tokenizer": "conv1d", "channels": 1, "rate": 8000, "window": 4000})");
  const Prepared prepared =
      prepare_signal(fs::path(ISTHMUS_FIXTURES) / "onellm/preproc/inputs/a_16k.wav", config);
  EXPECT_EQ(prepared.shape, (Shape{1, 4000}));
  EXPECT_EQ(prepared.notes.size(), 2u);
}

TEST(SignalConfig, WhatContradictsItselfIsNamed) {
  const auto message = [](const std::string& json) { return message_of([&] { config_of(json); }); };
  EXPECT_NE(message(R"({"reader": "cvs", "tokenizer": "conv1d"})")
                .find("onellm.json: reader: \"cvs\" is none of csv, npy, image, audio"),
            std::string::npos);
  EXPECT_NE(message(R"({"reader": "csv", "tokenizer": "conv1d", "colums": []})")
                .find("onellm.json: colums: unknown key"),
            std::string::npos);
  for (const char* json : {
           R"({"reader": "npy", "tokenizer": "conv1d", "columns": ["a"]})",
           R"({"reader": "csv", "tokenizer": "conv1d", "time_unit": "ms"})",
           R"({"reader": "csv", "tokenizer": "conv1d", "window": [3, 4]})",
           R"({"reader": "csv", "tokenizer": "conv1d", "window": 0})",
           R"({"reader": "csv", "tokenizer": "conv2d", "window": [16777216, 2]})",
           R"({"reader": "csv", "tokenizer": "conv1d", "hop": 3})",
           R"({"reader": "image", "tokenizer": "conv2d"})",
           R"({"reader": "image", "tokenizer": "conv1d", "window": 3})",
           R"({"reader": "image", "tokenizer": "conv2d", "window": 3, "channels": 2})",
           R"({"reader": "csv", "tokenizer": "knn", "rate": 3})",
           R"({"reader": "csv", "tokenizer": "conv1d", "rate": 3000000})",
           R"({"reader": "csv", "tokenizer": "conv1d", "normalise": 3})",
           R"({"reader": "csv", "tokenizer": "conv1d", "normalise": {"mean": 1, "std": 0}})",
           R"({"reader": "csv", "tokenizer": "conv1d", "normalise": {"mean": [1, 2], "std": 1}})",
           R"({"reader": "audio", "tokenizer": "conv2d"})",
       })
    EXPECT_THROW(config_of(json), ModelError) << json;
  EXPECT_EQ(config_of(R"({"name": "ecg", "stride": 5, "reader": "csv", "tokenizer": "conv1d",
                          "time": "t", "time_unit": "ms"})")
                .time_unit,
            1e-3);
}

TEST(Fmri, VolumesAreReadThroughTheirMask) {
  // x runs fastest in the file; the mask's order is NumPy's, where z does.
  const std::vector<int64_t> size{2, 2, 2};
  const auto mask = nifti_of<uint8_t>(size, 2, {1, 1, 0, 0, 1, 0, 0, 1});
  const auto activity =
      nifti_of<float>({2, 2, 2, 2}, 16, {0, 1, 2, 3, 4, 5, 6, 7, 10, 11, 12, 13, 14, 15, 16, 17});
  const auto reader = [](const std::vector<char>& bytes, const char* name) {
    return media::NiftiReader(std::as_bytes(std::span(bytes)), name);
  };
  auto brain = reader(activity, "brain.nii"), marks = reader(mask, "mask.nii");
  const Prepared prepared = prepare_fmri(brain, marks, {.num_voxels = 4});
  EXPECT_EQ(prepared.shape, (Shape{1, 4}));
  EXPECT_EQ(prepared.values, (Floats{5, 9, 6, 12}));  // (0,0,0) (0,0,1) (1,0,0) (1,1,1)
  EXPECT_EQ(prepared.modality, Modality::kFmri);

  brain = reader(activity, "brain.nii"), marks = reader(mask, "mask.nii");
  EXPECT_EQ(message_of([&] { prepare_fmri(brain, marks, {.num_voxels = 5}); }),
            "mask.nii: marks 4 voxels, the model needs 5 (of its own subject)");
  const auto flat = nifti_of<uint8_t>({4, 2, 1}, 2, {1, 1, 0, 0, 1, 0, 0, 1});
  marks = reader(flat, "mask.nii");
  EXPECT_EQ(message_of([&] { prepare_fmri(brain, marks, {.num_voxels = 4}); }),
            "brain.nii: volumes of 2x2x2 voxels, the mask mask.nii has 4x2x1");

  const std::string_view bytes(activity.data(), activity.size());
  const fs::path path = file_of("brain.nii", bytes);
  EXPECT_THROW(load_fmri(path, "", {.num_voxels = 4}), UsageError);
  const fs::path mask_path = file_of("mask.nii", {mask.data(), mask.size()});
  EXPECT_EQ(load_fmri(path, mask_path, {.num_voxels = 4}).values, prepared.values);
  const fs::path npy = npy_of("voxels.npy", {4}, {1, 2, 3, 4});
  EXPECT_EQ(load_fmri(npy, "", {.num_voxels = 4}).values, (Floats{1, 2, 3, 4}));
  EXPECT_THROW(load_fmri(npy, mask_path, {.num_voxels = 4}), UsageError);
}

}  // namespace
}  // namespace isthmus::modalities
