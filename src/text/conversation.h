// Conversation templates: how turns become one prompt.             llava/conversation.py, llava-hf
// chat templates
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace isthmus::text {

enum class Role { kSystem, kUser, kAssistant };

struct Content {
  enum class Kind { kText, kMedia } kind = Kind::kText;
  std::string text;  // kText
  size_t media = 0;  // kMedia: index into the media list of the request

  static Content of_text(std::string text) { return {Kind::kText, std::move(text), 0}; }
  static Content of_media(size_t media) { return {Kind::kMedia, {}, media}; }
};

struct Message {
  Role role = Role::kUser;
  std::vector<Content> content;
};

// A prompt in pieces. Markup comes from the template and may contain special tokens; user text,
// which is all text of messages whatever their role, never does.
struct PromptPart {
  enum class Kind { kMarkup, kUserText, kMedia } kind = Kind::kMarkup;
  std::string text;
  size_t media = 0;
};

// Every template prints   system_begin system system_end, then per turn   begin text end.
// All views are of string literals.
struct ConversationTemplate {
  std::string_view name = {};
  // Printed only if there is a system text; a system message replaces `system` alone.
  std::string_view system_begin = {}, system = {}, system_end = {};
  std::string_view user_begin = {}, user_end = {};
  std::string_view assistant_begin = {}, assistant_end = {};
  std::string_view generation_prompt = {};  // opens the assistant's turn
  std::string_view stop = {};               // ends it; "" if only EOS does
  std::span<const std::string_view> examples =
      {};                   // texts of user and assistant that open every conversation
  bool image_tags = false;  // mmtag: the web form wraps images in <Image></Image>
  // Llama-2: the system text stands inside the first user turn, before which `turn_separator` is
  // missing.
  bool system_in_first_turn = false;
  std::string_view turn_separator = {};  // before user_begin
  bool only_user = false;                // plain: a caption prompt, not a conversation
};

// nullptr when there is none of that name.
const ConversationTemplate* find_template(std::string_view name);
std::vector<std::string> template_names();

// The prompt for `messages`: turns of user and assistant, the first perhaps a system message, whose
// text replaces the template's. Media stand where the messages have them; nothing is added around
// them. `add_generation_prompt` opens the assistant's next turn. UsageError for orders that the
// template cannot print: a system message that is not first, media in it, an answer first
// (Llama-2), any answer (plain).
std::vector<PromptPart> render(const ConversationTemplate& chat, std::span<const Message> messages,
                               bool add_generation_prompt);

// The parts joined, `media_text` for each medium.
std::string join(std::span<const PromptPart> parts, std::string_view media_text = "<image>");

// The reference programs' form of a question: its media first, each followed by a newline, then the
// text, stripped of white space at both ends. A message without media is returned as it is.
Message put_media_first(const Message& message);

// The web page's form of a conversation: put_media_first for the first message, and for mmtag
// templates the media in a turn of their own, "<Image><image></Image>", answered by "Received.".
std::vector<Message> web_form(const ConversationTemplate& chat, std::span<const Message> messages);

// The template that llava.serve.cli and run_llava choose by the model's name.
std::string_view template_for_model_name(std::string_view model_name);

// What we use when nothing is said: the template the model was trained with, by config.json's
// model_type, the model's name, and whether the folder has the Hugging Face layout. Differs from
// the reference's cli for v1.5, which takes llava_v1 although the model was trained, and is
// evaluated, with vicuna_v1.
std::string_view default_template(std::string_view model_type, std::string_view model_name,
                                  bool hf_layout);

// The template that prints what a Jinja chat template of llava-hf, Mistral or LLaMA 3 prints;
// nullopt when it looks like none.
std::optional<std::string_view> recognise_chat_template(std::string_view jinja);

// Strings that end the assistant's turn, besides EOS.
std::vector<std::string> template_stop_strings(const ConversationTemplate& chat);

}  // namespace isthmus::text
