#include "families/onellm/prompts.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "isthmus/error.h"
#include "text/conversation.h"

namespace isthmus::families::onellm {
namespace {

const text::ConversationTemplate& template_of(const Request& request) {
  const std::string name = request.conversation_template.empty() ? std::string(kDefaultTemplate)
                                                                 : request.conversation_template;
  if (const auto* found = text::find_template(name)) return *found;
  throw UsageError(fmt::format("there is no conversation template \"{}\"; known are {}", name,
                               fmt::join(text::template_names(), ", ")));
}

text::Role role_of(const std::string& role) {
  if (role == "system") return text::Role::kSystem;
  if (role == "user") return text::Role::kUser;
  if (role == "assistant") return text::Role::kAssistant;
  throw UsageError(fmt::format("role \"{}\" is none of system, user, assistant", role));
}

// Media stand before all text, whichever message they belong to.
std::vector<text::PromptPart> rendered(const Request& request) {
  if (request.messages.empty()) throw UsageError("the request has neither messages nor a prompt");
  std::vector<text::Message> messages;
  for (const Message& message : request.messages) {
    text::Message& own = messages.emplace_back();
    own.role = role_of(message.role);
    for (const Part& part : message.content) {
      if (part.type == Part::Type::kToken)
        throw UsageError("a special token may stand only in a literal prompt, never in a message");
      if (part.type == Part::Type::kText) own.content.push_back(text::Content::of_text(part.text));
    }
  }
  return text::render(template_of(request), messages, /*add_generation_prompt=*/true);
}

}  // namespace

std::vector<int64_t> tokenize(const Request& request, const text::Tokenizer& tokenizer) {
  const auto parts = request.prompt.empty() ? rendered(request) : std::vector<text::PromptPart>();
  std::vector<text::TextSpan> spans;
  // The reference encodes one string; nothing in it is ever a special token.
  for (const text::PromptPart& part : parts) spans.push_back({part.text, false});
  for (const Part& part : request.prompt) {
    if (part.type == Part::Type::kMedia) continue;
    const bool is_token = part.type == Part::Type::kToken;
    if (is_token) {
      const auto id = tokenizer.find(part.text);
      if (!id || !tokenizer.is_special(*id))
        throw UsageError(fmt::format("\"{}\" is no special token of this model", part.text));
    }
    spans.push_back({part.text, is_token});
  }
  std::vector<int64_t> ids = tokenizer.encode(spans, /*add_bos=*/true);
  if (ids.empty()) throw UsageError("the prompt is empty");
  return ids;
}

std::vector<Segment> with_media(std::vector<int64_t> ids, size_t num_media) {
  if (num_media == 0) return {TextSegment{std::move(ids)}};
  std::vector<Segment> segments{TextSegment{{ids.front()}}};
  for (size_t i = 0; i < num_media; ++i) segments.push_back(MediaSegment{i});
  ids.erase(ids.begin());
  if (!ids.empty()) segments.push_back(TextSegment{std::move(ids)});
  return segments;
}

std::vector<std::string> stop_strings(const Request& request) {
  return text::template_stop_strings(template_of(request));
}

}  // namespace isthmus::families::onellm
