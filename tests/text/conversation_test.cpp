#include "text/conversation.h"

#include "isthmus/error.h"
#include "text_testing.h"

namespace isthmus::text {
namespace {

Message user(std::vector<Content> content) { return {Role::kUser, std::move(content)}; }
Message user(const std::string& text) { return {Role::kUser, {Content::of_text(text)}}; }
Message assistant(const std::string& text) { return {Role::kAssistant, {Content::of_text(text)}}; }
Message system_text(const std::string& text) { return {Role::kSystem, {Content::of_text(text)}}; }

const ConversationTemplate& chat(std::string_view name) {
  const auto* found = find_template(name);
  EXPECT_NE(found, nullptr) << name;
  return *found;
}

const Message kQuestion =
    user({Content::of_media(0), Content::of_text("\nWhat is in this image?")});

TEST(Conversation, EveryTemplateRendersAsTheReference) {
  const auto golden = expectations(kLlava / "tokenizer_prompts")["templates"];
  const Message answer = assistant("A cat."), second = user("How many people?");
  const std::vector<std::tuple<std::string, std::vector<Message>, bool>> cases{
      {"one_turn", {kQuestion}, true},
      {"two_turn", {kQuestion, answer, second}, true},
      {"finished", {kQuestion, answer}, false},
      {"text", {second}, true},
      {"system_only", {}, false}};
  for (const auto& [name, entry] : golden.items()) {
    for (const auto& [form, messages, open] : cases) {
      const auto expected = entry["rendered"][form].get<std::string>();
      if (expected.starts_with("ERROR"))
        EXPECT_THROW(render(chat(name), messages, open), UsageError) << name << " " << form;
      else
        EXPECT_EQ(join(render(chat(name), messages, open)), expected) << name << " " << form;
    }
    const std::vector<Message> tuple{
        user({Content::of_text("What is in this image?\n"), Content::of_media(0)})};
    EXPECT_EQ(join(render(chat(name), web_form(chat(name), tuple), true)),
              entry["rendered"]["one_turn_image_as_tuple"].get<std::string>())
        << name;
  }
}

TEST(Conversation, HuggingFaceTemplateRendersAsItsChatTemplate) {
  for (const char* name : {"hf_llava15", "hf_llava_next"}) {
    const auto expect = expectations(kLlava / name);
    std::vector<Message> messages;
    for (const auto& turn : expect["chat_template_example"]["messages"]) {
      Message message{turn["role"] == "user" ? Role::kUser : Role::kAssistant, {}};
      for (const auto& part : turn["content"])
        message.content.push_back(part["type"] == "image"
                                      ? Content::of_media(0)
                                      : Content::of_text(part["text"].get<std::string>()));
      messages.push_back(put_media_first(message));
    }
    const auto jinja =
        read_text(kLlava / name / expect["model"].get<std::string>() / "chat_template.jinja");
    const auto recognised = recognise_chat_template(jinja);
    ASSERT_EQ(recognised, "llava_hf");
    EXPECT_EQ(join(render(chat(*recognised), messages, true)),
              expect["chat_template_example"]["rendered"].get<std::string>());
  }
}

TEST(Conversation, OtherHuggingFaceTemplatesRenderAsTheirModelCards) {
  const std::vector<Message> messages{user({Content::of_media(0), Content::of_text("\nq")}),
                                      assistant("a"), user("r")};
  EXPECT_EQ(join(render(chat("llava_hf_mistral"), messages, true)),
            "[INST] <image>\nq [/INST] a</s> [INST] r [/INST]");
  EXPECT_EQ(join(render(chat("llava_hf_chatml"), messages, true)),
            "<|im_start|>user\n<image>\nq<|im_end|>\n<|im_start|>assistant\na<|im_end|>\n"
            "<|im_start|>user\nr<|im_end|>\n<|im_start|>assistant\n");
}

TEST(Conversation, MediaStandWhereTheMessageHasThem) {
  const std::vector<Message> messages{user({Content::of_text("Is "), Content::of_media(2),
                                            Content::of_text(" like "), Content::of_media(0)})};
  const auto parts = render(chat("vicuna_v1"), messages, true);
  ASSERT_EQ(parts.size(), 6u);
  EXPECT_EQ(parts[1].text, "Is ");
  EXPECT_EQ(parts[2].kind, PromptPart::Kind::kMedia);
  EXPECT_EQ(parts[2].media, 2u);
  EXPECT_EQ(parts[4].media, 0u);
  EXPECT_EQ(parts[5].text, " ASSISTANT:");
}

TEST(Conversation, TextOfMessagesIsNeverMarkup) {
  const std::vector<Message> messages{system_text("sys</s>"), user("</s><image>"), assistant("<s>"),
                                      user("x")};
  for (const std::string& name : template_names()) {
    if (chat(name).only_user) continue;
    for (const PromptPart& part : render(chat(name), messages, true)) {
      if (part.kind != PromptPart::Kind::kMarkup) continue;
      EXPECT_EQ(part.text.find("<image>"), std::string::npos) << name;
      EXPECT_EQ(part.text.find("sys</s>"), std::string::npos) << name;
    }
  }
}

TEST(Conversation, ASystemMessageReplacesTheSystemText) {
  const std::vector<Message> messages{system_text("Be brief."), user("q")};
  EXPECT_EQ(join(render(chat("vicuna_v1"), messages, true)), "Be brief. USER: q ASSISTANT:");
  EXPECT_EQ(join(render(chat("llava_llama_2"), messages, true)),
            "[INST] <<SYS>>\nBe brief.\n<</SYS>>\n\nq [/INST]");
  EXPECT_EQ(join(render(chat("mistral_instruct"), messages, true)),
            "[INST] <<SYS>>\nBe brief.\n<</SYS>>\n\nq [/INST]");
  EXPECT_EQ(join(render(chat("chatml_direct"), messages, true)),
            "<|im_start|>system\nBe "
            "brief.<|im_end|><|im_start|>user\nq<|im_end|><|im_start|>assistant\n");
  EXPECT_EQ(join(render(chat("llava_hf"), messages, true)), "Be brief. USER: q ASSISTANT:");
  EXPECT_EQ(join(render(chat("vicuna_v1"), std::vector<Message>{system_text(""), user("q")}, true)),
            "USER: q ASSISTANT:");
}

TEST(Conversation, OrdersThatATemplateCannotPrintAreUsageErrors) {
  EXPECT_THROW(render(chat("v1"), std::vector<Message>{user("a"), system_text("b")}, true),
               UsageError);
  EXPECT_THROW(
      render(chat("v1"), std::vector<Message>{{Role::kSystem, {Content::of_media(0)}}}, true),
      UsageError);
  EXPECT_THROW(render(chat("llama_2"), std::vector<Message>{assistant("a")}, true), UsageError);
  EXPECT_EQ(find_template("no such template"), nullptr);
}

TEST(Conversation, MediaFirstStripsTheTextAndKeepsEveryImage) {
  const auto put = [](std::vector<Content> content) {
    return join(render(chat("plain"),
                       std::vector<Message>{put_media_first(user(std::move(content)))}, false));
  };
  EXPECT_EQ(put({Content::of_text(" q "), Content::of_media(0)}), "<image>\nq\n");
  EXPECT_EQ(put({Content::of_media(0), Content::of_text("\na "), Content::of_media(1),
                 Content::of_text("b")}),
            "<image>\n<image>\na b\n");
  EXPECT_EQ(put({Content::of_text(" q ")}), " q \n");
}

TEST(Conversation, TheModelNameChoosesTheReferencesTemplate) {
  EXPECT_EQ(template_for_model_name("llava-v1.5-7b"), "llava_v1");
  EXPECT_EQ(template_for_model_name("LLaVA-v1.6-Mistral-7b"), "mistral_instruct");
  EXPECT_EQ(template_for_model_name("llava-v1.6-34b"), "chatml_direct");
  EXPECT_EQ(template_for_model_name("llava-llama-2-13b-chat-lightning-preview"), "llava_llama_2");
  EXPECT_EQ(template_for_model_name("LLaVA-Lightning-MPT-7B-preview"), "mpt");
  EXPECT_EQ(template_for_model_name("LLaVA-7B-v0"), "llava_v0");
}

TEST(Conversation, TheDefaultIsTheTemplateOfTraining) {
  EXPECT_EQ(default_template("llava_llama", "llava-v1.5-7b", false), "vicuna_v1");
  EXPECT_EQ(default_template("llava_mistral", "my-copy", false), "mistral_instruct");
  EXPECT_EQ(default_template("llava_llama", "llava-v1.6-34b", false), "chatml_direct");
  EXPECT_EQ(default_template("llava", "LLaVA-7B-v0", false), "llava_v0");
  EXPECT_EQ(default_template("llava_mpt", "x", false), "mpt");
  EXPECT_EQ(default_template("llava", "llava-1.5-7b-hf", true), "llava_hf");
  EXPECT_EQ(default_template("llava_next", "llava-v1.6-mistral-7b-hf", true), "llava_hf_mistral");
  EXPECT_EQ(default_template("llava_next", "llava-v1.6-34b-hf", true), "llava_hf_chatml");
}

TEST(Conversation, ChatTemplatesAreRecognisedByTheirMarks) {
  EXPECT_EQ(recognise_chat_template("{{ '[INST] ' }}{{ content['text'] }}{{ ' [/INST]' }}"),
            "llava_hf_mistral");
  EXPECT_EQ(recognise_chat_template("{{'<|im_start|>' + message['role']}}{{'<|im_end|>'}}"),
            "llava_hf_chatml");
  EXPECT_EQ(recognise_chat_template("{{ bos_token }}something else"), std::nullopt);
  const std::string llama_3 =
      "{% set content = '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n'"
      "+ message['content'] | trim + '<|eot_id|>' %}";
  EXPECT_EQ(recognise_chat_template(llama_3), "llama_3");
  const std::vector<Message> messages = {{Role::kSystem, {Content::of_text("Be brief.")}},
                                         {Role::kUser, {Content::of_text("Hi")}},
                                         {Role::kAssistant, {Content::of_text("Ho")}},
                                         {Role::kUser, {Content::of_text("And?")}}};
  // What Meta's llama-3 reference prints behind <|begin_of_text|>.
  EXPECT_EQ(join(render(chat("llama_3"), messages, true)),
            "<|start_header_id|>system<|end_header_id|>\n\nBe brief.<|eot_id|>"
            "<|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>"
            "<|start_header_id|>assistant<|end_header_id|>\n\nHo<|eot_id|>"
            "<|start_header_id|>user<|end_header_id|>\n\nAnd?<|eot_id|>"
            "<|start_header_id|>assistant<|end_header_id|>\n\n");
}

TEST(Conversation, StopStringsEndTheAssistantsTurn) {
  using Stops = std::vector<std::string>;
  EXPECT_EQ(template_stop_strings(chat("v0")), Stops{"###"});
  EXPECT_EQ(template_stop_strings(chat("v1")), Stops{"</s>"});
  EXPECT_EQ(template_stop_strings(chat("llava_llama_2")), Stops{"</s>"});
  EXPECT_EQ(template_stop_strings(chat("mpt")), Stops{"<|im_end|>"});
  EXPECT_EQ(template_stop_strings(chat("plain")), Stops{"\n"});
  EXPECT_TRUE(template_stop_strings(chat("llava_hf")).empty());
}

}  // namespace
}  // namespace isthmus::text
