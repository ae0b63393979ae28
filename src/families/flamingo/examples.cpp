#include "families/flamingo/examples.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include <fmt/format.h>

#include "families/documents.h"
#include "families/template_check.h"
#include "isthmus/error.h"
#include "samples/interleaved.h"
#include "text/few_shot_form.h"
#include "text/unicode.h"

namespace isthmus::families::flamingo {
namespace {

using samples::BadSample;
using samples::Sample;

constexpr int64_t kCaptionTokens = 32, kInterleavedTokens = 256;
constexpr int64_t kMinPictures = 1, kMaxPictures = 6;
constexpr double kSimilarityThreshold = 0.24;  // of the published 3B run
constexpr double kSinglePictureRejected = 0.5;

int64_t given_or(int64_t value, int64_t fallback) { return value != 0 ? value : fallback; }

bool is_picture(const Part& part) { return part.type == Part::Type::kMedia; }

[[noreturn]] void refuse_template(const std::string& name) {
  throw UsageError(fmt::format(
      "template \"{}\": this model is trained on \"caption\" and \"interleaved\"", name));
}

bool is_caption_pair(const Sample& sample, const std::string& name) {
  if (name == "interleaved") return false;
  const auto& document = sample.document;
  const bool has_shape = !sample.similarities && document.size() == 2 && is_picture(document[0]) &&
                         document[1].type == Part::Type::kText;
  if (name.empty()) return has_shape;
  if (name != "caption") refuse_template(name);
  if (!has_shape) throw BadSample(sample.name, "is not a picture, then its caption");
  return true;
}

// Pieces of one text, which of them are tokens by their spelling, and how much they count.
class ExampleWriter {
 public:
  void text(std::string text, float weight) { pieces_.push_back({std::move(text), false, weight}); }
  void token(std::string_view spelling, float weight = 1) {
    pieces_.push_back({std::string(spelling), true, weight});
  }

  struct Ids {
    std::vector<int64_t> ids;
    std::vector<float> weights;
  };
  Ids encode(const text::Tokenizer& tokenizer, const std::string& name) const {
    std::vector<text::TextSpan> spans;
    for (const Piece& piece : pieces_) spans.push_back({piece.text, piece.is_token});
    Ids encoded{tokenizer.encode(spans, /*add_bos=*/true), {}};
    encoded.weights.assign(encoded.ids.size(), 1);
    if (std::ranges::all_of(pieces_, [](const Piece& piece) { return piece.weight == 1; }))
      return encoded;
    const auto owners = owners_of_tokens(tokenizer, spans, encoded.ids);
    if (owners.empty())
      throw BadSample(name, "this tokenizer does not tell which tokens belong to which part");
    for (size_t i = 0; i < owners.size(); ++i) encoded.weights[i] = pieces_[owners[i]].weight;
    return encoded;
  }

 private:
  struct Piece {
    std::string text;
    bool is_token;
    float weight;
  };
  std::vector<Piece> pieces_;
};

std::string end_token(const text::Tokenizer& tokenizer) {
  const auto id = tokenizer.eos_id();
  if (!id) throw UnsupportedError("the tokenizer has no end token, which closes every example");
  return tokenizer.piece(*id);
}

// How much each part counts.
float weight_of(const Sample& sample, size_t part) {
  return part < sample.weights.size() ? sample.weights[part] : 1;
}

ExampleWriter write_caption(const Sample& sample) {
  ExampleWriter writer;
  writer.token(layout::kImage);
  writer.text(std::string(text::strip(sample.document[1].text)), weight_of(sample, 1));
  return writer;
}

// One space on either side of a picture is taken away, not more. The end of a chunk counts as the
// last text in it.
ExampleWriter write_interleaved(const Sample& sample, const std::vector<Part>& document) {
  ExampleWriter writer;
  bool is_first = true;
  float last = 1;
  for (size_t i = 0; i < document.size(); ++i) {
    if (is_picture(document[i])) {
      if (!is_first) writer.token(layout::kEndOfChunk, last);
      writer.token(layout::kImage);
      is_first = false;
      continue;
    }
    std::string_view text = document[i].text;
    const bool before = i + 1 < document.size() && is_picture(document[i + 1]);
    const bool behind = i > 0 && is_picture(document[i - 1]);
    if (before && text.ends_with(' ')) text.remove_suffix(1);
    if (behind && text.starts_with(' ')) text.remove_prefix(1);
    last = weight_of(sample, i);
    writer.text(std::string(text), last);
  }
  return writer;
}

// Where the data show the medium; the form has a place of its own for it.
std::string without_markers(std::string text) {
  for (size_t at; (at = text.find(layout::kImage)) != std::string::npos;)
    text.erase(at, layout::kImage.size());
  return std::string(text::strip(text));
}

void write_parts(const std::vector<Part>& parts, float weight, ExampleWriter& writer) {
  for (const Part& part : parts) {
    if (is_picture(part))
      writer.token(layout::kImage, weight);
    else if (part.type == Part::Type::kToken)
      writer.token(part.text, weight);
    else
      writer.text(part.text, weight);
  }
}

// Every exchange behind a marker of its own: the media in front of a question are then the nearest,
// which is all that these models read.
ExampleWriter write_conversation(const Sample& sample, const std::string& name) {
  const auto chosen = text::find_few_shot_form(name.empty() ? "vqa" : name);
  const auto shown = text::find_few_shot_form("plain");
  ExampleWriter writer;
  for (size_t i = 0; i + 1 < sample.turns.size(); i += 2) {
    if (sample.turns[i].role != "user" || sample.turns[i + 1].role != "assistant")
      throw BadSample(sample.name, "human and gpt do not take turns, human first");
    text::FewShotItem item{.media = sample.media};
    item.question = item.prompt = without_markers(sample.turns[i].text);
    item.answer = sample.turns[i + 1].text;
    const text::FewShotForm& form = item.question.empty() ? shown : chosen;
    const auto solved = text::render_solved(form, item);
    if (i > 0) writer.text(form.separator, 0);
    write_parts(solved.given, 0, writer);
    write_parts(solved.answer, weight_of(sample, i + 1), writer);
  }
  return writer;
}

// What carries loss, token by token.
class Targets {
 public:
  Targets(const layout::FlamingoTokens& tokens, bool is_caption)
      : tokens_(tokens), is_caption_(is_caption) {}

  bool next(int64_t id) {
    if (id == tokens_.image) {
      follows_picture_ = true;
      return false;
    }
    const bool is_target = is_caption_ || follows_picture_;
    if (id == tokens_.endofchunk) follows_picture_ = false;
    // Where the tokenizer pads with its end token, that one is never learnt.
    return is_target && id != tokens_.pad;
  }

 private:
  const layout::FlamingoTokens& tokens_;
  bool is_caption_, follows_picture_ = false;
};

// The markers show the pictures of a document in turn.
std::vector<Segment> segments_of(const ExampleWriter::Ids& encoded,
                                 const layout::FlamingoTokens& tokens, bool is_caption,
                                 size_t num_pictures) {
  std::vector<Segment> segments;
  Targets targets(tokens, is_caption);
  size_t pictures = 0;
  for (size_t i = 0; i < encoded.ids.size(); ++i) {
    const int64_t id = encoded.ids[i];
    const float weight = encoded.weights[i];
    const bool is_target = targets.next(id) && weight > 0;
    if (id == tokens.image)
      segments.push_back(MediaSegment{pictures++ % num_pictures, id});
    else
      append(segments, id, is_target, is_target ? weight : 1);
  }
  return segments;
}

bool carries_loss(const std::vector<Segment>& segments) {
  return std::ranges::any_of(segments, [](const Segment& segment) {
    const auto* text = std::get_if<TextSegment>(&segment);
    return text != nullptr && text->is_target;
  });
}

// Text and pictures in their order.
std::vector<Part> arranged(const Sample& sample, const ExampleOptions& options) {
  const auto max_pictures = static_cast<size_t>(given_or(options.max_media, kMaxPictures));
  if (!sample.similarities) return samples::cut_at_media(sample.document, max_pictures);
  samples::PlacementOptions placement;
  placement.max_media = max_pictures;
  placement.in_page_order = options.in_page_order;
  placement.similarity_threshold =
      options.similarity_threshold != 0 ? options.similarity_threshold : kSimilarityThreshold;
  return samples::place_media(sample, placement);
}

void check_pictures(const Sample& sample, int64_t pictures, const ExampleOptions& options) {
  const int64_t fewest = given_or(options.min_media, kMinPictures);
  if (pictures < fewest)
    throw BadSample(
        sample.name,
        fmt::format("has {} pictures within its {} tokens, at least {} are asked for", pictures,
                    given_or(options.max_length, kInterleavedTokens), fewest));
  if (sample.similarities && pictures == 1 && options.random &&
      options.random() <= kSinglePictureRejected)
    throw BadSample(sample.name, "is one of the pages with a single picture that are left out");
}

}  // namespace

void check_template(const std::string& name, const layout::FlamingoTokens& tokens) {
  // Conversations are written in few-shot forms.
  if (!name.empty() && name != "caption" && name != "interleaved") text::find_few_shot_form(name);
  TemplateCheck check(name.empty() ? "caption" : name, *tokens.tokenizer);
  check.one_token(layout::kImage, "marks every picture");
  check.one_token(layout::kEndOfChunk, "ends every text");
  check.ends("it closes every example");
  check.finish();
}

Example make_example(const Sample& sample, const ExampleOptions& options,
                     const layout::FlamingoTokens& tokens, const PreparePicture& prepare) {
  const bool is_conversation = !sample.turns.empty();
  const std::string& form = options.conversation_template;
  const bool is_caption = !is_conversation && is_caption_pair(sample, form);
  const std::vector<Part> document = is_conversation ? sample.media
                                     : is_caption    ? sample.document
                                                     : arranged(sample, options);
  const auto num_pictures = static_cast<size_t>(std::ranges::count_if(document, is_picture));
  if (is_conversation && num_pictures == 0) throw BadSample(sample.name, "has no picture");

  ExampleWriter writer = is_conversation ? write_conversation(sample, form)
                         : is_caption    ? write_caption(sample)
                                         : write_interleaved(sample, document);
  const float last = sample.weights.empty() ? 1 : sample.weights.back();
  if (!is_conversation) writer.token(layout::kEndOfChunk, last);
  writer.token(end_token(*tokens.tokenizer), is_conversation ? 0 : last);
  ExampleWriter::Ids encoded = writer.encode(*tokens.tokenizer, sample.name);
  const auto longest = static_cast<size_t>(
      given_or(options.max_length, is_caption ? kCaptionTokens : kInterleavedTokens));
  if (encoded.ids.size() > longest) encoded.ids.resize(longest);

  const int64_t pictures = std::ranges::count(encoded.ids, tokens.image);
  if (!is_caption && !is_conversation) check_pictures(sample, pictures, options);
  Example example{segments_of(encoded, tokens, is_caption, num_pictures), {}};
  if (!carries_loss(example.segments))
    throw BadSample(sample.name, "no token of it carries loss: nothing follows its pictures");
  for (const Part& part : document) {
    if (!is_picture(part)) continue;
    if (std::ssize(example.media) == pictures) break;  // the others were cut off with their text
    example.media.push_back(
        prepare(part, fmt::format("{}: picture {}", sample.name, example.media.size() + 1)));
  }
  return example;
}

}  // namespace isthmus::families::flamingo
