#include "families/flamingo/prompts.h"

#include <algorithm>
#include <iterator>

#include <fmt/format.h>

#include "isthmus/error.h"
#include "text/few_shot_form.h"

namespace isthmus::families::flamingo {
namespace {

// Whether the last message asks something.
bool ends_in_question(const Request& request) {
  if (request.messages.empty() || request.messages.back().content.empty()) return false;
  const std::string& text = request.messages.back().content.back().text;
  const size_t last = text.find_last_not_of(" \t\n\r");
  return last != std::string::npos && text[last] == '?';
}

// These models continue text: a question is answered only in the form in which questions were
// answered in front of them.
text::FewShotForm form_of(const Request& request) {
  if (!request.conversation_template.empty())
    return text::find_few_shot_form(request.conversation_template);
  return text::find_few_shot_form(ends_in_question(request) ? "vqa" : "plain");
}

// A user's turn: its pictures, and its text where the form has a place for one.
text::FewShotItem item_of(const Message& message) {
  text::FewShotItem item;
  for (const Part& part : message.content) {
    if (part.type == Part::Type::kToken)
      throw UsageError("a special token may stand only in a literal prompt, never in a message");
    if (part.type == Part::Type::kMedia) {
      if (!item.prompt.empty())
        throw UsageError(
            "in a message for this model pictures come before the text; a literal "
            "prompt may hold them anywhere");
      item.media.push_back(part);
    } else {
      item.prompt += part.text;
    }
  }
  item.question = item.ocr = item.prompt;
  return item;
}

std::string answer_of(const Message& message) {
  std::string answer;
  for (const Part& part : message.content) {
    if (part.type != Part::Type::kText) throw UsageError("the answer of an example is text alone");
    answer += part.text;
  }
  return answer;
}

// Turns in pairs are solved examples; the last one is asked.
std::vector<Part> rendered(const Request& request) {
  if (request.messages.empty()) throw UsageError("the request has neither messages nor a prompt");
  std::vector<text::FewShotItem> examples;
  std::optional<text::FewShotItem> open;
  for (const Message& message : request.messages) {
    if (message.role == "user") {
      if (open) throw UsageError("an example has no answer: two user messages in a row");
      open = item_of(message);
    } else if (message.role == "assistant") {
      if (!open) throw UsageError("an answer stands before its question");
      open->answer = answer_of(message);
      examples.push_back(std::move(*open));
      open.reset();
    } else {
      throw UsageError(fmt::format(
          "role \"{}\": this model knows examples (user, assistant) and a question (user)",
          message.role));
    }
  }
  if (!open) throw UsageError("the last message must be the user's question");
  return text::render_few_shot(form_of(request), examples, *open);
}

// A token that the user may insert: known, and not the one that marks a picture, unless the
// reference's reading of a marker without picture is asked for.
void check_token(const Part& part, const Request& request, const layout::FlamingoTokens& tokens) {
  if (part.text == layout::kImage) {
    const auto quirk = request.generate.quirks.find("marker_without_image_reads_all");
    if (quirk == request.generate.quirks.end() || !quirk->second)
      throw UsageError(
          "the prompt has an <image> with no picture behind it: give as many pictures as there are "
          "<image>. (The reference lets text after it read all pictures evenly; the quirk "
          "marker_without_image_reads_all does the same.)");
    return;
  }
  const auto id = tokens.tokenizer->find(part.text);
  if (!id || !tokens.tokenizer->is_special(*id))
    throw UsageError(fmt::format("\"{}\" is no special token of this model", part.text));
}

}  // namespace

std::vector<Segment> tokenize(const Request& request, const layout::FlamingoTokens& tokens) {
  const std::vector<Part> parts = request.prompt.empty() ? rendered(request) : request.prompt;
  std::vector<text::TextSpan> spans;
  std::vector<size_t> inputs;  // of each marker in the text
  size_t next_input = 0;
  for (const Part& part : parts) {
    if (part.type == Part::Type::kText) {
      spans.push_back({part.text, false});
      continue;
    }
    if (part.type == Part::Type::kToken) check_token(part, request, tokens);
    const bool is_media = part.type == Part::Type::kMedia;
    if (is_media && next_input < inputs.size())
      throw UsageError(
          "an <image> without a picture stands before a picture: the reference would "
          "give it the picture");
    if (is_media)
      inputs.push_back(next_input++);
    else if (part.text == layout::kImage)
      inputs.push_back(MediaSegment::kNoInput);
    spans.push_back({is_media ? layout::kImage : std::string_view(part.text), true});
  }
  const auto ids = tokens.tokenizer->encode(spans, /*add_bos=*/true);
  if (ids.empty()) throw UsageError("the prompt is empty");

  std::vector<Segment> segments;
  auto input = inputs.begin();
  for (auto from = ids.begin(); from != ids.end();) {
    const auto marker = std::find(from, ids.end(), tokens.image);
    if (marker != from) segments.push_back(TextSegment{{from, marker}});
    if (marker == ids.end()) break;
    segments.push_back(MediaSegment{*input++, tokens.image});
    from = std::next(marker);
  }
  return segments;
}

std::vector<std::string> form_stop_strings(const Request& request) { return form_of(request).stop; }

}  // namespace isthmus::families::flamingo
