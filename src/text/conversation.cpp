#include "text/conversation.h"

#include <algorithm>
#include <cctype>

#include <fmt/format.h>

#include "isthmus/error.h"
#include "text/conversation_table.h"
#include "text/unicode.h"

namespace isthmus::text {

namespace {

class PromptBuilder {
 public:
  void markup(std::string_view text) { put(PromptPart::Kind::kMarkup, text); }
  void content(const std::vector<Content>& content) {
    for (const Content& part : content) {
      if (part.kind == Content::Kind::kText)
        put(PromptPart::Kind::kUserText, part.text);
      else
        parts.push_back({PromptPart::Kind::kMedia, {}, part.media});
    }
  }
  void put(PromptPart::Kind kind, std::string_view text) {
    if (text.empty()) return;
    if (!parts.empty() && parts.back().kind == kind)
      parts.back().text.append(text);
    else
      parts.push_back({kind, std::string(text), 0});
  }

  std::vector<PromptPart> parts;
};

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](char c) {
    return static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  });
  return out;
}

bool has_media(const Message& message) {
  return std::any_of(message.content.begin(), message.content.end(),
                     [](const Content& part) { return part.kind == Content::Kind::kMedia; });
}

}  // namespace

const ConversationTemplate* find_template(std::string_view name) {
  for (const ConversationTemplate& chat : conversation_table())
    if (chat.name == name) return &chat;
  return nullptr;
}

std::vector<std::string> template_names() {
  std::vector<std::string> names;
  for (const ConversationTemplate& chat : conversation_table()) names.emplace_back(chat.name);
  return names;
}

std::vector<PromptPart> render(const ConversationTemplate& chat, std::span<const Message> messages,
                               bool add_generation_prompt) {
  PromptBuilder prompt;
  const Message* system_message = nullptr;
  if (!messages.empty() && messages.front().role == Role::kSystem) {
    system_message = &messages.front();
    messages = messages.subspan(1);
    if (has_media(*system_message))
      throw UsageError("messages[0]: a system message takes no images or other media");
  }
  const auto print_system = [&] {
    const bool replaced = system_message != nullptr;
    const bool empty =
        replaced ? std::all_of(system_message->content.begin(), system_message->content.end(),
                               [](const Content& part) { return part.text.empty(); })
                 : chat.system.empty();
    if (empty) return;
    prompt.markup(chat.system_begin);
    if (replaced)
      prompt.content(system_message->content);
    else
      prompt.markup(chat.system);
    prompt.markup(chat.system_end);
  };

  bool first = true;
  const auto print_turn = [&](Role role, const auto& print_content) {
    if (role == Role::kUser) {
      if (!first) prompt.markup(chat.turn_separator);
      prompt.markup(chat.user_begin);
      if (first && chat.system_in_first_turn) print_system();
      print_content();
      prompt.markup(chat.user_end);
    } else {
      if (first && chat.system_in_first_turn)
        throw UsageError(
            fmt::format("template {}: the first message must be the user's", chat.name));
      if (chat.only_user)
        throw UsageError(fmt::format(
            "template {} has no place for an answer; it takes user messages only", chat.name));
      prompt.markup(chat.assistant_begin);
      print_content();
      prompt.markup(chat.assistant_end);
    }
    first = false;
  };

  if (!chat.system_in_first_turn) print_system();
  for (size_t i = 0; i < chat.examples.size(); ++i)
    print_turn(i % 2 == 0 ? Role::kUser : Role::kAssistant,
               [&] { prompt.markup(chat.examples[i]); });
  for (size_t i = 0; i < messages.size(); ++i) {
    if (messages[i].role == Role::kSystem)
      throw UsageError("messages: only the first message may be a system message");
    print_turn(messages[i].role, [&] { prompt.content(messages[i].content); });
  }
  if (add_generation_prompt) prompt.markup(chat.generation_prompt);
  return prompt.parts;
}

std::string join(std::span<const PromptPart> parts, std::string_view media_text) {
  std::string out;
  for (const PromptPart& part : parts)
    out.append(part.kind == PromptPart::Kind::kMedia ? media_text : std::string_view(part.text));
  return out;
}

Message put_media_first(const Message& message) {
  if (!has_media(message)) return message;
  Message out{message.role, {}};
  std::string text;
  for (const Content& part : message.content) {
    if (part.kind == Content::Kind::kText) {
      text += part.text;
      continue;
    }
    out.content.push_back(part);
    out.content.push_back(Content::of_text("\n"));
  }
  out.content.push_back(Content::of_text(std::string(strip(text))));
  return out;
}

std::vector<Message> web_form(const ConversationTemplate& chat, std::span<const Message> messages) {
  std::vector<Message> out(messages.begin(), messages.end());
  // Quirk: the reference looks at the first message only, which here is an example.
  if (!chat.examples.empty()) return out;
  const auto first = std::find_if(out.begin(), out.end(),
                                  [](const Message& m) { return m.role != Role::kSystem; });
  if (first == out.end() || !has_media(*first)) return out;
  *first = put_media_first(*first);
  if (!chat.image_tags) return out;
  Message images{Role::kUser, {}};
  for (const Content& part : first->content) {
    if (part.kind != Content::Kind::kMedia) continue;
    images.content.push_back(Content::of_text("<Image>"));
    images.content.push_back(part);
    images.content.push_back(Content::of_text("</Image>"));
  }
  first->content = {first->content.back()};  // the stripped text
  Message received{Role::kAssistant, {Content::of_text("Received.")}};
  out.insert(first, {std::move(images), std::move(received)});
  return out;
}

std::string_view template_for_model_name(std::string_view model_name) {
  const std::string name = lower(model_name);
  const auto has = [&](const char* part) { return name.find(part) != std::string::npos; };
  if (has("llama-2")) return "llava_llama_2";
  if (has("mistral")) return "mistral_instruct";
  if (has("v1.6-34b")) return "chatml_direct";
  if (has("v1")) return "llava_v1";
  if (has("mpt")) return "mpt";
  return "llava_v0";
}

std::string_view default_template(std::string_view model_type, std::string_view model_name,
                                  bool hf_layout) {
  const std::string name = lower(model_name), type = lower(model_type);
  const auto has = [&](const char* part) { return name.find(part) != std::string::npos; };
  const bool mistral = has("mistral") || type.find("mistral") != std::string::npos;
  const bool yi = has("34b") || has("yi-") || name.ends_with("yi");
  if (hf_layout) return mistral ? "llava_hf_mistral" : yi ? "llava_hf_chatml" : "llava_hf";
  if (has("llama-2")) return "llava_llama_2";
  if (mistral) return "mistral_instruct";
  if (yi) return "chatml_direct";
  if (has("v1")) return "vicuna_v1";
  if (has("mpt") || type.find("mpt") != std::string::npos) return "mpt";
  return "llava_v0";
}

std::optional<std::string_view> recognise_chat_template(std::string_view jinja) {
  const auto has = [&](std::string_view part) {
    return jinja.find(part) != std::string_view::npos;
  };
  if (has("[INST]")) return "llava_hf_mistral";
  if (has("<|start_header_id|>") && has("<|eot_id|>")) return "llama_3";
  if (has("<|im_start|>") && has("<|im_end|>")) return "llava_hf_chatml";
  if (has("ASSISTANT:") && (has("USER:") || has(".upper()"))) return "llava_hf";
  return std::nullopt;
}

std::vector<std::string> template_stop_strings(const ConversationTemplate& chat) {
  if (chat.stop.empty()) return {};
  return {std::string(chat.stop)};
}

}  // namespace isthmus::text
