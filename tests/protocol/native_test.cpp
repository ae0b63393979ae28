#include "protocol/native.h"

#include <gtest/gtest.h>

#include "exchange_testing.h"

namespace isthmus::protocol {
namespace {

TEST(Native, ReadsARequestOfTheDocumentedFormat) {
  const auto exchange = opened(open_native, R"({"model": "onellm", "answers": 2, "top_logprobs": 3,
    "messages": [{"role": "user", "content": [
      {"type": "depth", "data": "QUJD", "rgb_data": "QUI=", "unit": "mm"}, {"type": "text", "text": "How far?"}]}],
    "generate": {"num_beams": 2, "max_new_tokens": 5}})");
  const serving::Question& question = exchange->questions.front();
  EXPECT_EQ(question.answers, 2);
  EXPECT_EQ(question.top_logprobs, 3);
  EXPECT_EQ(question.request.generate.num_beams, 2);
  const Part& depth = question.request.messages[0].content[0];
  EXPECT_EQ(depth.unit, "mm");
  EXPECT_EQ(depth.data.size(), 3u);
  EXPECT_EQ(depth.rgb_data.size(), 2u);
}

TEST(Native, ALengthThatIsLeftOpenIsTheServers) {
  Context with = context();
  with.defaults.max_new_tokens = 21;
  const auto exchange = opened(open_native, R"({"prompt": [{"type": "text", "text": "a"}]})", with);
  EXPECT_EQ(exchange->questions.front().request.generate.max_new_tokens, 21);
}

TEST(Native, FilesOfTheServerAreNotRead) {
  const auto with = [](const std::string& part) {
    return complaint(open_native, R"({"prompt": [)" + part + "]}");
  };
  const std::string refused =
      "request: a medium (image) names a file; send its bytes, as \"data\" and \"rgb_data\"";
  EXPECT_EQ(with(R"({"type": "image", "path": "/etc/passwd"})"), refused);
  EXPECT_EQ(with(R"({"type": "image", "data": "QUJD", "rgb": "/etc/passwd"})"), refused);
  EXPECT_EQ(with(R"({"type": "image", "data": "QUJD", "mask": "/etc/passwd"})"), refused);
}

TEST(Native, WritesAnswersAndStreamsLines) {
  const auto whole = opened(open_native, R"({"prompt": "a"})");
  take_all(*whole, hello());
  EXPECT_EQ(whole->whole()["answers"][0]["text"], "Hello");
  EXPECT_EQ(whole->whole()["answers"][0]["finish_reason"], "eos");
  EXPECT_EQ(whole->whole()["prompt_tokens"], 12);
  const auto stream = opened(open_native, R"({"prompt": "a", "stream": true})");
  const auto all = lines(streamed(*stream, hello()));
  ASSERT_EQ(all.size(), 5u);
  EXPECT_EQ(all[0]["event"], "admitted");
  EXPECT_EQ(all[1]["text"], "Hel");
  EXPECT_EQ(all[3]["timings"]["generated_tokens"], 3);
  EXPECT_EQ(all[4]["event"], "done");
}

TEST(Native, UnknownFieldsAreRefusedAsInARequestFile) {
  EXPECT_EQ(complaint(open_native, R"({"prompt": "a", "promt": 1})").substr(0, 30),
            "request: promt: unknown field;");
}

}  // namespace
}  // namespace isthmus::protocol
