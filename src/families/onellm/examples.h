// What OneLLM is trained on: captions in alignment, conversations in instruction tuning.
//                                   data/conversation_lib.py, finetune_dataset.py,
//                                   pretrain_dataset.py
#pragma once

#include <cstdint>
#include <vector>

#include "families/segment.h"
#include "samples/sample.h"
#include "text/tokenizer.h"

namespace isthmus::families::onellm {

inline constexpr int64_t kCaptionLength = 96, kConversationLength = 2048;

// BOS, the text of the document, EOS: all of it is predicted. Cut at max_length, which may take
// EOS. Throws BadSample for a document without text.
LabelledIds label_caption(const samples::Sample& sample, const text::Tokenizer& tokenizer,
                          int64_t max_length);

// The whole conversation between BOS and EOS; each answer and the "\n###" behind it is predicted.
// Answers are tokenised on their own and searched from the end of the one before. Throws BadSample
// for turns out of order and for an answer that is not found, which the reference overlooks after
// the first.
LabelledIds label_conversation(const samples::Sample& sample, const text::Tokenizer& tokenizer,
                               int64_t max_length);

// The first id, the media, the others. Quirk: tokens with the id of padding, which is <unk>, are
// never predicted.
std::vector<Segment> with_labels(const LabelledIds& labelled, size_t num_media);

}  // namespace isthmus::families::onellm
