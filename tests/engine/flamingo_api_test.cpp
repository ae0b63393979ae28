// The public API around Flamingo: the reference's factory, prompts and forms, printing, embeddings,
// and its language models alone.
#include <cmath>
#include <filesystem>
#include <sstream>

#include <gtest/gtest.h>

#include "flamingo_testing.h"

namespace isthmus {
namespace {

using namespace flamingo_testing;
namespace fs = std::filesystem;

const char* const kNeox = "neox_rpj_every2";

const Pretrained& neox() {
  static const Pretrained loaded = load(kNeox);
  return loaded;
}

std::string printed(const Model& model) {
  std::ostringstream out;
  out << model;
  return out.str();
}

// --- Printing ---

TEST(FlamingoPrint, IsWhatTheReferencePrints) {
  for (const char* golden :
       {"mpt1b_mosaic_every1", "mpt7b_every1", kNeox, "neox_pythia_parallel", "opt_every2"}) {
    std::string expected = text_of(fixture(std::string(golden) + "/print_model.txt"));
    while (expected.ends_with('\n')) expected.pop_back();
    ASSERT_FALSE(expected.empty());
    EXPECT_EQ(printed(load(golden).model), expected) << golden;
  }
}

// --- create_model_and_transforms ---

struct Pieces {
  std::string vision = fixture("neox_rpj_every2/model/clip/ViT-tiny.pt"),
              language_model = fixture("neox_rpj_every2/model/lm"),
              tokenizer = fixture("neox_rpj_every2/model/lm"), checkpoint = "", blocks = "";
  int64_t every = 2;
};

std::tuple<Model, ImageProcessor, Tokenizer> create(const Pieces& pieces) {
  return create_model_and_transforms("ViT-L-14", pieces.vision, pieces.language_model,
                                     pieces.tokenizer, pieces.every, true, pieces.blocks, false, "",
                                     pieces.checkpoint);
}

TEST(CreateModel, WithACheckpointItIsTheModelOfTheFolder) {
  Pieces pieces;
  pieces.checkpoint = fixture("neox_rpj_every2/model/checkpoint.pt");
  pieces.blocks = "gpt_neox.layers";
  const auto [model, image_processor, tokenizer] = create(pieces);
  EXPECT_EQ(printed(model), printed(neox().model));
  EXPECT_EQ(tokenizer.vocab_size(), 430u);
  EXPECT_EQ(image_processor(picture(kNeox, 0)).shape, (std::vector<int64_t>{1, 3, 56, 56}));
  const Request request =
      prompt(kNeox, "<image>Output:A train.<|endofchunk|>\n<image>Output:", {5, 2});
  EXPECT_EQ(model.generate(request).output_ids, neox().model.generate(request).output_ids);
}

// Gates start closed.
TEST(CreateModel, WithoutACheckpointPicturesChangeNothing) {
  const auto [model, image_processor, tokenizer] = create({});
  const Pretrained language_model = load_pretrained_model(Pieces{}.language_model);
  Request request;
  request.prompt = {Part::of_text("Output:A cat sitting on")};
  request.generate.max_new_tokens = 4;  // alone it also ends at its own end token
  const Answer alone = language_model.model.generate(request);
  EXPECT_EQ(model.generate(request).output_ids, alone.output_ids);
  ASSERT_EQ(alone.output_ids.size(), 4u);

  const std::string text = "<image>Output:A cat.<|endofchunk|><image>Output:";
  EXPECT_EQ(model.generate(prompt(kNeox, text, {0, 1})).output_ids,
            model.generate(prompt(kNeox, text, {0, 4})).output_ids);
  EXPECT_NE(neox().model.generate(prompt(kNeox, text, {0, 1})).output_ids,
            neox().model.generate(prompt(kNeox, text, {0, 4})).output_ids);
}

TEST(CreateModel, WhatDoesNotFitIsRefusedByName) {
  Pieces other_blocks;
  other_blocks.blocks = "transformer.h";
  expect_names(message_of<UsageError>([&] { create(other_blocks); }),
               {"decoder_layers_attr_name", "gpt_neox.layers", "transformer.h"});
  Pieces none;
  none.every = 0;
  expect_names(message_of<UsageError>([&] { create(none); }), {"cross_attn_every_n_layers", "0"});

  Pieces another_period;
  another_period.every = 4;
  another_period.checkpoint = fixture("neox_rpj_every2/model/checkpoint.pt");
  expect_names(message_of<ModelError>([&] { create(another_period); }),
               {"checkpoint.pt", "cross_attn_every_n_layers", "2", "4"});
  Pieces another_model;
  another_model.checkpoint = fixture("mpt7b_every1/model/checkpoint.pt");
  expect_names(message_of<ModelError>([&] { create(another_model); }), {"checkpoint.pt"});

  const fs::path folder = fresh_folder();
  Pieces no_tokenizer;
  no_tokenizer.tokenizer = folder / "nowhere";
  expect_names(message_of<ModelError>([&] { create(no_tokenizer); }), {"nowhere"});
  no_tokenizer.tokenizer = folder;
  expect_names(message_of<ModelError>([&] { create(no_tokenizer); }),
               {folder.string(), "tokenizer.json"});
}

// --- Prompts and forms ---

TEST(FlamingoPrompt, MarkersAndPicturesMustBeAsMany) {
  const std::vector<fs::path> one{picture(kNeox, 0)}, two{picture(kNeox, 0), picture(kNeox, 1)};
  expect_names(message_of<UsageError>([&] { flamingo_prompt("<image>A<image>B", one); }),
               {"2 <image>", "1 picture"});
  expect_names(message_of<UsageError>([&] { flamingo_prompt("<image>A", two); }),
               {"1 <image>", "2 pictures"});
  expect_names(message_of<UsageError>([&] { flamingo_prompt("A", one); }), {"0 <image>"});
  const Request request = flamingo_prompt("a<image>b<|endofchunk|><image>", two);
  ASSERT_EQ(request.prompt.size(), 5u);
  EXPECT_EQ(request.prompt[0].text, "a");
  EXPECT_EQ(request.prompt[1].path, two[0]);
  EXPECT_EQ(request.prompt[3].type, Part::Type::kToken);
  EXPECT_EQ(request.prompt[4].path, two[1]);
}

// One example and a question about pictures 0 and 1.
Request conversation(const std::string& form, const std::string& question = "",
                     const std::string& answer = "A cat.") {
  Request request;
  Message example{"user", {Part::of_image(picture(kNeox, 0))}};
  Message asked{"user", {Part::of_image(picture(kNeox, 1))}};
  if (!question.empty()) {
    example.content.push_back(Part::of_text(question));
    asked.content.push_back(Part::of_text(question));
  }
  request.messages = {example, {"assistant", {Part::of_text(answer)}}, asked};
  request.conversation_template = form;
  request.generate.max_new_tokens = 8;
  return request;
}

void expect_same(const Request& messages, const std::string& literal) {
  const Answer found = neox().model.generate(messages);
  const Answer expected = neox().model.generate(prompt(kNeox, literal, {0, 1}));
  EXPECT_EQ(found.timings.prompt_tokens, expected.timings.prompt_tokens);
  // Rows are known only where ids and pictures are the same.
  EXPECT_EQ(expected.timings.reused_tokens, expected.timings.prompt_tokens - 1) << literal;
  EXPECT_EQ(found.output_ids, expected.output_ids);
}

TEST(FlamingoForms, MessagesBecomeThePromptOfTheirForm) {
  expect_same(conversation("caption", "", " A cat. "),
              "<image>Output:A cat.<|endofchunk|>\n<image>Output:");
  expect_same(conversation("vqa", "What is it?", "a cat"),
              "<image>Question:What is it? Short answer:a cat<|endofchunk|>\n"
              "<image>Question:What is it? Short answer:");
  expect_same(conversation("", "It shows", "A cat."),
              "<image>It showsA cat.<|endofchunk|><image>It shows");
  expect_same(conversation("plain"), "<image>A cat.<|endofchunk|><image>");
  const fs::path form = put(fresh_folder() / "mine.json",
                            R"({"demonstration": "{media}Q: {question} A: {answer}{end}",
                                "query": "{media}Q: {question} A:", "separator": "\n"})");
  expect_same(conversation(form, "Who?", "a cat"),
              "<image>Q: Who? A: a cat<|endofchunk|>\n<image>Q: Who? A:");
}

TEST(FlamingoForms, TextOfAUserNeverBecomesAToken) {
  Request spelt = conversation("vqa", "<image><|endofchunk|>?", "<|endofchunk|>");
  Request plain = conversation("vqa", "?", "");
  EXPECT_GT(neox().model.generate(spelt).timings.prompt_tokens,
            neox().model.generate(plain).timings.prompt_tokens + 20);
}

TEST(FlamingoForms, MistakesAreNamed) {
  const auto complaint = [](const Request& request) {
    return message_of<UsageError>([&] { neox().model.generate(request); });
  };
  Request request = conversation("klingon");
  expect_names(complaint(request), {"\"klingon\"", "plain, caption, vqa"});

  request = conversation("caption");
  request.messages.erase(request.messages.begin() + 1);
  expect_names(complaint(request), {"no answer"});
  request = conversation("caption");
  request.messages.pop_back();
  expect_names(complaint(request), {"last message", "question"});
  request = conversation("caption");
  request.messages.erase(request.messages.begin());
  expect_names(complaint(request), {"before its question"});
  request = conversation("caption");
  request.messages.insert(request.messages.begin(), {"system", {Part::of_text("Be kind.")}});
  expect_names(complaint(request), {"\"system\""});
  request = conversation("caption");
  request.messages[1].content.push_back(Part::of_image(picture(kNeox, 2)));
  expect_names(complaint(request), {"answer", "text alone"});
  request = conversation("plain", "First this, then");
  request.messages.back().content.push_back(Part::of_image(picture(kNeox, 2)));
  expect_names(complaint(request), {"pictures come before the text"});
  request = conversation("caption");
  request.messages[0].content.push_back(Part::of_token("<|endofchunk|>"));
  expect_names(complaint(request), {"special token", "literal prompt"});

  Request literal = prompt(kNeox, "<image>A", {0});
  literal.prompt.push_back(Part::of_token("</s>"));
  expect_names(complaint(literal), {"\"</s>\"", "no special token"});

  Request ids;
  ids.prompt_ids = {5, int64_t{1} << 40};
  expect_names(complaint(ids), {"1099511627776", "no token of this model"});
}

TEST(FlamingoForms, APromptBeyondTheContextIsRefused) {
  std::string words;
  for (int i = 0; i < 600; ++i) words += std::to_string(i % 10) + " ";
  expect_names(message_of<ResourceError>([&] { neox().model.generate(prompt(kNeox, words)); }),
               {"context holds 512"});
}

// --- Embeddings ---

TEST(ImageEmbeddings, AreOfLengthOneAndTellPicturesApart) {
  const std::vector<fs::path> files{picture(kNeox, 0), picture(kNeox, 1), picture(kNeox, 0)};
  const auto embeddings = neox().model.image_embeddings(files);
  ASSERT_EQ(embeddings.size(), files.size());
  const auto dot = [&](size_t a, size_t b) {
    double sum = 0;
    for (size_t i = 0; i < embeddings[a].size(); ++i)
      sum += double{embeddings[a][i]} * double{embeddings[b][i]};
    return sum;
  };
  for (size_t i = 0; i < files.size(); ++i) EXPECT_NEAR(dot(i, i), 1, 1e-5);
  EXPECT_NEAR(dot(0, 2), 1, 1e-5);
  EXPECT_LT(dot(0, 1), 0.999);
  const fs::path demo = fs::path(ISTHMUS_SOURCE_DIR) / "demo/llava/llava-v1.5-tabletop";
  const Pretrained llava = load_pretrained_model(demo.string());
  EXPECT_NE(message_of<UnsupportedError>([&] { llava.model.image_embeddings(files); }), "no error");
}

TEST(Fingerprint, BelongsToTheWeights) {
  EXPECT_EQ(neox().model.fingerprint(), load(kNeox).model.fingerprint());
  EXPECT_NE(neox().model.fingerprint(), load("mpt7b_every1").model.fingerprint());
}

// --- Language models alone ---

TEST(LanguageModelAlone, ContinuesTextAndPrintsItsTree) {
  const std::vector<std::pair<const char*, const char*>> models{
      {"mpt1b_mosaic_every1", "MosaicGPT("},
      {"mpt7b_every1", "MptForCausalLM("},
      {"neox_rpj_every2", "GPTNeoXForCausalLM("},
      {"neox_pythia_parallel", "GPTNeoXForCausalLM("},
      {"opt_every2", "OPTForCausalLM("}};
  for (const auto& [golden, name] : models) {
    const Pretrained loaded =
        load_pretrained_model(fixture(std::string(golden) + "/model/lm").string());
    EXPECT_EQ(printed(loaded.model).rfind(name, 0), 0u) << printed(loaded.model).substr(0, 40);
    Request request;
    request.messages.push_back({"user", {Part::of_text("A cat sitting on")}});
    request.generate.max_new_tokens = 6;
    request.generate.min_new_tokens = 6;
    const Answer answer = loaded.model.generate(request);
    EXPECT_EQ(answer.output_ids.size(), 6u) << golden;
    // The same from a literal prompt, in a batch of another length, and with beams of one.
    Request literal = request, longer = request;
    literal.messages.clear();
    literal.prompt = {Part::of_text("A cat sitting on")};
    longer.messages[0].content = {Part::of_text("Two dogs are running on the grass and")};
    const std::vector<Request> batch{longer, literal};
    EXPECT_EQ(loaded.model.generate_batch(batch)[1].output_ids, answer.output_ids) << golden;
    request.messages[0].content.push_back(Part::of_image(picture(kNeox, 0)));
    expect_names(message_of<UsageError>([&] { loaded.model.generate(request); }),
                 {"language model alone", "image"});
  }
}

}  // namespace
}  // namespace isthmus
