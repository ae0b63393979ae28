// From a request to the text ids and media slots of a LLaVA prompt.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "families/family.h"
#include "isthmus/input.h"
#include "layout/llava_config.h"
#include "text/conversation.h"
#include "text/tokenizer.h"

namespace isthmus::families::llava {

struct PromptRules {
  layout::LlavaLayout layout;
  std::string default_template;
  bool wraps_media;         // <im_start> and <im_end> around every picture
  int64_t image_token = 0;  // Hugging Face layouts: the id that stands once per soft token
};

// The conversation template of a request. Throws UsageError with the known names for an unknown
// one.
const text::ConversationTemplate& template_of(const Request& request, const PromptRules& rules);

// Messages rendered by the template, or the literal prompt. Media are numbered in the order of the
// request.
std::vector<text::PromptPart> prompt_parts(const Request& request, const PromptRules& rules,
                                           const text::Tokenizer& tokenizer);

std::vector<Segment> tokenize(const Request& request, const PromptRules& rules,
                              const text::Tokenizer& tokenizer, std::span<const int64_t> rows);

}  // namespace isthmus::families::llava
