#include "families/llava/examples.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "families/template_check.h"
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

// The turns; `alternating`: from the first of the user on, who alternates with the assistant.
std::vector<text::Message> messages_of(const Sample& sample, bool tagged, bool alternating,
                                       size_t& media) {
  std::vector<text::Message> messages;
  for (const samples::Turn& turn : sample.turns) {
    const bool user = turn.role == "user";
    if (!user && turn.role != "assistant")
      throw BadSample(sample.name,
                      fmt::format("a turn of \"{}\": expected human or gpt", turn.role));
    if (alternating && !user && &turn == &sample.turns.front()) continue;
    if (alternating && user != (messages.size() % 2 == 0))
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
  Counter(const text::Tokenizer& tokenizer, bool has_media, bool wraps_media)
      : tokenizer_(tokenizer), has_media_(has_media), wraps_media_(wraps_media) {}

  int64_t operator()(const std::string& text) const {
    if (!has_media_) return static_cast<int64_t>(tokenizer_.encode(text, true).size());
    std::vector<text::PromptPart> parts;
    const auto pieces = split(text, kImage);
    for (size_t i = 0; i < pieces.size(); ++i) {
      if (i > 0) parts.push_back({text::PromptPart::Kind::kMedia, {}, i - 1});
      parts.push_back({text::PromptPart::Kind::kMarkup, pieces[i], 0});
    }
    return static_cast<int64_t>(
        text::tokenize_with_markers(tokenizer_, parts, wraps_media_).ids.size());
  }

 private:
  const text::Tokenizer& tokenizer_;
  bool has_media_, wraps_media_;
};

// The reference's functions for the styles of templates.
enum class Style { kPlain, kTwo, kLlama2, kMpt, kSingle };

struct KnownTemplate {
  std::string_view name;
  Style style;
};

constexpr KnownTemplate kKnown[] = {
    {"plain", Style::kPlain},
    {"v0_plain", Style::kPlain},
    {"v1", Style::kTwo},
    {"vicuna_v1", Style::kTwo},
    {"llava_v1", Style::kTwo},
    {"v1_mmtag", Style::kTwo},
    {"llama_2", Style::kLlama2},
    {"llava_llama_2", Style::kLlama2},
    {"mistral_instruct", Style::kLlama2},
    {"mpt", Style::kMpt},
    {"chatml_direct", Style::kMpt},
    {"mistral_direct", Style::kMpt},
    {"default", Style::kSingle},
    {"v0", Style::kSingle},
    {"llava_v0", Style::kSingle},
    {"v0_mmtag", Style::kSingle},
};

Style style_of(std::string_view name) {
  const auto* known = std::ranges::find(kKnown, name, &KnownTemplate::name);
  if (known != std::end(kKnown)) return known->style;
  std::vector<std::string_view> names;
  for (const KnownTemplate& each : kKnown) names.push_back(each.name);
  throw UsageError(fmt::format("LLaVA is not trained with the template \"{}\"; known are {}", name,
                               fmt::join(names, ", ")));
}

// Which ids of a conversation carry loss, being told by lengths of its pieces.
class Marks {
 public:
  explicit Marks(LabelledConversation& labelled) : labelled_(labelled) {
    labelled.targets.assign(labelled.ids.size(), true);
  }
  void ignore(int64_t from, int64_t to) {
    for (int64_t i = std::clamp<int64_t>(from, 0, total()); i < std::min(to, total()); ++i)
      labelled_.targets[static_cast<size_t>(i)] = false;
  }
  // Behind the last round, at `at`; all of it where the lengths do not add up to the whole.
  void finish(int64_t at, int64_t max_length, int64_t pad) {
    ignore(at, total());
    const int64_t real = total() - std::count(labelled_.ids.begin(), labelled_.ids.end(), pad);
    labelled_.mismatch = at < max_length && at != real;
    if (labelled_.mismatch) ignore(0, total());
  }
  int64_t total() const { return static_cast<int64_t>(labelled_.ids.size()); }

 private:
  LabelledConversation& labelled_;
};

// preprocess_v1, preprocess_llama_2: the arithmetic relies on BOS of every tokenised round standing
// for the </s> before it. `shortens`: later rounds are one token shorter alone.
void mark_after_eos(const std::string& text, std::string_view before_answer, const Counter& length,
                    bool shortens, int64_t max_length, int64_t pad,
                    LabelledConversation& labelled) {
  Marks marks(labelled);
  int64_t at = 1;
  marks.ignore(0, at);
  const auto rounds = split(text, "</s>");
  for (size_t i = 0; i < rounds.size() && !rounds[i].empty(); ++i) {
    const auto parts = split(rounds[i], before_answer);
    if (parts.size() != 2) break;
    int64_t round = length(rounds[i]);
    int64_t question = length(parts[0] + std::string(before_answer)) - 2;
    if (i > 0 && shortens) --round, --question;
    marks.ignore(at, at + question);
    at += round;
  }
  marks.finish(at, max_length, pad);
}

// preprocess_mpt: answers and the <|im_end|> behind each.
// Quirk: in the reference's last version the lengths never add up to the whole, <|im_end|> of one
// round being forgotten, so that no sample carries loss. This is what it did while LLaVA-MPT was
// trained, for tokenizers without BOS; where there is one it is counted once.
void mark_between_im_ends(const std::string& text, const text::ConversationTemplate& chat,
                          const Counter& length, int64_t max_length, int64_t pad,
                          LabelledConversation& labelled) {
  Marks marks(labelled);
  const std::string end(chat.user_end), before_answer = end + std::string(chat.assistant_begin);
  const int64_t bos = length("");
  int64_t at = bos;
  marks.ignore(0, at);
  // The system's text belongs to the first round.
  const auto turns = split(text, end);
  for (size_t i = 0; i < turns.size() && !turns[i].empty();) {
    const size_t next = std::min(turns.size(), i + (i == 0 ? 3 : 2));
    const std::string round =
        fmt::format("{}", fmt::join(turns.begin() + static_cast<std::ptrdiff_t>(i),
                                    turns.begin() + static_cast<std::ptrdiff_t>(next), end));
    const auto parts = split(round, before_answer);
    if (parts.size() != 2) break;
    marks.ignore(at, at + length(parts[0] + before_answer) - bos);
    at += length(round) - bos + 1;
    i = next;
  }
  marks.finish(at, max_length, pad);
}

int64_t pad_of(const text::Tokenizer& tokenizer) { return tokenizer.unk_id().value_or(0); }

// What a tokenizer of the reference cuts by itself: texts without a picture, before their answers
// are looked for.
void tokenise(std::span<const text::PromptPart> parts, const ExampleRules& rules,
              const text::Tokenizer& tokenizer, bool has_media, LabelledConversation& labelled) {
  labelled.ids = text::tokenize_with_markers(tokenizer, parts, rules.wraps_media).ids;
  if (!has_media && static_cast<int64_t>(labelled.ids.size()) > rules.max_length)
    labelled.ids.resize(static_cast<size_t>(rules.max_length));
}

// preprocess, for the templates of version 0: "### Human: …\n### Assistant: …\n### " behind the
// system's text. Quirks: the first two tokens of a question are predicted; and as every turn is
// counted with BOS, each mask begins one token later than the one before it.   _mask_targets
LabelledConversation label_signalled(const Sample& sample, const ExampleRules& rules,
                                     const text::ConversationTemplate& chat,
                                     const std::vector<text::Message>& messages,
                                     const text::Tokenizer& tokenizer) {
  constexpr std::string_view kSignal = "### ";
  using Kind = text::PromptPart::Kind;
  const std::string header = std::string(chat.system) + "\n\n";
  std::vector<text::PromptPart> parts{{Kind::kMarkup, header, 0}};
  std::vector<std::string> turns;
  const auto put = [&](const text::PromptPart& part) {
    if (parts.back().kind == part.kind && part.kind != Kind::kMedia)
      parts.back().text += part.text;
    else
      parts.push_back(part);
    if (!turns.empty())
      turns.back() += part.kind == Kind::kMedia ? kImage : std::string_view(part.text);
  };
  for (const text::Message& message : messages) {
    const bool user = message.role == text::Role::kUser;
    turns.emplace_back();
    put({Kind::kMarkup,
         std::string(kSignal) + std::string(user ? chat.user_begin : chat.assistant_begin), 0});
    for (const text::Content& content : message.content)
      put(content.kind == text::Content::Kind::kMedia
              ? text::PromptPart{Kind::kMedia, {}, content.media}
              : text::PromptPart{Kind::kUserText, content.text, 0});
    put({Kind::kMarkup, "\n", 0});
  }
  parts.push_back({Kind::kMarkup, std::string(kSignal), 0});

  LabelledConversation labelled;
  const bool has_media = !sample.media.empty();
  tokenise(parts, rules, tokenizer, has_media, labelled);
  const Counter length(tokenizer, has_media, rules.wraps_media);
  Marks marks(labelled);
  int64_t at = length(header);
  marks.ignore(0, at);
  for (size_t i = 0; i < turns.size(); ++i) {
    const int64_t count = length(turns[i]);
    if (messages[i].role == text::Role::kUser) marks.ignore(at + 2, at + count);
    at += count;
  }
  return labelled;
}

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
  const Style style = style_of(rules.conversation_template);
  if (style == Style::kPlain) return label_plain(sample, rules, tokenizer);
  const text::ConversationTemplate& chat = *text::find_template(rules.conversation_template);
  size_t media = 0;
  const auto messages = messages_of(sample, chat.image_tags, style != Style::kSingle, media);
  if (media > sample.media.size())
    throw BadSample(sample.name,
                    fmt::format("has {} <image> and {} pictures", media, sample.media.size()));
  if (style == Style::kSingle) return label_signalled(sample, rules, chat, messages, tokenizer);
  const auto parts = text::render(chat, messages, false);
  LabelledConversation labelled;
  const bool has_media = !sample.media.empty();
  tokenise(parts, rules, tokenizer, has_media, labelled);
  const Counter length(tokenizer, has_media, rules.wraps_media);
  const std::string text = text::join(parts);
  const int64_t pad = pad_of(tokenizer);
  if (style == Style::kMpt)
    mark_between_im_ends(text, chat, length, rules.max_length, pad, labelled);
  else
    mark_after_eos(text, style == Style::kTwo ? " ASSISTANT: " : "[/INST] ", length,
                   style == Style::kTwo && !tokenizer.legacy(), rules.max_length, pad, labelled);
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

void check_template(const ExampleRules& rules, const text::Tokenizer& tokenizer) {
  const Style style = style_of(rules.conversation_template);
  TemplateCheck check(rules.conversation_template, tokenizer);
  if (rules.wraps_media) {
    check.one_token("<im_start>", "stands before every picture");
    check.one_token("<im_end>", "stands behind every picture");
  }
  if (style == Style::kTwo || style == Style::kLlama2) {
    check.begins("every round is counted with it");
    check.one_token("</s>", "ends every answer");
  }
  if (style == Style::kMpt) {
    check.one_token("<|im_start|>", "begins every turn");
    check.one_token("<|im_end|>", "ends every turn");
  }
  check.finish();
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
