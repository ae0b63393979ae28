#include "serving/reading.h"

#include <algorithm>
#include <utility>

namespace isthmus::serving {

namespace {

using families::LateMarker;

}  // namespace

Reading::Reading(std::shared_ptr<const Prompt> prompt, nn::PagedCache cache)
    : prompt_(std::move(prompt)),
      cache_(std::move(cache)),
      markers_(prompt_->sequence.media_index.back()) {
  const auto& keys = prompt_->sequence.row_keys;
  keys_.assign(keys.begin(), keys.end() - static_cast<std::ptrdiff_t>(prompt_->overlap));
}

int64_t Reading::kept() const {
  return prompt_->sequence.length() - (prompt_read_ ? prompt_->overlap : 0);
}

Tensor Reading::embeddings(decoders::LanguageModel& model, int64_t rows) const {
  const int64_t first = length(), end = first + rows;
  std::vector<Tensor> parts;
  if (const int64_t from_prompt = std::min(end, kept()) - first; from_prompt > 0)
    parts.push_back(prompt_->sequence.embeddings.narrow(0, first, from_prompt));
  if (end > kept()) {
    const int64_t from = std::max(first - kept(), int64_t{0});
    parts.push_back(model.embed_tokens(torch::tensor(
        at::ArrayRef<int64_t>(tokens_.data() + from, static_cast<size_t>(end - kept() - from)),
        torch::kInt64)));
  }
  return parts.size() == 1 ? parts[0] : torch::cat(parts, 0);
}

std::vector<int64_t> Reading::media_index(int64_t rows) const {
  std::vector<int64_t> index;
  for (int64_t row = length(); row < length() + rows; ++row)
    index.push_back(row < kept() ? prompt_->sequence.media_index[static_cast<size_t>(row)]
                                 : token_media_[static_cast<size_t>(row - kept())]);
  return index;
}

void Reading::finish_prompt() {
  if (prompt_read_) return;
  prompt_read_ = true;
  cache_.truncate(kept());
}

void Reading::append(int64_t token) {
  const bool late = token == prompt_->late_id && prompt_->late_marker != LateMarker::kIgnored;
  if (late) markers_ = prompt_->late_marker == LateMarker::kResets ? 1 : markers_ + 1;
  tokens_.push_back(token);
  token_media_.push_back(markers_);
  // Rows behind a late marker read other media than their keys say.
  keys_end_ = keys_end_ || token == prompt_->late_id;
  if (!keys_end_) keys_.push_back(prompt_->sequence.key_after(token, prompt_->late_id));
}

std::optional<Reading> Reading::fork() const {
  auto cache = cache_.fork();
  if (!cache) return std::nullopt;
  Reading other(prompt_, std::move(*cache));
  other.prompt_read_ = prompt_read_;
  other.tokens_ = tokens_;
  other.token_media_ = token_media_;
  other.markers_ = markers_;
  other.keys_ = keys_;
  other.keys_end_ = keys_end_;
  other.published_ = published_;
  return other;
}

void Reading::forget() {
  cache_.clear();
  published_ = 0;
  // Without a token chosen, the last rows of the prompt are needed again.
  if (tokens_.empty()) prompt_read_ = false;
}

int64_t Reading::begin_with(PrefixCache& prefixes) {
  if (!prompt_->shares_prefix || length() > 0) return 0;
  // Rows that the answer overwrites must not lie in a page that others hold, nor the last row.
  const auto most = std::min(static_cast<size_t>(known() - 1), keys_.size());
  cache_.adopt(prefixes.find(std::span(keys_).first(most), prompt_->model));
  published_ = length() / nn::PagePool::kPositions;
  return length();
}

void Reading::publish(PrefixCache& prefixes) {
  const int64_t full =
      std::min(length(), static_cast<int64_t>(keys_.size())) / nn::PagePool::kPositions;
  if (!prompt_->shares_prefix || full <= published_) return;
  prefixes.insert(keys_, cache_.pages().first(static_cast<size_t>(full)), prompt_->model);
  published_ = full;
}

}  // namespace isthmus::serving
