#include "families/documents.h"

#include <algorithm>
#include <string>
#include <string_view>

namespace isthmus::families {
namespace {

using samples::BadSample;

// Bytes of the text that a piece of SentencePiece stands for.
size_t bytes_of(std::string_view piece) {
  constexpr std::string_view kBlank = "\xE2\x96\x81";  // ▁, a space
  size_t bytes = piece.size();
  for (size_t at = 0; (at = piece.find(kBlank, at)) != std::string_view::npos; at += kBlank.size())
    bytes -= kBlank.size() - 1;
  return bytes;
}

// The same of a byte-level piece, in which every byte is a character.
size_t characters_of(std::string_view piece) {
  return static_cast<size_t>(
      std::ranges::count_if(piece, [](char c) { return (c & 0xC0) != 0x80; }));
}

// A blank or the end of a line, which byte-level pieces spell with a letter.
bool has_byte_level_blank(std::string_view piece) {
  return piece.find("\xC4\xA0") != std::string_view::npos ||
         piece.find("\xC4\x8A") != std::string_view::npos;
}

}  // namespace

std::vector<size_t> owners_of_tokens(const text::Tokenizer& tokenizer,
                                     std::span<const text::TextSpan> spans,
                                     std::span<const int64_t> ids) {
  std::vector<size_t> ends;
  size_t total = 0;
  for (const text::TextSpan& span : spans) ends.push_back(total += span.text.size());
  const size_t leading = !ids.empty() && tokenizer.bos_id() == ids.front() ? 1 : 0;
  const auto own = ids.subspan(leading);
  const bool is_byte_level = std::ranges::any_of(
      own, [&](int64_t id) { return has_byte_level_blank(tokenizer.piece(id)); });
  const auto length_of = is_byte_level ? characters_of : bytes_of;
  size_t consumed = 0;
  for (const int64_t id : own) consumed += length_of(tokenizer.piece(id));
  // A blank that the tokenizer puts in front of the text belongs to none of it.
  const size_t added = consumed == total + 1 ? 1 : 0;
  if (consumed != total + added) return {};
  std::vector<size_t> owners(leading, 0);
  size_t at = 0, span = 0;
  for (const int64_t id : own) {
    at += length_of(tokenizer.piece(id));
    const size_t end = std::max<size_t>(at, added + 1) - added;
    while (span + 1 < ends.size() && ends[span] < end) ++span;
    owners.push_back(span);
  }
  return owners;
}

Example text_example(const samples::Sample& sample, const text::Tokenizer& tokenizer,
                     int64_t max_length) {
  std::vector<text::TextSpan> spans;
  for (const Part& part : sample.document) {
    if (part.type == Part::Type::kMedia)
      throw BadSample(sample.name, "holds a medium; a language model alone reads text");
    spans.push_back({part.text, part.type == Part::Type::kToken});
  }
  std::vector<int64_t> ids = tokenizer.encode(spans, /*add_bos=*/true);
  if (ids.size() < 2) throw BadSample(sample.name, "holds no text");
  std::vector<size_t> owners(ids.size(), 0);
  if (!sample.weights.empty()) {
    owners = owners_of_tokens(tokenizer, spans, ids);
    if (owners.empty())
      throw BadSample(sample.name,
                      "this tokenizer does not tell which tokens belong to which part");
  }
  if (max_length > 0 && ids.size() > static_cast<size_t>(max_length))
    ids.resize(static_cast<size_t>(max_length));
  Example example;
  const size_t leading = tokenizer.bos_id() == ids.front() ? 1 : 0;
  for (size_t i = 0; i < ids.size(); ++i) {
    const float weight = i < leading              ? 0.0f
                         : sample.weights.empty() ? 1.0f
                                                  : sample.weights.at(owners[i]);
    append(example.segments, ids[i], weight > 0, weight > 0 ? weight : 1);
  }
  return example;
}

void weigh_answers(const samples::Sample& sample, std::vector<Segment>& segments) {
  if (sample.weights.empty()) return;
  std::vector<float> weights;
  for (size_t i = 0; i < sample.turns.size(); ++i)
    if (sample.turns[i].role == "assistant") weights.push_back(sample.weights.at(i));
  size_t answer = 0;
  for (Segment& segment : segments) {
    auto* text = std::get_if<TextSegment>(&segment);
    if (text == nullptr || !text->is_target || answer == weights.size()) continue;
    const float weight = weights[answer++];
    text->is_target = weight > 0;
    text->weight = weight > 0 ? weight : 1;
  }
}

}  // namespace isthmus::families
