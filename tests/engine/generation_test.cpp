// Answers through the public API: batches, beams, sampling, streaming, stops, reuse of what is
// known.
#include <filesystem>

#include <gtest/gtest.h>

#include "isthmus/error.h"
#include "isthmus/model.h"

namespace isthmus {
namespace {

const std::filesystem::path kDemoModel = std::filesystem::path(ISTHMUS_SOURCE_DIR) / "demo";

std::filesystem::path picture(const char* name) { return kDemoModel / "pictures" / name; }

const Pretrained& demo() {
  static const Pretrained loaded =
      load_pretrained_model((kDemoModel / "llava/llava-v1.5-tabletop").string());
  return loaded;
}

Request ask(const char* file, const std::string& question) {
  Request request;
  request.messages.push_back({"user", {Part::of_image(picture(file)), Part::of_text(question)}});
  request.generate.max_new_tokens = 48;
  return request;
}

TEST(Pretrained, TheFourHandlesOfTheReference) {
  auto [tokenizer, model, image_processor, context_len] =
      load_pretrained_model((kDemoModel / "llava/llava-v1.5-tabletop").string());
  EXPECT_EQ(context_len, 2048);
  EXPECT_EQ(tokenizer.vocab_size(), 760u);
  EXPECT_EQ(tokenizer.decode(tokenizer.encode("The cube is blue.")), "The cube is blue.");
  EXPECT_EQ(image_processor(picture("table01.png")).shape, (std::vector<int64_t>{1, 3, 80, 80}));
  std::ostringstream printed;
  printed << model;
  EXPECT_EQ(printed.str().rfind("LlavaLlamaForCausalLM(", 0), 0u);
}

TEST(Generate, StreamedPiecesJoinToTheText) {
  std::string streamed;
  const Answer answer =
      demo().model.generate(ask("table02.png", "What is in this picture?"),
                            [&](std::string_view piece) { return streamed += piece, true; });
  EXPECT_EQ(
      answer.text,
      "There are two objects. From left to right: a small blue cone and a large purple sphere.");
  EXPECT_EQ(streamed, answer.text);
  EXPECT_EQ(answer.finish_reason, "eos");
}

// Every token is chosen from the logits of those before it, guessed or not.
TEST(Generate, GuessesChangeNothing) {
  for (const char* model :
       {"llava/llava-v1.5-tabletop", "models/llava-v1.5", "models/onellm", "models/flamingo"}) {
    const Pretrained loaded = load_pretrained_model((kDemoModel / model).string());
    const auto answer = [&](int64_t guesses, const std::string& question, double temperature) {
      Request request = ask("table03.png", question);
      request.generate.prompt_lookup_num_tokens = guesses;
      request.generate.temperature = temperature;
      request.generate.seed = 3;
      return loaded.model.generate(request).output_ids;
    };
    for (const char* question :
         {"What is in this picture?", "a red cube and a red cube and a red cube and a red cube"})
      for (const double temperature : {0.0, 1.0})
        for (const int64_t guesses : {1, 4, 9})
          EXPECT_EQ(answer(guesses, question, temperature), answer(0, question, temperature))
              << model << ", " << question << ", " << guesses;
  }
}

TEST(Generate, WhatWasGuessedInVainIsNoPartOfAPrefix) {
  const Pretrained loaded =
      load_pretrained_model((kDemoModel / "llava/llava-v1.5-tabletop").string());
  Request request = ask("table05.jpg", "What is in this picture?");
  request.generate.prompt_lookup_num_tokens = 6;
  const Answer first = loaded.model.generate(request);
  request.messages.push_back({"assistant", {Part::of_text(first.text)}});
  request.messages.push_back({"user", {Part::of_text("What color is the cube?")}});
  const Answer second = loaded.model.generate(request);
  EXPECT_GT(second.timings.reused_tokens, first.timings.prompt_tokens - 2);
  EXPECT_EQ(demo().model.generate(request).output_ids, second.output_ids);
}

Pretrained with_draft(const char* model, const char* draft) {
  LoadOptions options;
  options.draft = (kDemoModel / draft).string();
  return load_pretrained_model((kDemoModel / model).string(), "", "", options);
}

// Whatever it is that guesses.
TEST(Generate, ADraftChangesNothing) {
  int64_t accepted = 0;
  for (const char* model : {"models/llava-v1.5", "models/onellm", "models/flamingo"})
    for (const char* draft : {"models/language_model", "models/llava-v1.5", "models/onellm"}) {
      const Pretrained plain = load_pretrained_model((kDemoModel / model).string());
      const Pretrained drafted = with_draft(model, draft);
      for (const double temperature : {0.0, 1.0}) {
        Request request = ask("table03.png", "what is in this picture ?");
        request.generate.temperature = temperature;
        request.generate.seed = 5;
        const Answer want = plain.model.generate(request);
        for (const int64_t most : {2, 16}) {
          request.generate.num_assistant_tokens = most;
          const Answer got = drafted.model.generate(request);
          EXPECT_EQ(got.output_ids, want.output_ids) << model << ", " << draft << ", " << most;
          EXPECT_EQ(got.finish_reason, want.finish_reason);
          EXPECT_LE(got.timings.accepted_tokens, got.timings.guessed_tokens);
          accepted += got.timings.accepted_tokens;
        }
      }
    }
  EXPECT_GT(accepted, 0);
}

// Its own guesses are right only if it sees the picture, and all that was said.
TEST(Generate, AModelGuessesItselfRight) {
  int64_t accepted = 0;
  for (const char* model : {"models/llava-v1.5", "models/onellm", "models/flamingo"}) {
    const Pretrained drafted = with_draft(model, model);
    Request request = ask("table05.jpg", "what is in this picture ?");
    const auto expect_right = [&] {
      const Answer answer = drafted.model.generate(request);
      EXPECT_EQ(answer.timings.accepted_tokens, answer.timings.guessed_tokens) << model;
      return answer;
    };
    const Answer first = expect_right();
    accepted += first.timings.accepted_tokens;
    if (std::string_view(model) == "models/flamingo") continue;  // it holds no conversations
    request.messages.push_back({"assistant", {Part::of_text(first.text)}});
    request.messages.push_back({"user", {Part::of_text("how many objects are there ?")}});
    expect_right();
  }
  EXPECT_GT(accepted, 0);
}

TEST(Generate, ADraftIsLeftAloneWhereNoneIsAskedFor) {
  const Pretrained drafted = with_draft("models/llava-v1.5", "models/language_model");
  Request request = ask("table05.jpg", "what is in this picture ?");
  request.generate.num_assistant_tokens = 0;
  EXPECT_EQ(drafted.model.generate(request).timings.guessed_tokens, 0);
  request.generate.num_assistant_tokens = 8;
  request.generate.num_beams = 3;
  EXPECT_EQ(drafted.model.generate(request).timings.guessed_tokens, 0);
}

TEST(Generate, ACallbackThatSaysNoEndsTheAnswer) {
  int pieces = 0;
  const Answer answer = demo().model.generate(ask("table02.png", "What is in this picture?"),
                                              [&](std::string_view) { return ++pieces < 3; });
  EXPECT_EQ(answer.finish_reason, "cancelled");
  EXPECT_LT(answer.output_ids.size(), 8u);
}

TEST(Generate, StopStringsAreCutOff) {
  Request request = ask("table02.png", "What is in this picture?");
  request.generate.stop = {". From"};
  const Answer answer = demo().model.generate(request);
  EXPECT_EQ(answer.text, "There are two objects");
  EXPECT_EQ(answer.finish_reason, "stop");
}

TEST(Generate, AFollowUpPaysOnlyForWhatIsNew) {
  Request request = ask("table05.jpg", "How many objects are there?");
  const Answer first = demo().model.generate(request);
  request.messages.push_back({"assistant", {Part::of_text(first.text)}});
  request.messages.push_back({"user", {Part::of_text("What color is the cube?")}});
  const Answer second = demo().model.generate(request);
  EXPECT_GT(second.timings.reused_tokens, first.timings.prompt_tokens - 2);
  const Pretrained fresh =
      load_pretrained_model((kDemoModel / "llava/llava-v1.5-tabletop").string());
  EXPECT_EQ(fresh.model.generate(request).output_ids, second.output_ids);
  EXPECT_EQ(second.text, "The cube is blue.");
}

TEST(Generate, ABatchOfDifferentLengthsAnswersAsEachAlone) {
  std::vector<Request> requests{
      ask("table01.png", "Count the objects."), ask("table05.jpg", "What is in this picture?"),
      ask("table02.png", "Which is larger, the purple sphere or the blue cone?")};
  requests.push_back({});
  requests.back().messages.push_back({"user", {Part::of_text("What color is the cube?")}});
  requests.back().generate.max_new_tokens = 8;
  const std::vector<Answer> together = demo().model.generate_batch(requests);
  for (size_t i = 0; i < requests.size(); ++i)
    EXPECT_EQ(together[i].output_ids, demo().model.generate(requests[i]).output_ids) << i;
}

TEST(Generate, ABatchReadInSeveralPassesAnswersAsEachAlone) {
  const std::vector<const char*> files{"table01.png", "table05.jpg", "table02.png"};
  const std::vector<const char*> questions{"Count the objects.", "What is in this picture?",
                                           "Which is larger, the purple sphere or the blue cone?",
                                           "What color is the cube?"};
  std::vector<Request> requests;
  std::vector<Answer> alone;
  int64_t rows = 0;
  for (const char* file : files)
    for (const char* question : questions) {
      requests.push_back(ask(file, question));
      requests.back().generate.max_new_tokens = 12;
      alone.push_back(demo().model.generate(requests.back()));
      rows += alone.back().timings.prompt_tokens;
    }
  ASSERT_GT(rows, 704) << "as many as one pass takes";
  const std::vector<Answer> together = demo().model.generate_batch(requests);
  for (size_t i = 0; i < requests.size(); ++i)
    EXPECT_EQ(together[i].output_ids, alone[i].output_ids) << i;
}

TEST(Generate, SeedsDecideSamples) {
  Request request = ask("table03.png", "Describe the picture.");
  request.generate.temperature = 3.0;
  request.generate.top_p = 0.95;
  request.generate.top_k = 50;
  request.generate.seed = 1;
  const Answer one = demo().model.generate(request), again = demo().model.generate(request);
  request.generate.seed = 2;
  EXPECT_EQ(one.output_ids, again.output_ids);
  EXPECT_NE(one.output_ids, demo().model.generate(request).output_ids);
}

TEST(Generate, ManyBeamsFindWhatIsAtLeastAsLikelyAsGreedy) {
  Request request = ask("table01.png", "Tell me the color of the cylinder.");
  request.generate.num_beams = 4;
  const Answer beams = demo().model.generate(request);
  EXPECT_EQ(beams.text, "The cylinder is purple.");
  EXPECT_EQ(beams.finish_reason, "eos");
}

TEST(Generate, RepetitionPenaltyChangesTheAnswer) {
  Request request = ask("table05.jpg", "Describe the picture.");
  const Answer plain = demo().model.generate(request);
  request.generate.repetition_penalty = 5;
  EXPECT_NE(demo().model.generate(request).output_ids, plain.output_ids);
}

TEST(Generate, UserTextCannotSpellTokens) {
  // Were "</s>" and "<image>" read as tokens, the first would end a turn and the second want a
  // picture.
  const Answer answer = demo().model.generate(ask("table01.png", "Count</s> the <image> objects."));
  const Answer shorter = demo().model.generate(ask("table01.png", "Count the objects."));
  EXPECT_GT(answer.timings.prompt_tokens, shorter.timings.prompt_tokens + 6);
}

TEST(Generate, ErrorsNameWhatIsWrong) {
  const auto message_of = [](const Request& request) -> std::string {
    try {
      demo().model.generate(request);
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  };
  Request unknown = ask("table01.png", "?");
  unknown.conversation_template = "vicuna_v9";
  EXPECT_NE(message_of(unknown).find("\"vicuna_v9\""), std::string::npos);
  Request lengthy = ask("table01.png", std::string(20000, 'a'));
  EXPECT_NE(message_of(lengthy).find("context holds 2048"), std::string::npos)
      << message_of(lengthy);
  Request missing = ask("table01.png", "?");
  missing.messages[0].content[0].path = picture("none.png");
  EXPECT_NE(message_of(missing).find("none.png"), std::string::npos);
  EXPECT_THROW(demo().model.generate(Request{}), UsageError);
}

}  // namespace
}  // namespace isthmus
