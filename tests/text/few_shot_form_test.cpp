#include "text/few_shot_form.h"

#include "isthmus/error.h"
#include "text_testing.h"

namespace isthmus::text {
namespace {

// Pictures as <image>, tokens in brackets: what the reference would tokenise.
std::string spelt(const std::vector<Part>& parts) {
  std::string text;
  for (const Part& part : parts) {
    if (part.type == Part::Type::kMedia) text += "<image>";
    if (part.type == Part::Type::kToken) text += part.text;
    if (part.type == Part::Type::kText) text += part.text;
  }
  return text;
}

const std::vector<FewShotItem> kShots{
    {.media = {Part::of_image("a.jpg")}, .question = "What is it?", .ocr = "one", .answer = " A cat. "},
    {.media = {Part::of_image("b.jpg")}, .question = "Which color?", .ocr = "two", .answer = "red"}};
const FewShotItem kQuery{
    .media = {Part::of_image("q.jpg")}, .prompt = "An image of", .question = "How many?", .ocr = "three"};

TEST(FewShotForm, TheFormsOfTheReferenceAreExact) {
  const auto render = [](const char* name) {
    return spelt(render_few_shot(find_few_shot_form(name), kShots, kQuery));
  };
  EXPECT_EQ(render("caption"),
            "<image>Output:A cat.<|endofchunk|>\n<image>Output:red<|endofchunk|>\n<image>Output:");
  EXPECT_EQ(render("vqa"),
            "<image>Question:What is it? Short answer: A cat. <|endofchunk|>\n"
            "<image>Question:Which color? Short answer:red<|endofchunk|>\n"
            "<image>Question:How many? Short answer:");
  EXPECT_EQ(render("classification"),
            "<image>Output: A cat. <|endofchunk|><image>Output:red<|endofchunk|><image>Output:");
  EXPECT_EQ(render("hateful_memes"),
            "<image>is an image with: 'one' written on it. Is it hateful? Answer: A cat. "
            "<|endofchunk|>"
            "<image>is an image with: 'two' written on it. Is it hateful? Answer:red<|endofchunk|>"
            "<image>is an image with: 'three' written on it. Is it hateful? Answer:");
  EXPECT_EQ(render("plain"),
            "<image> A cat. <|endofchunk|><image>red<|endofchunk|><image>An image of");
}

TEST(FewShotForm, ADemonstrationCanBeWrittenOut) {
  const auto form = find_few_shot_form("{media}: {question} {answer}{end}");
  EXPECT_EQ(form.query, "{media}: {question}");  // the blank is the answer's
  EXPECT_EQ(spelt(render_few_shot(form, {}, kQuery)), "<image>: How many?");
  const SolvedExample solved = render_solved(form, kShots[1]);
  EXPECT_EQ(spelt(solved.given), "<image>: Which color?");
  EXPECT_EQ(spelt(solved.answer), " red<|endofchunk|>");
  EXPECT_EQ(spelt(render_solved(find_few_shot_form("caption"), kShots[0]).answer),
            "A cat.<|endofchunk|>");
  EXPECT_THROW(find_few_shot_form("{media}{what}{answer}"), UsageError);
  FewShotForm other = form;
  other.query = "{question}";
  EXPECT_THROW(render_solved(other, kShots[0]), UsageError);
}

TEST(FewShotForm, ZeroShotsShowTheFormWithoutPictures) {
  const auto parts =
      render_few_shot(find_few_shot_form("caption"), kShots, kQuery, DemonstrationMedia::kLeftOut);
  EXPECT_EQ(spelt(parts), "Output:A cat.<|endofchunk|>\nOutput:red<|endofchunk|>\n<image>Output:");
  EXPECT_EQ(std::count_if(parts.begin(), parts.end(),
                          [](const Part& part) { return part.type == Part::Type::kMedia; }),
            1);
}

TEST(FewShotForm, TextOfExamplesStaysTextAndJoinsTheTextAroundIt) {
  const std::vector<FewShotItem> shots{{.media = {Part::of_image("a.jpg")}, .answer = "<|endofchunk|><image>{end}"}};
  const auto parts = render_few_shot(find_few_shot_form("caption"), shots, kQuery);
  ASSERT_EQ(parts.size(), 6u);
  EXPECT_EQ(parts[0].path, "a.jpg");
  EXPECT_EQ(parts[1].type, Part::Type::kText);
  EXPECT_EQ(parts[1].text, "Output:<|endofchunk|><image>{end}");
  EXPECT_EQ(parts[2].type, Part::Type::kToken);
  EXPECT_EQ(parts[2].text, "<|endofchunk|>");
  EXPECT_EQ(parts[3].text, "\n");
}

TEST(FewShotForm, AFileHoldsAFormOfOnesOwn) {
  const auto folder = fresh_folder("few_shot");
  const auto file = folder / "mine.json";
  write_text(file, R"({"demonstration": "{media}{{{question}}} -> {answer}{end}",
                       "query": "{media}{{{question}}} ->", "separator": " ",
                       "end_token": "</s>", "strip_answer": true})");
  const auto form = find_few_shot_form(file.string());
  EXPECT_EQ(form.name, "mine");
  EXPECT_EQ(spelt(render_few_shot(form, std::span(kShots).first(1), kQuery)),
            "<image>{What is it?} -> A cat.</s> <image>{How many?} ->");
}

TEST(FewShotForm, WhatIsWrongWithAFormIsNamed) {
  const auto complaint = [](const std::string& json) {
    return message_of([&] { FewShotForm::parse(json, "f.json"); });
  };
  EXPECT_EQ(complaint(R"({"query": "q"})"), "f.json: demonstration: missing");
  EXPECT_EQ(complaint(R"({"demonstration": "x", "query": "q"})"),
            "f.json: demonstration: {answer} is missing");
  EXPECT_EQ(complaint(R"({"demonstration": "{answer}", "query": "{answer}"})"),
            "f.json: query: {answer} is what the model is asked for");
  EXPECT_EQ(complaint(R"({"demonstration": "{anwser}", "query": ""})"),
            "f.json: demonstration: there is no field {anwser}; known are {media} {prompt} "
            "{question} {ocr} {answer} {end}");
  EXPECT_EQ(complaint(R"({"demonstration": "{answer}}", "query": ""})"),
            "f.json: demonstration: the brace at character 9 has no partner; write {{ or }} for a "
            "brace that is text");
  EXPECT_EQ(complaint(R"({"demonstration": "{media}{media}{answer}", "query": ""})"),
            "f.json: an example has one picture; {media} stands there twice");
  EXPECT_EQ(complaint(R"({"demonstration": "{answer}", "query": "", "sep": "x"})"),
            "f.json: sep: unknown field; known here are name, demonstration, query, separator, "
            "end_token, strip_answer, stop");
  EXPECT_EQ(message_of([] { find_few_shot_form("capton"); }),
            "there is no prompt form \"capton\"; known are plain, caption, vqa, classification, "
            "hateful_memes, or give a file FORM.json, or a demonstration with {answer}");
  EXPECT_THROW(find_few_shot_form("capton"), UsageError);
}

TEST(FewShotForm, KnowsWhereAnAnswerBeginsToAskTheNextQuestion) {
  EXPECT_TRUE(find_few_shot_form("plain").stop.empty());
  EXPECT_EQ(find_few_shot_form("caption").stop, (std::vector<std::string>{"Output"}));
  EXPECT_EQ(find_few_shot_form("vqa").stop,
            (std::vector<std::string>{"Question", "Answer", "Short"}));
  const auto form = FewShotForm::parse(
      R"({"demonstration": "{answer}", "query": "", "stop": ["\nQ:", "A:"]})", "f.json");
  EXPECT_EQ(form.stop, (std::vector<std::string>{"\nQ:", "A:"}));
}

TEST(FewShotForm, AnExampleWithoutPictureIsItsTextAlone) {
  const std::vector<FewShotItem> shots{{.answer = "A cat."}};
  EXPECT_EQ(spelt(render_few_shot(find_few_shot_form("plain"), shots, kQuery)),
            "A cat.<|endofchunk|><image>An image of");
}

}  // namespace
}  // namespace isthmus::text
