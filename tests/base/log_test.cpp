#include "base/log.h"

#include <algorithm>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace isthmus::log {
namespace {

// Every test leaves the log as it found it.
class Log : public testing::Test {
 protected:
  void TearDown() override {
    set_level(Level::kWarn);
    set_format(Format::kText);
  }

  template <typename Call>
  static std::string lines_of(const Call& call) {
    testing::internal::CaptureStderr();
    call();
    return testing::internal::GetCapturedStderr();
  }
};

const std::vector<Field> kFields = {{"request", "6f"},
                                    {"path", Quoted{"/a \"b\"\n\\"}},
                                    {"status", int64_t{200}},
                                    {"seconds", 0.2137},
                                    {"stream", false}};

TEST_F(Log, TextIsALineOfWords) {
  EXPECT_EQ(lines_of([] { warn("a thing happened"); }), "isthmus: warning: a thing happened\n");
  EXPECT_EQ(lines_of([] { info("below the level"); }), "");
  EXPECT_EQ(lines_of([] { event(Level::kInfo, kFields); }), "");
  set_level(Level::kInfo);
  const std::string line = lines_of([] { event(Level::kInfo, kFields); });
  EXPECT_TRUE(line.starts_with("isthmus: info: time=20")) << line;
  EXPECT_TRUE(
      line.ends_with("Z request=6f path=\"/a \\\"b\\\" \\\\\" status=200 seconds=0.214 "
                     "stream=false\n"))
      << line;
}

TEST_F(Log, JsonIsAnObjectALine) {
  set_format(Format::kJson);
  const auto said = nlohmann::json::parse(lines_of([] { warn("a\nthing"); }));
  EXPECT_EQ(said.at("level"), "warning");
  EXPECT_EQ(said.at("message"), "a\nthing");
  EXPECT_EQ(said.at("time").get<std::string>().size(), std::string("2026-01-01T12:00:00Z").size());
  const auto event_line = lines_of([] { event(Level::kWarn, kFields); });
  EXPECT_EQ(std::count(event_line.begin(), event_line.end(), '\n'), 1);
  const auto event_object = nlohmann::json::parse(event_line);
  EXPECT_EQ(event_object.at("path"), "/a \"b\"\n\\");
  EXPECT_EQ(event_object.at("status"), 200);
  EXPECT_EQ(event_object.at("seconds"), 0.214);
  EXPECT_EQ(event_object.at("stream"), false);
  EXPECT_FALSE(event_object.contains("message"));
}

TEST_F(Log, JsonTakesNamesThatAreNotUtf8) {
  set_format(Format::kJson);
  const std::string line = lines_of([] { warn("caf\xe9"); });
  EXPECT_EQ(nlohmann::json::parse(line).at("message"), "caf\xEF\xBF\xBD");
}

}  // namespace
}  // namespace isthmus::log
