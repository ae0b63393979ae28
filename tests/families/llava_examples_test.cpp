// Which tokens of a LLaVA conversation carry loss, template by template, and templates that do not
// fit a tokenizer.
#include "families/llava/examples.h"

#include <filesystem>
#include <initializer_list>

#include <gtest/gtest.h>

#include "error_message.h"
#include "text/tokenize_prompt.h"

namespace isthmus::families::llava {
namespace {

using samples::Sample;
using Tokenizer = std::shared_ptr<const text::Tokenizer>;

Tokenizer load_tokenizer(const std::string& folder, const std::vector<std::string>& added = {}) {
  const auto loaded = text::Tokenizer::load(std::filesystem::path(ISTHMUS_FIXTURES) / folder);
  return added.empty() ? loaded : loaded->with_added_tokens(added);
}

const std::vector<std::string> kTurnMarks{"<|im_start|>", "<|im_end|>"};

// With BOS, by the rules before and after 4.31 of transformers.
Tokenizer legacy(const std::vector<std::string>& added = {}) {
  return load_tokenizer("llava/tokenizer_prompts/model/legacy_true", added);
}
Tokenizer sentencepiece(const std::vector<std::string>& added = {}) {
  return load_tokenizer("llava/tokenizer_prompts/model/legacy_false", added);
}
// Made for the words between turns of v1, whose lengths others do not keep.
Tokenizer vicuna(const std::vector<std::string>& added = {}) {
  return load_tokenizer("llava/train_stage1/model/vicuna-tiny", added);
}
// Without BOS, as MPT's.
Tokenizer neox(const std::vector<std::string>& added = {}) {
  return load_tokenizer("openflamingo/neox_pythia_parallel/model/lm", added);
}

Sample conversation(bool with_picture) {
  Sample sample;
  sample.name = "chat[0]";
  sample.turns = {{"user", with_picture ? "What is it?\n<image>" : "What is it?"},
                  {"assistant", "A red ball."},
                  {"user", "And behind it?"},
                  {"assistant", "Nothing at all."}};
  if (with_picture) sample.media.push_back(Part::of_image("a.png"));
  return sample;
}

std::string words(const LabelledIds& labelled, const text::Tokenizer& tokenizer, bool targets) {
  std::string text;
  std::vector<int64_t> run;
  const auto flush = [&] {
    if (!run.empty()) text += tokenizer.decode(run, false) + "|";
    run.clear();
  };
  for (size_t i = 0; i < labelled.ids.size(); ++i) {
    if (labelled.targets[i] != targets)
      flush();
    else if (labelled.ids[i] == text::kMediaMarker)
      run.push_back(tokenizer.encode("*", false).back());
    else
      run.push_back(labelled.ids[i]);
  }
  flush();
  return text;
}

TEST(Masks, ChatmlAnswersAndTheirEndsCarryLoss) {
  for (const Tokenizer& tokenizer :
       {legacy(kTurnMarks), sentencepiece(kTurnMarks), neox(kTurnMarks)})
    for (const char* name : {"mpt", "chatml_direct", "mistral_direct"})
      for (const bool with_picture : {false, true}) {
        ExampleRules rules;
        rules.conversation_template = name;
        check_template(rules, *tokenizer);
        const auto labelled = label(conversation(with_picture), rules, *tokenizer);
        EXPECT_FALSE(labelled.mismatch);
        std::string learnt = words(labelled, *tokenizer, true);
        std::erase(learnt, ' ');
        EXPECT_EQ(learnt, "Aredball.<|im_end|>|Nothingatall.<|im_end|>|") << name;
      }
}

// The arithmetic of preprocess and _mask_targets, written out: lengths of the pieces, each with its
// own BOS.
TEST(Masks, VersionZeroFollowsTheReferencesLengths) {
  const auto tokenizer = sentencepiece();
  const std::string system =
      "A chat between a curious human and an artificial intelligence assistant. The assistant "
      "gives helpful, detailed, and polite answers to the human's questions.\n\n";
  const std::vector<std::string> turns = {
      "### Human: What is it?\n", "### Assistant: A red ball.\n", "### Human: And behind it?\n",
      "### Assistant: Nothing at all.\n"};
  std::string whole = system;
  for (const std::string& turn : turns) whole += turn;
  whole += "### ";
  const auto ids = tokenizer->encode(whole, true);
  const auto length = [&](const std::string& text) { return tokenizer->encode(text, true).size(); };
  std::vector<bool> targets(ids.size(), true);
  size_t at = length(system);
  std::fill_n(targets.begin(), at, false);
  for (size_t i = 0; i < turns.size(); ++i) {
    if (i % 2 == 0)
      for (size_t k = at + 2; k < std::min(at + length(turns[i]), ids.size()); ++k)
        targets[k] = false;
    at += length(turns[i]);
  }
  for (const char* name : {"v0", "llava_v0", "default"}) {
    ExampleRules rules;
    rules.conversation_template = name;
    check_template(rules, *tokenizer);
    const auto labelled = label(conversation(false), rules, *tokenizer);
    EXPECT_EQ(labelled.ids, ids) << name;
    EXPECT_EQ(labelled.targets, targets) << name;
    EXPECT_FALSE(labelled.mismatch);
  }
  // An answer may come first, and the one before the last is there whole.
  Sample sample = conversation(false);
  sample.turns.erase(sample.turns.begin());
  ExampleRules rules;
  rules.conversation_template = "v0";
  const auto labelled = label(sample, rules, *tokenizer);
  EXPECT_NE(words(labelled, *tokenizer, true).find("A red ball."), std::string::npos);
}

TEST(Masks, PicturesStandInTagsWhereTheTemplateHasThem) {
  const auto tokenizer = vicuna();
  for (const char* name : {"v1_mmtag", "v0_mmtag"}) {
    ExampleRules rules;
    rules.conversation_template = name;
    check_template(rules, *tokenizer);
    const auto labelled = label(conversation(true), rules, *tokenizer);
    EXPECT_FALSE(labelled.mismatch) << name;
    EXPECT_EQ(std::ranges::count(labelled.ids, text::kMediaMarker), 1);
    EXPECT_NE(words(labelled, *tokenizer, false).find("<Image>"), std::string::npos) << name;
    EXPECT_NE(words(labelled, *tokenizer, true).find("red ball."), std::string::npos) << name;
  }
}

TEST(Masks, TokensAroundPicturesAreCounted) {
  const auto tokenizer = vicuna({"<im_start>", "<im_end>"});
  ExampleRules rules;
  rules.conversation_template = "v1";
  rules.wraps_media = true;
  const auto labelled = label(conversation(true), rules, *tokenizer);
  EXPECT_FALSE(labelled.mismatch);
  EXPECT_EQ(words(labelled, *tokenizer, true), "A red ball.</s>|Nothing at all.</s>|");
}

TEST(Masks, AnAnswerWithTheWordsBetweenTurnsIsAMismatch) {
  const auto tokenizer = vicuna();
  Sample sample = conversation(false);
  sample.turns[1].text = "It says USER: x ASSISTANT: y";
  ExampleRules rules;
  rules.conversation_template = "v1";
  const auto labelled = label(sample, rules, *tokenizer);
  EXPECT_TRUE(labelled.mismatch);
  EXPECT_EQ(words(labelled, *tokenizer, true), "");
}

TEST(Templates, WhatATokenizerLacksIsToldAtOnce) {
  const auto complaint = [](const char* name, const Tokenizer& tokenizer, bool wraps = false) {
    ExampleRules rules;
    rules.conversation_template = name;
    rules.wraps_media = wraps;
    return message_of<UsageError>([&] { check_template(rules, *tokenizer); });
  };
  const std::string chatml = complaint("chatml_direct", sentencepiece());
  for (const char* part :
       {"template chatml_direct does not fit the tokenizer", "legacy_false/tokenizer.model",
        "<|im_start|>, which begins every turn, is not in the vocabulary", "<|im_end|>"})
    EXPECT_NE(chatml.find(part), std::string::npos) << chatml;
  const std::string v1 = complaint("v1", neox());
  EXPECT_NE(v1.find("it puts no BOS before a text"), std::string::npos) << v1;
  EXPECT_NE(v1.find("</s>, which ends every answer, is not in the vocabulary"), std::string::npos)
      << v1;
  EXPECT_NE(complaint("v1", sentencepiece(), true).find("<im_start>, which stands before"),
            std::string::npos);
  EXPECT_NE(complaint("caption", sentencepiece()).find("LLaVA is not trained with the template"),
            std::string::npos);
  EXPECT_EQ(complaint("plain", neox()), "no error");
}

}  // namespace
}  // namespace isthmus::families::llava
