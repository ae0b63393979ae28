#include "protocol/embeddings.h"

#include <gtest/gtest.h>

#include "exchange_testing.h"

namespace isthmus::protocol {
namespace {

Points read(const std::string& text) {
  Points points;
  const JsonView json = parse_body(text);
  reading_a_request([&] { points = read_points(json, context()); });
  return points;
}

TEST(Embeddings, OfTextsAndMedia) {
  EXPECT_EQ(read(R"({"input": "a"})").inputs.size(), 1u);
  const Points all = read(R"({"input": ["a", {"type": "image", "data": "QUJD"}]})");
  ASSERT_EQ(all.inputs.size(), 2u);
  EXPECT_EQ(all.inputs[1].modality, "image");
  EXPECT_FALSE(all.base64);
}

TEST(Embeddings, AreNumbersOrBase64) {
  Points asked;
  const std::vector<std::vector<float>> points{{1.0f, -0.5f}};
  EXPECT_EQ(openai_points(asked, points, 3, context())["data"][0]["embedding"], Json({1.0, -0.5}));
  asked.base64 = true;
  // 0x3f800000 and 0xbf000000, least significant byte first
  EXPECT_EQ(openai_points(asked, points, 3, context())["data"][0]["embedding"], "AACAPwAAAL8=");
  EXPECT_EQ(ollama_points(points, context())["embeddings"][0], Json({1.0, -0.5}));
}

TEST(Embeddings, WhatIsWrongIsNamed) {
  const auto wrong = [](const std::string& text) {
    return message_of<UsageError>([&] { read(text); });
  };
  EXPECT_EQ(wrong("{}"), "request: input: missing");
  EXPECT_EQ(wrong(R"({"input": []})"), "request: input: is empty");
  EXPECT_EQ(wrong(R"({"input": [[1, 2]]})"),
            "request: input[0]: lists of token ids are not read here; send text");
  EXPECT_EQ(wrong(R"({"input": "a", "encoding_format": "int8"})"),
            "request: encoding_format: \"int8\" is neither float nor base64");
}

}  // namespace
}  // namespace isthmus::protocol
