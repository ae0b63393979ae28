#include "serving/prompts.h"

#include <algorithm>
#include <span>

#include <fmt/format.h>

#include "engine/answering.h"
#include "isthmus/error.h"
#include "nn/forward_context.h"

namespace isthmus::serving {
namespace {

std::vector<int64_t> rows_of(const Media& media) {
  std::vector<int64_t> rows;
  for (const auto& medium : media) rows.push_back(medium->encoded.rows());
  return rows;
}

std::vector<float> direction_of_mean(const Tensor& rows) {
  const Tensor mean = rows.to(torch::kFloat).mean(0);
  const Tensor unit = (mean / mean.norm().clamp_min(1e-12)).contiguous();
  const auto values = engine::as_span(unit);
  return {values.begin(), values.end()};
}

}  // namespace

void make_prompt(Asked& asked, const Media& media, double encode_seconds, int64_t capacity) {
  families::Family& family = *asked.variant->family;
  const Request& request = asked.question.request;
  auto prompt = std::make_shared<Prompt>();
  prompt->media = media;
  prompt->segments = families::prompt_segments(family, request, rows_of(media));
  std::vector<families::AlignedMedia> aligned;
  for (const auto& medium : media) aligned.push_back({&medium->encoded, medium->id});
  prompt->sequence = families::build_sequence(prompt->segments, aligned, family.language_model());
  const int64_t length = prompt->sequence.length();
  engine::check_prompt_length(length, media, family);
  if (length >= capacity)
    throw ResourceError(
        fmt::format("the prompt is {} tokens long; the server has memory for {} at a time, the "
                    "answer included. "
                    "Shorten it, or give the server more memory for keys and values",
                    length, capacity));
  prompt->late_marker = family.late_marker(request.generate);
  prompt->late_id = family.media_marker();
  prompt->overlap = family.decode_overlap(request.generate, prompt->segments);
  prompt->shares_prefix = family.reuses_prefix();
  prompt->model = asked.variant->model;
  asked.config = request.generate;
  asked.config.max_new_tokens = std::min(
      {request.generate.max_new_tokens, family.context_length() - length, capacity - length});
  asked.rules = family.stop_rules(request);
  asked.encode_seconds = encode_seconds;
  asked.prompt = std::move(prompt);
}

int64_t count_rows(families::Family& family, const Request& request, const Media& media) {
  const std::vector<int64_t> rows = rows_of(media);
  int64_t count = 0;
  for (const families::Segment& segment : families::prompt_segments(family, request, rows)) {
    if (const auto* text = std::get_if<families::TextSegment>(&segment)) {
      count += static_cast<int64_t>(text->ids.size());
      continue;
    }
    // At depth a medium is one marker in the sequence.
    const auto& medium = std::get<families::MediaSegment>(segment);
    const bool shown = medium.input != families::MediaSegment::kNoInput;
    count += shown && media[medium.input]->encoded.tokens.defined() ? rows[medium.input] : 1;
  }
  return count;
}

std::vector<float> embed_text(families::Family& family, const std::string& text) {
  const text::TextSpan span{text, false};
  const auto ids = family.tokenizer()->encode(std::span(&span, 1), /*add_bos=*/true);
  const auto length = static_cast<int64_t>(ids.size());
  if (length == 0) throw UsageError("a text without tokens has no embedding");
  if (length > family.context_length())
    throw ResourceError(fmt::format("the text is {} tokens long; the model's context holds {}",
                                    length, family.context_length()));
  decoders::LanguageModel& model = family.language_model();
  nn::ForwardContext context;
  context.hook = family.block_hook();
  const Tensor rows = model.embed_tokens(torch::tensor(ids, torch::kInt64).unsqueeze(0));
  return direction_of_mean(model.forward(rows, context).squeeze(0));
}

std::vector<float> embed_medium(const engine::CachedMedia& medium) {
  const families::EncodedMedia& encoded = medium.encoded;
  if (encoded.tokens.defined()) return direction_of_mean(encoded.tokens);
  return direction_of_mean(encoded.memory->latents);
}

}  // namespace isthmus::serving
