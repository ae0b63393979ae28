#include "families/llava/prompts.h"

#include <array>
#include <cctype>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/check.h"
#include "isthmus/error.h"
#include "text/tokenize_prompt.h"

namespace isthmus::families::llava {
namespace {

constexpr std::string_view kImageToken = "<image>";

text::Role role_of(const std::string& role) {
  if (role == "system") return text::Role::kSystem;
  if (role == "user") return text::Role::kUser;
  if (role == "assistant") return text::Role::kAssistant;
  throw UsageError(fmt::format("role \"{}\" is none of system, user, assistant", role));
}

bool begins_with_space(const std::string& text) {
  return !text.empty() && std::isspace(static_cast<unsigned char>(text.front())) != 0;
}

// Pictures that open a message are followed by a line break each, as in training, unless the text
// after them brings its own white space. Everything else stands as the user wrote it.
text::Message message_of(const Message& message, size_t& next_media) {
  text::Message result{role_of(message.role), {}};
  bool opening = true;
  for (size_t i = 0; i < message.content.size(); ++i) {
    const Part& part = message.content[i];
    if (part.type == Part::Type::kToken)
      throw UsageError("a special token may stand only in a literal prompt, never in a message");
    if (part.type == Part::Type::kText) {
      result.content.push_back(text::Content::of_text(part.text));
      opening = false;
      continue;
    }
    result.content.push_back(text::Content::of_media(next_media++));
    if (!opening || i + 1 == message.content.size()) continue;
    const Part& next = message.content[i + 1];
    if (next.type != Part::Type::kText || !begins_with_space(next.text))
      result.content.push_back(text::Content::of_text("\n"));
  }
  return result;
}

// A token that the user may insert: known, and not one that marks a medium.
void check_token(const std::string& token, const text::Tokenizer& tokenizer) {
  constexpr std::array kMediaTokens{"<image>", "<im_start>", "<im_end>", "<im_patch>"};
  for (const char* media : kMediaTokens)
    if (token == media)
      throw UsageError(
          fmt::format("{} is inserted with each picture; it cannot be written", token));
  const auto id = tokenizer.find(token);
  if (!id || !tokenizer.is_special(*id))
    throw UsageError(fmt::format("\"{}\" is no special token of this model", token));
}

std::vector<text::PromptPart> literal_parts(const Request& request,
                                            const text::Tokenizer& tokenizer) {
  using Kind = text::PromptPart::Kind;
  std::vector<text::PromptPart> parts;
  size_t next_media = 0;
  for (const Part& part : request.prompt) {
    if (part.type == Part::Type::kToken) check_token(part.text, tokenizer);
    if (part.type == Part::Type::kMedia)
      parts.push_back({Kind::kMedia, {}, next_media++});
    else
      parts.push_back(
          {part.type == Part::Type::kToken ? Kind::kMarkup : Kind::kUserText, part.text, 0});
  }
  return parts;
}

std::vector<Segment> split_at_markers(const text::PromptTokens& tokens) {
  std::vector<Segment> segments{TextSegment{}};
  size_t next = 0;
  for (const int64_t id : tokens.ids) {
    if (id == text::kMediaMarker) {
      segments.push_back(MediaSegment{tokens.media[next++]});
      segments.push_back(TextSegment{});
    } else {
      std::get<TextSegment>(segments.back()).ids.push_back(id);
    }
  }
  return segments;
}

// Each run of image ids is one picture, as long as that picture has rows.
std::vector<Segment> split_at_image_ids(const text::PromptTokens& tokens, int64_t image_token,
                                        std::span<const int64_t> rows) {
  std::vector<Segment> segments{TextSegment{}};
  size_t next = 0;
  for (size_t i = 0; i < tokens.ids.size();) {
    if (tokens.ids[i] != image_token) {
      std::get<TextSegment>(segments.back()).ids.push_back(tokens.ids[i++]);
      continue;
    }
    ISTHMUS_CHECK(next < tokens.media.size(), "an image id that stands for no picture");
    const size_t media = tokens.media[next++];
    i += static_cast<size_t>(rows[media]);
    segments.push_back(MediaSegment{media});
    segments.push_back(TextSegment{});
  }
  return segments;
}

}  // namespace

const text::ConversationTemplate& template_of(const Request& request, const PromptRules& rules) {
  const std::string& name = request.conversation_template.empty() ? rules.default_template
                                                                  : request.conversation_template;
  const text::ConversationTemplate* found = text::find_template(name);
  if (found == nullptr)
    throw UsageError(fmt::format("there is no conversation template \"{}\"; known are {}", name,
                                 fmt::join(text::template_names(), ", ")));
  return *found;
}

std::vector<text::PromptPart> prompt_parts(const Request& request, const PromptRules& rules,
                                           const text::Tokenizer& tokenizer) {
  if (!request.prompt.empty()) return literal_parts(request, tokenizer);
  if (request.messages.empty()) throw UsageError("the request has neither messages nor a prompt");
  std::vector<text::Message> messages;
  size_t next_media = 0;
  for (const Message& message : request.messages)
    messages.push_back(message_of(message, next_media));
  return text::render(template_of(request, rules), messages, true);
}

std::vector<Segment> tokenize(const Request& request, const PromptRules& rules,
                              const text::Tokenizer& tokenizer, std::span<const int64_t> rows) {
  const auto parts = prompt_parts(request, rules, tokenizer);
  if (rules.layout == layout::LlavaLayout::kOriginal)
    return split_at_markers(text::tokenize_with_markers(tokenizer, parts, rules.wraps_media));
  const std::vector<size_t> counts(rows.begin(), rows.end());
  return split_at_image_ids(text::tokenize_expanded(tokenizer, parts, kImageToken, counts),
                            rules.image_token, rows);
}

}  // namespace isthmus::families::llava
