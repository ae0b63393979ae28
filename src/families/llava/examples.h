// What LLaVA is trained on: conversations to ids, and which of them carry loss.
//                                                       llava/train/train.py, preprocess_*
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "families/example.h"
#include "samples/sample.h"
#include "text/tokenizer.h"

namespace isthmus::families::llava {

// With text::kMediaMarker for every picture.
struct LabelledConversation : LabelledIds {
  bool mismatch = false;  // the turns could not be told apart: nothing is predicted
};

struct ExampleRules {
  std::string conversation_template;  // "plain", "v1", "llava_llama_2", "chatml_direct", "v0", …
  int64_t max_length = 2048;          // model_max_length
  bool wraps_media = false;           // <im_start> and <im_end> around every picture
};

// As the reference's data set yields it, before the collator cuts it. plain: the caption behind the
// picture. Others: the answers, found by the reference's arithmetic over the lengths of tokenised
// turns, which gives up on texts that hold the words between turns; with the templates of version 0
// also the beginnings of questions. A conversation that begins with an answer loses it. Throws
// BadSample for turns that the template cannot hold, UsageError for a template that is not trained
// with here.
LabelledConversation label(const samples::Sample& sample, const ExampleRules& rules,
                           const text::Tokenizer& tokenizer);

// A document that is a picture and its caption as the conversation of the plain template; nothing
// for any other sample.
std::optional<samples::Sample> as_plain(const samples::Sample& sample);

// Throws UsageError for a template that is not trained with here, and where its marks are no tokens
// of the tokenizer: everything that is missing, at once.
void check_template(const ExampleRules& rules, const text::Tokenizer& tokenizer);

// Cut to max_length as the collator does, in segments. Quirk: tokens with the id of padding, which
// in LLaVA is <unk>, are dropped wherever they stand.
std::vector<Segment> segments_of(const LabelledIds& labelled, const ExampleRules& rules,
                                 const text::Tokenizer& tokenizer);

}  // namespace isthmus::families::llava
