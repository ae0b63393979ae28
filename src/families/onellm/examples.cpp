#include "families/onellm/examples.h"

#include <algorithm>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "text/conversation.h"
#include "text/unicode.h"

namespace isthmus::families::onellm {
namespace {

using samples::BadSample;
using samples::Sample;

constexpr int64_t kPad = 0;
constexpr std::string_view kImage = "<image>", kAfterAnswer = "\n###";

// "<image>" may stand in the data; the medium does not go there.
std::string cleaned(std::string text) {
  for (size_t at; (at = text.find(kImage)) != std::string::npos;) text.erase(at, kImage.size());
  return std::string(text::strip(text));
}

std::vector<int64_t> plain_ids(const text::Tokenizer& tokenizer, const std::string& text,
                               bool add_bos) {
  const text::TextSpan span{text, false};
  return tokenizer.encode(std::span(&span, 1), add_bos);
}

// Tokenizers that keep the space before a word inside it need one before an answer, too.
bool wants_space(const text::Tokenizer& tokenizer) {
  const auto sentence = plain_ids(tokenizer, "Hi my darling", false);
  const auto end = plain_ids(tokenizer, "my darling", false);
  return sentence.size() < end.size() || !std::equal(end.rbegin(), end.rend(), sentence.rbegin());
}

std::vector<int64_t> whole_ids(const text::Tokenizer& tokenizer, const std::string& text) {
  std::vector<int64_t> ids = plain_ids(tokenizer, text, true);
  if (const auto eos = tokenizer.eos_id()) ids.push_back(*eos);
  return ids;
}

void cut(LabelledIds& labelled, int64_t max_length) {
  const auto kept = static_cast<size_t>(std::max<int64_t>(max_length, 1));
  if (labelled.ids.size() <= kept) return;
  labelled.ids.resize(kept);
  labelled.targets.resize(kept);
}

}  // namespace

LabelledIds label_caption(const Sample& sample, const text::Tokenizer& tokenizer,
                          int64_t max_length) {
  std::string caption;
  for (const Part& part : sample.document)
    if (part.type == Part::Type::kText) caption += part.text;
  if (caption.empty()) throw BadSample(sample.name, "has no caption");
  LabelledIds labelled;
  labelled.ids = whole_ids(tokenizer, caption);
  labelled.targets.assign(labelled.ids.size(), true);
  cut(labelled, max_length);
  return labelled;
}

LabelledIds label_conversation(const Sample& sample, const text::Tokenizer& tokenizer,
                               int64_t max_length) {
  std::vector<text::Message> messages;
  std::vector<std::string> answers;
  for (const samples::Turn& turn : sample.turns) {
    const bool user = messages.size() % 2 == 0;
    if (turn.role != (user ? "user" : "assistant"))
      throw BadSample(sample.name, "human and gpt do not take turns, human first");
    const std::string text = cleaned(turn.text);
    messages.push_back(
        {user ? text::Role::kUser : text::Role::kAssistant, {text::Content::of_text(text)}});
    if (!user) answers.push_back(text);
  }
  if (answers.empty()) throw BadSample(sample.name, "has no answer");
  const auto parts = text::render(*text::find_template("onellm_train"), messages, false);
  LabelledIds labelled;
  labelled.ids = whole_ids(tokenizer, text::join(parts));
  labelled.targets.assign(labelled.ids.size(), false);
  const std::string before = wants_space(tokenizer) ? " " : "";
  auto from = labelled.ids.begin();
  for (const std::string& answer : answers) {
    const auto ids = plain_ids(tokenizer, before + answer + std::string(kAfterAnswer), false);
    const auto found = std::search(from, labelled.ids.end(), ids.begin(), ids.end());
    if (found == labelled.ids.end())
      throw BadSample(sample.name, fmt::format("its answer \"{}\" is tokenised otherwise inside "
                                               "the conversation than alone",
                                               answer));
    const auto at = found - labelled.ids.begin();
    std::fill_n(labelled.targets.begin() + at, ids.size(), true);
    from = found + static_cast<std::ptrdiff_t>(ids.size());
  }
  cut(labelled, max_length);
  return labelled;
}

std::vector<Segment> with_labels(const LabelledIds& labelled, size_t num_media) {
  std::vector<Segment> segments;
  for (size_t i = 0; i < labelled.ids.size(); ++i) {
    append(segments, labelled.ids[i], labelled.targets[i] && labelled.ids[i] != kPad);
    for (size_t m = 0; i == 0 && m < num_media; ++m) segments.push_back(MediaSegment{m});
  }
  return segments;
}

}  // namespace isthmus::families::onellm
