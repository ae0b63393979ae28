#include <cmath>
#include <filesystem>
#include <limits>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/atomic_file.h"
#include "base/dtype.h"
#include "base/json_view.h"
#include "base/mapped_file.h"
#include "base/ordered_json.h"
#include "base/rng.h"
#include "base/shape.h"
#include "error_message.h"
#include "isthmus/error.h"

namespace isthmus {
namespace {

TEST(Half, EveryPatternSurvivesARoundTrip) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const auto half = static_cast<uint16_t>(bits);
    const float value = half_to_float(half);
    if (std::isnan(value)) continue;
    ASSERT_EQ(float_to_half(value), half) << bits;
  }
}

TEST(Half, RoundsToNearestEven) {
  EXPECT_EQ(float_to_half(1.0f + 0x1p-11f), 0x3c00);  // tie, down to even
  EXPECT_EQ(float_to_half(1.0f + 0x3p-11f), 0x3c02);  // tie, up to even
  EXPECT_EQ(float_to_half(65519.9f), 0x7bff);
  EXPECT_EQ(float_to_half(65520.0f), 0x7c00);
  EXPECT_EQ(float_to_half(0x1p-25f), 0x0000);  // tie with the smallest subnormal
  EXPECT_EQ(float_to_half(-0x1.8p-25f), 0x8001);
  EXPECT_TRUE(std::isnan(half_to_float(float_to_half(std::nanf("")))));
}

TEST(Bfloat16, RoundsToNearestEvenAndKeepsNan) {
  EXPECT_EQ(float_to_bfloat16(1.0f + 0x1p-8f), 0x3f80);
  EXPECT_EQ(float_to_bfloat16(1.0f + 0x3p-8f), 0x3f82);
  EXPECT_EQ(bfloat16_to_float(0x3fc0), 1.5f);
  EXPECT_TRUE(std::isnan(bfloat16_to_float(float_to_bfloat16(std::nanf("")))));
}

TEST(Shape, AbsurdSizesAreRefused) {
  EXPECT_EQ(num_elements({3, 4}), 12);
  EXPECT_EQ(num_elements({}), 1);
  EXPECT_EQ(num_elements({int64_t{1} << 62, 4, 0}), 0);
  EXPECT_EQ(num_elements({int64_t{1} << 62, 4}), std::nullopt);
  EXPECT_EQ(num_elements({-1}), std::nullopt);
}

TEST(JsonView, ComplaintsNameFileKeyAndWhatWasFound) {
  const JsonView json = JsonView::parse(
      R"({"vision_config": {"patch_size": "14", "n": null, "x": [1, 2.5]}})", "llava/config.json");
  EXPECT_EQ(message_of([&] { json.at("vision_config").positive("patch_size"); }),
            "llava/config.json: vision_config.patch_size: expected a positive integer, found "
            "\"14\" (a string)");
  EXPECT_EQ(message_of([&] { json.at("vision_config").at("hidden_size"); }),
            "llava/config.json: vision_config.hidden_size: missing");
  EXPECT_EQ(json.at("vision_config").integer("n", 7), 7);
  EXPECT_EQ(message_of([&] { json.at("vision_config").at("x").elements()[1].as_integer(); }),
            "llava/config.json: vision_config.x[1]: expected an integer, found 2.5 (a number)");
  EXPECT_EQ(message_of([&] { JsonView::parse("{\"a\": ", "b.json"); }),
            "b.json: not valid JSON at byte 7");
}

TEST(JsonView, MembersStandAsTheyWereWritten) {
  std::string text;
  for (const char* key : {"z", "a", "m"})
    text += fmt::format("\"{}\": {{\"y\": 1, \"b\": 2}}, ", key);
  // Beyond the size from which on an object has an index.
  for (int i = 40; i > 0; --i) text += fmt::format("\"{:02}\": {}, ", i, i);
  const JsonView json = JsonView::parse("{" + text + "\"a\": 7}", "a.json");
  const auto members = json.members();
  ASSERT_EQ(members.size(), 43u);
  EXPECT_EQ(members[0].first, "z");
  EXPECT_EQ(members[1].first, "a");
  EXPECT_EQ(members[3].first, "40");
  EXPECT_EQ(members[0].second.raw().dump(), R"({"y":1,"b":2})");
  EXPECT_EQ(json.integer("a"), 7);  // the last of equals, in the place of the first
  EXPECT_EQ(json.integer("17"), 17);
  EXPECT_FALSE(json.contains("0"));
}

TEST(OrderedJson, LargeObjectsAreCopiedMovedAndErasedFrom) {
  OrderedJson json = OrderedJson::object();
  for (int i = 0; i < 50; ++i) json[std::to_string(99 - i)] = i;
  OrderedJson copy = json;
  copy.erase("90");
  EXPECT_FALSE(copy.contains("90"));
  EXPECT_EQ(json["90"], 9);
  copy["90"] = "again";
  EXPECT_EQ(std::prev(copy.end()).key(), "90");
  const OrderedJson moved = std::move(copy);
  EXPECT_EQ(moved.size(), 50u);
  EXPECT_EQ(moved.at("99"), 0);
  EXPECT_EQ(nlohmann::json(json).begin().key(), "50");  // the sorted kind
}

TEST(AtomicFile, NothingAppearsWithoutCommit) {
  const std::filesystem::path path =
      std::filesystem::path(testing::TempDir()) / "isthmus_atomic.txt";
  std::filesystem::remove(path);
  {
    AtomicFile file(path);
    file.write("half");
  }
  EXPECT_FALSE(std::filesystem::exists(path));
  write_file(path, "whole");
  EXPECT_EQ(read_file(path), "whole");
  EXPECT_THROW(read_file(path, 4), InputError);
  std::filesystem::remove(path);
}

TEST(AtomicFile, FullDiskIsReportedAndTheOldFileStays) {
  if (!std::filesystem::exists("/dev/full")) GTEST_SKIP();
  EXPECT_THROW(write_file("/proc/isthmus/none", "x"), ResourceError);
}

TEST(MappedFile, EmptyAndMissingFiles) {
  const std::filesystem::path path = std::filesystem::path(testing::TempDir()) / "isthmus_empty";
  write_file(path, "");
  EXPECT_EQ(MappedFile::open(path)->bytes().size(), 0u);
  std::filesystem::remove(path);
  EXPECT_THROW(MappedFile::open(path), ModelError);
  EXPECT_THROW(MappedFile::open(testing::TempDir()), ModelError);
}

TEST(Rng, IsTheSameEverywhere) {
  Rng rng(0);
  EXPECT_EQ(rng.next(),
            11091344671253066420u);  // published xoshiro256** with splitmix64(0) seeding
  const double value = rng.uniform();
  EXPECT_GE(value, 0.0);
  EXPECT_LT(value, 1.0);
}

}  // namespace
}  // namespace isthmus
