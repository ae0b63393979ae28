#include "families/llava/examples.h"

#include <algorithm>
#include <optional>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "isthmus/error.h"
#include "text/conversation.h"
#include "text/tokenize_prompt.h"
#include "text/unicode.h"

namespace isthmus::families::llava {
namespace {

using samples::BadSample;
using samples::Sample;
using text::kMediaMarker;

constexpr std::string_view kImage = "<image>";

std::vector<std::string> split(std::string_view text, std::string_view separator) {
  std::vector<std::string> pieces;
  for (size_t begin = 0;;) {
    const size_t end = text.find(separator, begin);
    pieces.emplace_back(text.substr(begin, end - begin));
    if (end == std::string_view::npos) return pieces;
    begin = end + separator.size();
  }
}

// Several markers of a turn become one before its text, as the reference does to every sample with
// a picture.
std::string with_marker_first(const std::string& text, bool tagged) {
  if (text.find(kImage) == std::string::npos) return text;
  std::string rest;
  for (const std::string& piece : split(text, kImage)) rest += piece;
  const std::string joined = fmt::format("{}\n{}", kImage, text::strip(rest));
  std::string whole(text::strip(joined));
  if (tagged) whole.replace(0, kImage.size(), "<Image><image></Image>");
  return whole;
}

// The turns from the first of the user on, who alternates with the assistant.
std::vector<text::Message> messages_of(const Sample& sample, bool tagged, size_t& media) {
  std::vector<text::Message> messages;
  for (const samples::Turn& turn : sample.turns) {
    const bool user = turn.role == "user";
    if (!user && turn.role != "assistant")
      throw BadSample(sample.name,
                      fmt::format("a turn of \"{}\": expected human or gpt", turn.role));
    if (messages.empty() && !user && &turn == &sample.turns.front()) continue;
    if (user != (messages.size() % 2 == 0))
      throw BadSample(sample.name, "human and gpt do not take turns");
    text::Message message{user ? text::Role::kUser : text::Role::kAssistant, {}};
    const std::string said =
        sample.media.empty() ? turn.text : with_marker_first(turn.text, tagged);
    // Without a picture the marker is text like any other.
    const auto pieces = sample.media.empty() ? std::vector<std::string>{said} : split(said, kImage);
    for (size_t i = 0; i < pieces.size(); ++i) {
      if (i > 0) message.content.push_back(text::Content::of_media(media++));
      if (!pieces[i].empty()) message.content.push_back(text::Content::of_text(pieces[i]));
    }
    messages.push_back(std::move(message));
  }
  if (messages.empty()) throw BadSample(sample.name, "has no turn of human");
  return messages;
}

// Lengths as the reference counts them: one marker for a picture.
class Counter {
 public:
  Counter(const text::Tokenizer& tokenizer, bool has_media)
      : tokenizer_(tokenizer), has_media_(has_media) {}

  int64_t operator()(const std::string& text) const {
    if (!has_media_) return static_cast<int64_t>(tokenizer_.encode(text, true).size());
    std::vector<text::PromptPart> parts;
    const auto pieces = split(text, kImage);
    for (size_t i = 0; i < pieces.size(); ++i) {
      if (i > 0) parts.push_back({text::PromptPart::Kind::kMedia, {}, i - 1});
      parts.push_back({text::PromptPart::Kind::kMarkup, pieces[i], 0});
    }
    return static_cast<int64_t>(text::tokenize_with_markers(tokenizer_, parts).ids.size());
  }

 private:
  const text::Tokenizer& tokenizer_;
  bool has_media_;
};

// How a template's text is cut into rounds of question and answer.
struct RoundRules {
  std::string_view between_rounds, before_answer;
  bool legacy_counts;  // later rounds are one token shorter with tokenizers that are not "legacy"
};

std::optional<RoundRules> rules_of(std::string_view name) {
  if (name == "v1" || name == "vicuna_v1") return RoundRules{"</s>", " ASSISTANT: ", true};
  if (name == "llama_2" || name == "llava_llama_2") return RoundRules{"</s>", "[/INST] ", false};
  return std::nullopt;
}

// preprocess_v1, preprocess_llama_2: the arithmetic relies on BOS of every tokenised round standing
// for the </s> before it.
void mark_answers(const std::string& text, const RoundRules& rules, const Counter& length,
                  bool shortens, int64_t max_length, int64_t pad, LabelledConversation& labelled) {
  std::fill(labelled.targets.begin(), labelled.targets.end(), true);
  const auto ignore = [&](int64_t from, int64_t to) {
    const auto count = static_cast<int64_t>(labelled.targets.size());
    for (int64_t i = std::clamp<int64_t>(from, 0, count); i < std::min(to, count); ++i)
      labelled.targets[static_cast<size_t>(i)] = false;
  };
  int64_t at = 1;
  ignore(0, at);
  const auto rounds = split(text, rules.between_rounds);
  for (size_t i = 0; i < rounds.size() && !rounds[i].empty(); ++i) {
    const auto parts = split(rounds[i], rules.before_answer);
    if (parts.size() != 2) break;
    int64_t round = length(rounds[i]);
    int64_t question = length(parts[0] + std::string(rules.before_answer)) - 2;
    if (i > 0 && shortens) --round, --question;
    ignore(at, at + question);
    at += round;
  }
  const auto total = static_cast<int64_t>(labelled.ids.size());
  ignore(at, total);
  const int64_t real = total - std::count(labelled.ids.begin(), labelled.ids.end(), pad);
  labelled.mismatch = at < max_length && at != real;
  if (labelled.mismatch) ignore(0, total);
}

int64_t pad_of(const text::Tokenizer& tokenizer) { return tokenizer.unk_id().value_or(0); }

LabelledConversation label_plain(const Sample& sample, const ExampleRules& rules,
                                 const text::Tokenizer& tokenizer) {
  if (sample.turns.size() != 2)
    throw BadSample(sample.name,
                    fmt::format("has {} turns; the plain template takes two", sample.turns.size()));
  if (sample.media.size() != 1 || sample.turns[0].text.find(kImage) == std::string::npos)
    throw BadSample(sample.name, "the first turn holds no <image>; the plain template needs one");
  using Kind = text::PromptPart::Kind;
  const std::vector<text::PromptPart> parts = {{Kind::kMedia, {}, 0},
                                               {Kind::kUserText, sample.turns[1].text + "\n", 0}};
  const auto head = std::span(parts).first(1);
  LabelledConversation labelled;
  labelled.ids = text::tokenize_with_markers(tokenizer, parts, rules.wraps_media).ids;
  labelled.targets.assign(labelled.ids.size(), true);
  const size_t masked = text::tokenize_with_markers(tokenizer, head, rules.wraps_media).ids.size();
  std::fill_n(labelled.targets.begin(), std::min(masked, labelled.ids.size()), false);
  return labelled;
}

}  // namespace

LabelledConversation label(const Sample& sample, const ExampleRules& rules,
                           const text::Tokenizer& tokenizer) {
  if (sample.turns.empty()) throw BadSample(sample.name, "is no conversation");
  if (rules.conversation_template == "plain") return label_plain(sample, rules, tokenizer);
  const auto rounds = rules_of(rules.conversation_template);
  if (!rounds)
    throw UsageError(fmt::format(
        "LLaVA is not trained with the template \"{}\" here; known are plain, v1, llama_2",
        rules.conversation_template));
  const std::string_view name =
      rounds->legacy_counts ? std::string_view("vicuna_v1") : rules.conversation_template;
  const text::ConversationTemplate& chat = *text::find_template(name);
  size_t media = 0;
  const auto messages = messages_of(sample, chat.image_tags, media);
  if (media > sample.media.size())
    throw BadSample(sample.name,
                    fmt::format("has {} <image> and {} pictures", media, sample.media.size()));
  const auto parts = text::render(chat, messages, false);
  LabelledConversation labelled;
  const bool has_media = !sample.media.empty();
  labelled.ids = text::tokenize_with_markers(tokenizer, parts, rules.wraps_media).ids;
  // Texts without a picture are cut by the tokenizer, before their answers are looked for.
  if (!has_media && static_cast<int64_t>(labelled.ids.size()) > rules.max_length)
    labelled.ids.resize(static_cast<size_t>(rules.max_length));
  labelled.targets.resize(labelled.ids.size());
  mark_answers(text::join(parts), *rounds, Counter(tokenizer, has_media),
               rounds->legacy_counts && !tokenizer.legacy(), rules.max_length, pad_of(tokenizer),
               labelled);
  return labelled;
}

std::optional<Sample> as_plain(const Sample& sample) {
  const auto& document = sample.document;
  if (!sample.turns.empty() || document.size() != 2 || document[0].type != Part::Type::kMedia ||
      document[1].type != Part::Type::kText)
    return std::nullopt;
  Sample plain;
  plain.name = sample.name;
  plain.media = {document[0]};
  plain.turns = {{"user", std::string(kImage)},
                 {"assistant", std::string(text::strip(document[1].text))}};
  if (sample.weights.size() == 2) plain.weights = {0, sample.weights[1]};
  plain.tags = sample.tags;
  return plain;
}

std::vector<Segment> segments_of(const LabelledIds& labelled, const ExampleRules& rules,
                                 const text::Tokenizer& tokenizer) {
  const int64_t pad = pad_of(tokenizer);
  const size_t kept =
      std::min(labelled.ids.size(), static_cast<size_t>(std::max<int64_t>(rules.max_length, 0)));
  std::vector<Segment> segments;
  size_t media = 0;
  for (size_t i = 0; i < kept; ++i) {
    const int64_t id = labelled.ids[i];
    if (id == kMediaMarker) {
      segments.push_back(MediaSegment{media++});
      continue;
    }
    if (id == pad) continue;
    append(segments, id, labelled.targets[i]);
  }
  return segments;
}

}  // namespace isthmus::families::llava
