#include "protocol/object_text.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/ordered_json.h"

namespace isthmus::protocol {
namespace {

std::string closed(const std::string& text) {
  ObjectText object;
  EXPECT_EQ(object.take(text), text.size()) << text;
  return object.closed(text);
}

TEST(ObjectText, EndsWithItsBracket) {
  const std::string text = R"({"a": "}\"}", "b": [{}, "]"]})";
  ObjectText object;
  EXPECT_FALSE(object.ended());
  EXPECT_EQ(object.take(text.substr(0, 9)), 9u);
  EXPECT_FALSE(object.ended());
  EXPECT_EQ(object.take(text.substr(9) + "} more"), text.size() - 9);
  EXPECT_TRUE(object.ended());
  EXPECT_EQ(object.closed(text), text);
}

TEST(ObjectText, IsAnObjectWhereverItIsCut) {
  EXPECT_EQ(closed(R"({"a": "b", "c)"), R"({"a": "b"})");
  EXPECT_EQ(closed(R"({"a": "b")"), R"({"a": "b"})");
  EXPECT_EQ(closed(R"({"a": 12)"), "{}");
  EXPECT_EQ(closed(R"({"a": 12,)"), R"({"a": 12})");
  EXPECT_EQ(closed(R"({"a": [1, ["b", tr)"), R"({"a": [1, ["b"]]})");
  EXPECT_EQ(closed(R"({"a": {"b": {}}, "c": "\)"), R"({"a": {"b": {}}})");
  const std::string text =
      R"({"a\"": ["b\\", {"c": null, "d": {}}, -1.5e3], "e": {"f": "g"}, "h": []})";
  for (size_t size = 1; size <= text.size(); ++size) {
    const auto json = OrderedJson::parse(closed(text.substr(0, size)), nullptr, false);
    EXPECT_TRUE(json.is_object()) << text.substr(0, size);
  }
  EXPECT_EQ(closed(""), "");
}

TEST(ObjectText, IsNotTakenFurtherThanItMayBeDeep) {
  const std::string deep(ObjectText::kDeepest + 9, '[');
  ObjectText object;
  EXPECT_EQ(object.take("{\"a\": " + deep), 6 + ObjectText::kDeepest - 1);
  EXPECT_FALSE(object.ended());
  EXPECT_FALSE(parse_shallow(deep + std::string(deep.size(), ']')).is_array());
}

}  // namespace
}  // namespace isthmus::protocol
