#include "text/tokenize_prompt.h"

#include <fmt/format.h>

#include "isthmus/error.h"

namespace isthmus::text {

namespace {

using Kind = PromptPart::Kind;

TokenId require_token(const Tokenizer& tokenizer, std::string_view token) {
  const auto id = tokenizer.find(token);
  if (!id)
    throw UsageError(
        fmt::format("the tokenizer has no token \"{}\", which the prompt needs", token));
  return *id;
}

}  // namespace

PromptTokens tokenize_with_markers(const Tokenizer& tokenizer, std::span<const PromptPart> parts,
                                   bool wrap_media) {
  if (wrap_media) {
    require_token(tokenizer, "<im_start>");
    require_token(tokenizer, "<im_end>");
  }
  PromptTokens prompt;
  std::vector<std::vector<TextSpan>> chunks(1);
  for (const PromptPart& part : parts) {
    if (part.kind != Kind::kMedia) {
      chunks.back().push_back({part.text, part.kind == Kind::kMarkup});
      continue;
    }
    prompt.media.push_back(part.media);
    if (wrap_media) chunks.back().push_back({"<im_start>", true});
    chunks.emplace_back();
    if (wrap_media) chunks.back().push_back({"<im_end>", true});
  }
  size_t skipped = 0;
  for (size_t i = 0; i < chunks.size(); ++i) {
    const std::vector<TokenId> ids = tokenizer.encode(chunks[i], true);
    if (i == 0) {
      // A tokenizer without BOS gives nothing to skip.
      if (!ids.empty() && ids.front() == tokenizer.bos_id()) {
        prompt.ids.push_back(ids.front());
        skipped = 1;
      }
    } else {
      prompt.ids.push_back(kMediaMarker);
    }
    if (ids.size() > skipped)
      prompt.ids.insert(prompt.ids.end(), ids.begin() + static_cast<ptrdiff_t>(skipped), ids.end());
  }
  return prompt;
}

PromptTokens tokenize_expanded(const Tokenizer& tokenizer, std::span<const PromptPart> parts,
                               std::string_view media_token,
                               std::span<const size_t> feature_counts) {
  const TokenId media_id = require_token(tokenizer, media_token);
  PromptTokens prompt;
  std::vector<TextSpan> spans;
  for (const PromptPart& part : parts) {
    if (part.kind != Kind::kMedia) {
      spans.push_back({part.text, part.kind == Kind::kMarkup});
      continue;
    }
    if (part.media >= feature_counts.size())
      throw UsageError(fmt::format("the prompt shows medium {}, but the request has {}", part.media,
                                   feature_counts.size()));
    prompt.media.push_back(part.media);
    spans.push_back({media_token, true});
  }
  size_t seen = 0;
  for (const TokenId id : tokenizer.encode(spans, true)) {
    if (id != media_id) {
      prompt.ids.push_back(id);
      continue;
    }
    if (seen < prompt.media.size())
      prompt.ids.insert(prompt.ids.end(), feature_counts[prompt.media[seen]], media_id);
    ++seen;
  }
  if (seen != prompt.media.size())
    throw UsageError(fmt::format("the prompt has {} media, but the token {} stands in it {} times",
                                 prompt.media.size(), media_token, seen));
  return prompt;
}

}  // namespace isthmus::text
